#!/bin/bash
# Claim: after SIGTERM the server has seen close_notify; after the next start the relay knows its
# routing table, makes every association anew from the same source port, the server reaches the
# devices though they do not speak, and their Locations are good. After kill -9 the devices come
# back too: from the old port, where the server takes a new handshake there, else from a new one,
# which is logged and counted.
#   dev (lwm2m-device x3) ---- gw (relay) ---- srv (lwm2m-server: openssl, gnutls, NoSec)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

BOUND=30 # seconds that a recovery may take; what it takes is printed
ALL='openssl gnutls notls'
declare -A SAW=() LOCATION=() BEFORE=()

remember() {
	local tls
	for tls in $ALL; do
		SAW[$tls]=$(route "$tls" port)
		LOCATION[$tls]=$(route "$tls" location)
		case ${SAW[$tls]}:${LOCATION[$tls]} in [1-9]*:/rd/*) ;; *) fail "no row of $tls" ;; esac
	done
}

# up TLS: its association stands, in the time given.
up() {
	eventually "$BOUND" is "route $1 state" = up || fail "$1 has no association in $BOUND s"
	echo "     $1: up after $(took), port ${SAW[$1]} -> $(route "$1" port)"
}

reached() { asks "s-$1" "read $1 /3/0/2" "^read $1 /3/0/2 2\.05 \"$1\"\$"; }

# The device's own Update, to the Location of before, comes from the port that the row names.
updates() {
	mark "s-$1"
	tell "$1" update
	want "s-$1" "^updated $1 ${LOCATION[$1]} .* from 198\.51\.100\.1:$(route "$1" port) " "$BOUND"
	want "$1" "^updated ${LOCATION[$1]}\$"
	reached "$1"
}

in_order() {
	local tls
	remember
	for tls in $ALL; do BEFORE[$tls]=$(row "$tls" | grep -o '"up":{"messages":[0-9]*'); done
	started
	relay_stop
	for tls in openssl gnutls; do
		want "s-$tls" "^closed id-$tls from 198\.51\.100\.1:${SAW[$tls]} "
	done
	echo '     SIGTERM: close_notify seen; then'
	started
	relay_start
	want relay 'state: 3 flows are restored' 1
	for tls in $ALL; do
		up "$tls"
		same "$(route "$tls" port)" "${SAW[$tls]}" "source port of $tls"
		same "$(route "$tls" location)" "${LOCATION[$tls]}" "Location of $tls"
		same "$(row "$tls" | grep -o '"up":{"messages":[0-9]*')" "${BEFORE[$tls]}" 'its counts'
	done
	want s-openssl "^handshake id-openssl from 198\.51\.100\.1:${SAW[openssl]} "
	# GnuTLS's build tells its user of no session before a request.
	for tls in openssl notls; do reached "$tls"; done
	for tls in $ALL; do
		absent "$tls" '^(updated|registered)' || fail "$tls spoke: $SEEN"
		updates "$tls"
	done
}

killed() {
	local tls
	remember
	started
	stop relay KILL
	relay_start
	echo '     SIGKILL; then'
	for tls in $ALL; do up "$tls"; done
	reached notls
	for tls in openssl gnutls; do
		[ "$(route "$tls" port)" = "${SAW[$tls]}" ] && continue
		want relay "wan: $tls: source port ${SAW[$tls]} given up for $(route "$tls" port)" 1
	done
	same "$(counted ports_given_up)" "$(count relay 'given up for')" 'ports given up'
	same "$(route notls port)" "${SAW[notls]}" 'the port of a plain association'
	for tls in $ALL; do
		absent "$tls" '^(updated|registered)' || fail "$tls spoke: $SEEN"
		updates "$tls"
	done
}

# Where the server has no session left either, the old port is good.
both_killed() {
	remember
	started
	stop relay KILL
	stop s-openssl KILL
	server_start s-openssl openssl --psk "$WORK/psk" --coaps '[::]:5684' --state "$WORK/state-openssl"
	relay_start
	echo '     SIGKILL of the server, too; then'
	up openssl
	same "$(route openssl port)" "${SAW[openssl]}" 'the old port'
	reached openssl
	updates openssl
}

# Somebody else has the remembered port meanwhile: another one is taken, told and counted.
port_taken() {
	remember
	relay_stop
	run gw holder "$BUILD/tests/rawudp" "0.0.0.0:${SAW[openssl]}"
	want holder '^ready$'
	started
	relay_start
	want relay "wan: openssl: source port ${SAW[openssl]} is taken, choosing another"
	up openssl
	[ "$(route openssl port)" != "${SAW[openssl]}" ] || fail 'the port of another is in use'
	same "$(counted ports_given_up)" 1 'ports given up'
	same "$(route gnutls port)" "${SAW[gnutls]}" 'the port of its neighbour'
	updates openssl
}

netns_begin restart-gateway
netns_three
# shellcheck disable=SC2086 # a list of words
psk $ALL >"$WORK/psk"
cloud coaps://$SERVER
section server gnutls uri coaps://$SERVER:5685
section server notls uri coap://$SERVER:5700
endpoint openssl
endpoint gnutls gnutls
section endpoint - name notls server notls
server_start s-openssl openssl --psk "$WORK/psk" --coaps '[::]:5684' --state "$WORK/state-openssl"
server_start s-gnutls gnutls --psk "$WORK/psk" --coaps '[::]:5685'
server_start s-notls notls --coap '[::]:5700'
relay_start
for tls in $ALL; do
	device "$tls" 192.0.2.11 --lifetime 600
	want "$tls" '^registered /rd/'
done
in_order
killed
in_order
both_killed
port_taken
relay_stop
pass
