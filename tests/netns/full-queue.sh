#!/bin/bash
# Claim: while no association comes up a bounded number of messages waits for an endpoint; what is
# too much is dropped by name, a copy of a waiting CON is not kept twice, a NON expires after 10 s; a
# waiting CON request is answered 5.04 after handshake_timeout, and at once when it is repeated, a
# Register never; what still waits reaches the server when it comes.
#   dev (rawudp) ---- gw (relay, handshake_timeout 3) ---- srv (nobody; later lwm2m-server, DTLS)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

REGISTER=(con 0.02 1 aa '/rd?ep=one&lt=600&lwm2m=1.1&b=U' '</3/0>')

# shellcheck disable=SC2317 # soon calls it
waits() { is "row one | grep -o 'waiting\":[0-9]*'" = "waiting\":$1"; }

# The Register, a NON and six requests wait: eight; five more are too much, two copies no more.
fill() {
	local i
	says device "${REGISTER[@]}"
	says device "${REGISTER[@]}"
	says device non 0.02 2 bb /dp late
	for i in $(seq 10 20); do says device con 0.02 "$i" "cc$i" /dp text; done
	says device con 0.02 10 cc10 /dp text
	soon 'eight messages wait' waits 8
	soon 'five are too many' is 'route_drops one held_full' -eq 5
	same "$(route_drops one held_duplicate)" 2 'copies of waiting messages'
	lwgate routes >"$WORK/table"
	grep -q 'waiting 8; lost: .*held_full 5' "$WORK/table" || fail "$(cat "$WORK/table")"
	same "$(count device "^$GATEWAY")" 0 'answers before the time is over'
}

# After 3 s each waiting request is answered, once; the Register waits on.
late() {
	local i
	for i in $(seq 10 15); do hears device ack 5.04 "$i" "cc$i"; done
	echo "     5.04 after $(took)"
	same "$(count device "^$GATEWAY")" 6 'answers'
	same "$(route one late)" true 'the row is late'
	mark device
	says device con 0.02 10 cc10 /dp text
	hears device ack 5.04 10 cc10
	says device con 0.02 30 dd /dp text
	hears device ack 5.04 30 dd
	says device "${REGISTER[@]}"
	says device con 0.02 31 ee '/rd/1?lt=9'
	says device con 0.04 32 ff /rd/1
	says device con 0.02 33 ab /dp text
	hears device ack 5.04 33 ab
	same "$(count device "^$GATEWAY")" 3 'answers, none to Register, Update and Deregister'
	same "$(route_drops one held_answered)" 9 'requests that were answered'
	soon 'the NON expires' is 'route_drops one held_expired' -eq 1
	echo "     the NON expired after $(took)"
	soon 'Register, Update and Deregister wait' waits 3
}

netns_begin full-queue
netns_three
psk one >"$WORK/psk"
cloud coaps://$SERVER
sed -i "s,option uri,option handshake_timeout '3'\n\t&," "$WORK/lwgate.conf"
endpoint one
relay_start
raw device 192.0.2.11:40001
started
fill
late
mark_all
server_start server openssl --psk "$WORK/psk"
want server '^registered one ' 30
hears device ack 2.01 1 aa
want server '^refused update /rd/1 4\.04'
want server '^refused deregister /rd/1 4\.04'
says device con 0.02 40 ee /dp text
hears device ack 2.04 40 ee
absent server '^send one 4 bytes .*late' || fail 'the NON that expired came after all'
relay_stop
pass
