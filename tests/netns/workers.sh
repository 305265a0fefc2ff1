#!/bin/bash
# Claim: several workers are one relay. Devices with and without DTLS are spread over all of them; every one is
# served from every port that it comes from, whichever worker that is, with one source port towards its server,
# and the server reaches it there. A reload, a restart and the command see all of them. Each thread has given up
# all rights. Run with the thread sanitizer by workers-threads.sh.
#   dev (rawudp, rawdevice x2) ---- gw (relay) ---- srv (lwm2m-server, DTLS)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

WORKERS=3
PLAIN=12
PORTS=8
MID=100

# The configuration; options of the listener.
conf() {
	local i
	rm -f "$WORK/lwgate.conf"
	section gateway main log_level debug workers "${AT_WORK:-$WORKERS}"
	section server cloud uri coaps://$SERVER
	section listen lan interface lan0 server cloud "$@"
	for ((i = 1; i <= PLAIN; i++)); do endpoint "dev$i"; done
	endpoint cidded cloud lan_identity id-lan-cidded lan_key "$(key_of lan-cidded)"
	endpoint bare cloud lan_identity id-lan-bare lan_key "$(key_of lan-bare)"
	endpoint fixed cloud address 192.0.2.12
}

# plain NAME TYPE CODE TOKEN PATH [PAYLOAD]: rawudp says it, and gets the answer whose code follows as ANSWER.
plain() {
	local name=$1 answer=$2
	shift 2
	MID=$((MID + 1))
	says "$name" con "$1" $MID "${@:2}"
	hears "$name" ack "$answer" $MID "$2"
}

# at_port NAME IP:PORT: the same device from another port.
at_port() {
	if alive "$1"; then stop "$1"; fi
	raw "$1" "$2"
}

spread() {
	lwgate metrics | sed -n "s/^lwgate_worker_$1{worker=.*} //p"
}

# No worker has nearly all flows, and all flows are somewhere. Fifteen lie so by chance once in 10^4 times.
is_spread() {
	local n all=0
	for n in $(spread flows); do
		[ "$n" -lt $(($1 - 1)) ] || return 1
		all=$((all + n))
	done
	[ "$(spread flows | wc -l)" -eq "$WORKERS" ] && [ "$all" -eq "$1" ]
}

registers() {
	local i
	for ((i = 1; i <= PLAIN; i++)); do
		at_port "dev$i" "192.0.2.11:$((41000 + i))"
		plain "dev$i" 2.01 0.02 "b$((i % 10))" "/rd?ep=dev$i&lt=600&lwm2m=1.1&b=U" '</3/0>'
	done
	is_spread $((PLAIN + 3)) || fail "not spread: $(spread flows | tr '\n' ' ')"
	echo "     flows of the workers: $(spread flows | tr '\n' ' ')"
}

