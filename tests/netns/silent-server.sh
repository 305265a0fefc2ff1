#!/bin/bash
# Claim: a server that lost its sessions in silence is found out by rule 10 (a CON waits 5 s, or is
# seen a third time) and its devices come back, with no ICMP and nobody's help; while something else
# that drops all holds the port, too; and one that is only slow keeps its session.
#   dev (lwm2m-device x2) ---- gw (relay) ---- srv (lwm2m-server openssl and gnutls; ICMP is dropped)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

BOUND=40 # seconds that a recovery may take; what it takes is printed
declare -A PORT=([openssl]=5684 [gnutls]=5685)

serve() { server_start "s-$1" "$1" --psk "$WORK/psk" --coaps "[::]:${PORT[$1]}"; }

# Both devices speak by themselves every 2 s, and are heard by the new server within the bound.
both_back() {
	local tls
	for tls in openssl gnutls; do
		await "s-$tls" "^registered $tls /rd/" "$BOUND" || fail "$tls is not back in $BOUND s"
		echo "     $tls: $1, back after $(took)"
	done
	for tls in openssl gnutls; do
		asks "s-$tls" "read $tls /3/0/2" "^read $tls /3/0/2 2\.05 "
	done
}

# A new server without a session takes the old one's place; nobody says so.
replaced() {
	local tls
	started
	for tls in openssl gnutls; do stop "s-$tls" KILL; done
	for tls in openssl gnutls; do serve "$tls"; done
	both_back 'replaced in silence'
}

# The port is held for 6 s by one that answers nothing.
swallowed() {
	local tls
	started
	for tls in openssl gnutls; do
		stop "s-$tls" KILL
		run srv "hole-$tls" "$BUILD/tests/rawudp" "0.0.0.0:${PORT[$tls]}"
	done
	sleep 6
	for tls in openssl gnutls; do
		seen "hole-$tls" '^198\.51\.100\.1:[0-9]+ 1[79]' || fail "nothing of $tls fell into the hole"
		stop "hole-$tls"
	done
	for tls in openssl gnutls; do serve "$tls"; done
	both_back 'port held for 6 s'
}

# slow SECONDS TRIES: the servers stand still for a while; their sessions go on, with no new
# handshake, though so many are tried beside them.
slow() {
	local tls before tried
	for tls in openssl gnutls; do want "s-$tls" "^updated $tls " 10; done
	before=$(counted handshakes_done) tried=$(counted server_silent)
	mark_all
	for tls in openssl gnutls; do kill -STOP "${NETNS_PID[s-$tls]}"; done
	sleep "$1"
	for tls in openssl gnutls; do kill -CONT "${NETNS_PID[s-$tls]}"; done
	for tls in openssl gnutls; do
		want "s-$tls" "^updated $tls " 10
		asks "s-$tls" "read $tls /3/0/2" "^read $tls /3/0/2 2\.05 "
		same "$(route "$tls" state)" up "state of $tls"
	done
	same "$(counted handshakes_done)" "$before" "handshakes after $1 s of slowness"
	tried=$(($(counted server_silent) - tried))
	echo "     slow for $1 s: sessions kept, $tried tries beside them"
	[ "$tried" -ge "$2" ] || fail "$tried tries beside the sessions, not $2"
}

netns_begin silent-server
netns_three
at srv nft -f - <<-END
	table inet quiet {
		chain out {
			type filter hook output priority 0
			icmp type destination-unreachable drop
		}
	}
END
psk openssl gnutls >"$WORK/psk"
cloud coaps://$SERVER
section server cloud2 uri coaps://$SERVER:5685
endpoint openssl cloud
endpoint gnutls cloud2
for tls in openssl gnutls; do serve "$tls"; done
relay_start
LIFE_START=${EPOCHREALTIME/./}
for tls in openssl gnutls; do device "$tls" 192.0.2.11 --lifetime 4; done
both_back 'first start'
slow 4 0
replaced
swallowed
slow 8 2
relay_stop
pass
