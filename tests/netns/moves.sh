#!/bin/bash
# Claim: an endpoint that registers from a new address takes its flow along when the old address
# stays silent to CoAP pings for 2 s, and is refused with 4.03 while the old one answers, which is not
# disturbed; option move '0' forbids it. A Location is a key for another port of the same host only.
# An address that another endpoint takes ends the flow that was there.
#   dev (lwm2m-device, rawudp x2) ---- gw (relay) ---- srv (lwm2m-server, DTLS)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

REGISTER='/rd?ep=one&lt=600&lwm2m=1.1&b=U'

# The old place is silent: the flow follows after 2 s, in which copies wait; the server's port and
# session are the same, and the next request goes to the new place.
silent() {
	local port pings before
	port=$(route one port) before=$(counted handshakes)
	started
	says new con 0.02 20 a1 "$REGISTER" '</3/0>'
	want old '^192\.0\.2\.1:5683 4000' 2
	says new con 0.02 20 a1 "$REGISTER" '</3/0>'
	hears new ack 2.01 20 a1
	[ $(((${EPOCHREALTIME/./} - LIFE_START) / 1000)) -ge 2000 ] || fail "moved after $(took)"
	pings=$(count old '^192\.0\.2\.1:5683 4000')
	echo "     silent: moved after $(took) and $pings pings"
	[ "$pings" -ge 2 ] || fail "$pings pings at the old address"
	want server "^registered one .* from 198\.51\.100\.1:$port .*again"
	same "$(route one device)" 192.0.2.12:40002 'address of the row'
	same "$(route one port)" "$port" 'source port'
	same "$(counted handshakes)" "$before" 'handshakes'
	same "$(counted flows_moved)" 1 'flows that moved'
	tell server 'read one /3/0/2'
	want new '^192\.0\.2\.1:5683 4.01'
	[ "$(count old '^192\.0\.2\.1:5683 4.01')" = 0 ] || fail 'the old place was asked'
	same "$(route_drops one move_waiting)" 1 'copies that waited'
}

# The old place answers: 4.03, counted, logged; its flow goes on.
contested() {
	local before
	stop new
	raw new 192.0.2.12:40012
	device two 192.0.2.11:40021 --lifetime 600
	want server '^registered two '
	before=$(row two | grep -o '"location":"[^"]*"')
	mark_all
	says new con 0.02 30 a1 '/rd?ep=two&lt=600' '</3/0>'
	hears new ack 4.03 30 a1
	want relay 'flow: two is at 192\.0\.2\.11:40021 and answers there; .* from 192\.0\.2\.12:40012 was'
	same "$(route_drops two contested)" 1 'contested moves'
	same "$(route two device)" 192.0.2.11:40021 'address of the row'
	same "$(row two | grep -o '"location":"[^"]*"')" "$before" 'Location'
	asks server 'read two /3/0/2' '^read two /3/0/2 2\.05 "two"'
	absent server '^(registered|refused)' || fail "the server heard of it: $SEEN"
}

# Another host that knows the Location, and a stranger's ping, do nothing.
forged() {
	local location
	location=$(route two location)
	mark_all
	says new con 0.04 40 a1 "$location"
	says new con 0.02 41 a2 "$location?lt=1"
	says new con 0.00 42 -
	hears new rst 0.00 42 -
	same "$(count new '^192\.0\.2\.1:5683')" 1 'answers to a forger'
	asks server 'read two /3/0/2' '^read two /3/0/2 2\.05 "two"'
	absent server '^(updated|deregistered|refused)' || fail "the server heard a forger: $SEEN"
	same "$(route two device)" 192.0.2.11:40021 'address of the row'
}

# The Location, from another port of the same host, is a key.
other_port() {
	local location
	mark_all
	tell two 'rebind 40022' update
	want server '^updated two /rd/'
	want two '^updated /rd/'
	same "$(route two device)" 192.0.2.11:40022 'address of the row after an Update'
	asks server 'read two /3/0/2' '^read two /3/0/2 2\.05 "two"'
	tell two 'rebind 40023' update
	want server '^updated two /rd/'
	location=$(route two location)
	stop two KILL
	raw gone 192.0.2.11:40024
	mark_all
	says gone con 0.04 50 a1 "$location"
	hears gone ack 2.02 50 a1
	want server '^deregistered two '
	want server '^closed id-two from '
	eventually 5 is 'route two endpoint' = '' || fail 'the row of a device that deregistered stays'
}

# Another endpoint at the address of one: that flow ends in order; both can go on.
taken() {
	stop new
	raw new 192.0.2.12:40002
	mark_all
	says new con 0.02 60 a1 '/rd?ep=two&lt=600' '</3/0>'
	hears new ack 2.01 60 a1
	want server '^registered two '
	want server '^closed id-one from '
	want relay 'flow: one at 192\.0\.2\.12:40002 ended: its address belongs to another endpoint'
	same "$(route one endpoint)" '' 'the row of the one before'
	same "$(route two device)" 192.0.2.12:40002 'the row of the new one'
	says old con 0.02 61 a1 "$REGISTER" '</3/0>'
	hears old ack 2.01 61 a1
}

# With move '0' nobody moves, whether the old place answers or not.
forbidden() {
	sed -i "s/option coaps '0'/&\n\toption move '0'/" "$WORK/lwgate.conf"
	relay_reload
	mark_all
	says new con 0.02 70 a1 "$REGISTER" '</3/0>'
	hears new ack 4.03 70 a1 1
	[ "$(count old '^192\.0\.2\.1:5683 4000')" = 0 ] || fail 'the old place was asked'
	same "$(route one device)" 192.0.2.11:40001 'address of the row'
}

netns_begin moves
netns_three
psk one two >"$WORK/psk"
server_start server openssl --psk "$WORK/psk"
cloud coaps://$SERVER
endpoint one
endpoint two
relay_start
raw old 192.0.2.11:40001
raw new 192.0.2.12:40002
says old con 0.02 10 a1 "$REGISTER" '</3/0>'
hears old ack 2.01 10 a1
silent
contested
forged
other_port
taken
forbidden
relay_stop
pass