# reached NAME: the server's Read reaches the device, whose answer reaches the server.
reached() {
	local ask
	mark "$1" server
	tell server "read $1 /3/0/2"
	want "$1" ' 4801'
	ask=${SEEN##* }
	tell "$1" "6845${ask:4:20}ff$(text_hex "$1")"
	want server "^read $1 /3/0/2 2\\.05 \"$1\"\$"
}

reads_all() {
	local i
	for ((i = 1; i <= PLAIN; i++)); do reached "dev$i"; done
}

# An Update from other ports, whose workers do not know the Location.
follows() {
	local i location port
	location=$(route dev1 location) port=$(route dev1 port)
	for ((i = 0; i < PORTS; i++)); do
		at_port dev1 "192.0.2.11:$((42000 + i))"
		plain dev1 2.04 0.02 "c$i" "$location"
		same "$(route dev1 device)" "192.0.2.11:$((42000 + i))" 'address of the row'
	done
	same "$(route dev1 port)" "$port" 'source port'
	reached dev1
	[ "$(counted handed_over)" -gt 0 ] || fail 'nothing was handed over'
	! lost | grep -v 'reason="\(stranger_\|ping_\|move_\)' || fail 'something was lost'
}

# The old address is silent: the flow comes along from wherever it was, after its worker has pinged.
moves() {
	local i port
	port=$(route dev2 port)
	for ((i = 0; i < 3; i++)); do
		at_port dev2 "192.0.2.13:$((43000 + i))"
		plain dev2 2.01 0.02 "d$i" '/rd?ep=dev2&lt=600&lwm2m=1.1&b=U' '</3/0>'
	done
	same "$(route dev2 port)" "$port" 'source port'
	same "$(route dev2 device)" 192.0.2.13:43002 'address of the row'
}

# The static device is heard from any port.
fixed() {
	local i
	for ((i = 0; i < PORTS; i++)); do
		at_port fixed "192.0.2.12:$((44000 + i))"
		plain fixed 2.01 0.02 "e$i" '/rd?ep=fixed&lt=600&lwm2m=1.1&b=U' '</3/0>'
	done
	same "$(route fixed device)" "192.0.2.12:$((44000 + PORTS - 1))" 'address of the row'
}

# tls NAME TYPE CODE TOKEN PATH: a message in its session, and the answer.
tls() {
	local name=$1 answer=$2
	shift 2
	MID=$((MID + 1))
	tell "$name" "$(coap con "$1" $MID "${@:2}")" || fail "$name has ended"
	want "$name" "^record $(coap ack "$answer" $MID "$2")"
}

dtls_begin() {
	mark "$1"
	run dev "$1" "$BUILD/tests/rawdevice" "192.0.2.13:$2" $GATEWAY:5684 psk "id-lan-$1" \
		"$(key_of "lan-$1")" "${@:3}"
	want "$1" '^handshake TLS_PSK_'
	tls "$1" 2.01 0.02 a1 "/rd?ep=$1&lt=600&lwm2m=1.1&b=U" '</3/0>'
}

# With a connection id the session goes on from any port.
keeps_session() {
	local i location port
	location=$(route cidded location) port=$(route cidded port)
	for ((i = 0; i < PORTS; i++)); do
		tell cidded "port $((45000 + i))"
		tls cidded 2.04 0.02 "f$i" "$location"
		same "$(route cidded device)" "192.0.2.13:$((45000 + i))" 'address of the row'
	done
	same "$(route cidded port)" "$port" 'source port'
	reached cidded
}

# Without one it shakes hands anew, with whatever worker; the server notices nothing.
begins_anew() {
	local i location port
	location=$(route bare location) port=$(route bare port)
	mark_all
	for ((i = 0; i < PORTS; i++)); do
		mark bare
		tell bare "port $((46000 + i))" handshake
		want bare '^handshake TLS_PSK_'
		tls bare 2.04 0.02 "9$i" "$location"
	done
	same "$(route bare port)" "$port" 'source port'
	same "$(counted server_closed)" 0 'sessions that servers ended'
	same "$(counted handshakes)" $((PLAIN + 3)) 'handshakes with the server'
	echo "     sessions that went to another worker: $(counted handed_sessions)"
	reached bare
}

# reload: another option of the listener; a bad file changes nothing; workers stay as many.
reloads() {
	conf move 0
	relay_reload
	is_spread $((PLAIN + 3)) || fail 'flows were lost by a reload'
	AT_WORK=2 conf
	lwgate reload >"$WORK/reload.out" 2>&1 || fail "refused: $(cat "$WORK/reload.out")"
	grep -q 'option workers: 3 are at work, and 2 are asked for' "$WORK/reload.out" ||
		fail "not told: $(cat "$WORK/reload.out")"
	echo nonsense >>"$WORK/lwgate.conf"
	! lwgate reload >/dev/null 2>&1 || fail 'nonsense was taken'
	conf
	relay_reload
	is_spread $((PLAIN + 3)) || fail 'flows were lost by a reload'
	same "$(lwgate --json status | sed -nE 's/.*"workers":([0-9]+).*/\1/p')" 3 workers
	[ "$(lwgate endpoints | grep -c '^up')" -ge $((PLAIN + 2)) ] || fail "endpoints: $(lwgate endpoints)"
}

# A restart finds all flows again, with their source ports, and spreads them anew.
restarts() {
	local i before
	before=$(for ((i = 1; i <= PLAIN; i++)); do route "dev$i" port; done)
	relay_stop
	relay_start
	is_spread $((PLAIN + 3)) || fail "not spread: $(spread flows | tr '\n' ' ')"
	same "$(for ((i = 1; i <= PLAIN; i++)); do route "dev$i" port; done)" "$before" 'source ports'
	for ((i = 1; i <= PLAIN; i++)); do
		plain "dev$i" 2.04 0.02 77 "$(route "dev$i" location)"
	done
}

# Nothing of a start is kept by any thread.
confined() {
	local task tasks=0
	for task in /proc/"${NETNS_PID[relay]}"/task/*/status; do
		tasks=$((tasks + 1))
		grep -q '^CapPrm:[[:space:]]*0*$' "$task" || fail "a right is left: $(grep CapPrm "$task")"
		grep -q '^NoNewPrivs:[[:space:]]*1$' "$task" || fail 'it may gain rights'
		grep -q '^SigBlk:[[:space:]]*0*$' "$task" && fail 'a thread takes signals'
		grep -q 'filtered' "$WORK/relay.err" "$WORK/relay.log" ||
			grep -q '^Seccomp:[[:space:]]*2$' "$task" || fail 'its system calls are not filtered'
	done
	[ "$tasks" -ge "$WORKERS" ] || fail "$tasks threads"
}

netns_begin workers
netns_three
relay_conf
conf
psk cidded bare fixed >"$WORK/psk"
for ((i = 1; i <= PLAIN; i++)); do psk "dev$i"; done >>"$WORK/psk"
server_start server openssl --psk "$WORK/psk"
relay_start
confined
dtls_begin cidded 45900
dtls_begin bare 46900
registers
reads_all
follows
moves
fixed
keeps_session
begins_anew
reads_all
reloads
restarts
relay_stop
relay_start
stop relay KILL
relay_start
pass
