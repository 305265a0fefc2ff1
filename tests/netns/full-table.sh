#!/bin/bash
# Claim: a full routing table refuses newcomers with 5.03 and Max-Age, and invented endpoints can not
# fill it; live endpoints are not disturbed, and a place that becomes free can be had.
#   dev (lwm2m-device x3, rawudp) ---- gw (relay) ---- srv (lwm2m-server, NoSec)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

MAX_AGE_60=d1013c # option 14, one byte: delta 13 + 1, and 60

# busy MID ENDPOINT: a Register is answered 5.03 with Max-Age 60.
busy() {
	mark new
	says new con 0.02 "$1" a1 "/rd?ep=$2&lt=60" '</3/0>'
	want new "^$GATEWAY:5683 $(coap ack 5.03 "$1" a1)$MAX_AGE_60\$"
}

undisturbed() {
	local name
	for name in a b c; do
		asks server "read $name /3/0/2" "^read $name /3/0/2 2\.05 \"$name\""
	done
}

# table_of N: a relay for anybody, with so many rows.
table_of() {
	cloud coap://$SERVER unknown_endpoints accept
	sed -i "s/option log_level/option max_endpoints '$1'\n\t&/" "$WORK/lwgate.conf"
}

full() {
	local name
	for name in a b c; do
		device "$name" 192.0.2.11 --lifetime 600
		want server "^registered $name "
	done
	mark server
	busy 10 d
	busy 11 e
	same "$(drops table_full)" 2 'newcomers before a full table'
	absent server '^registered' || fail "the server heard of a newcomer: $SEEN"
	undisturbed
	tell c deregister
	want c '^deregistered'
	eventually 5 is 'route c endpoint' = '' || fail 'the row of c stays'
	says new con 0.02 12 a1 '/rd?ep=d&lt=60' '</3/0>'
	hears new ack 2.01 12 a1
	same "$(drops table_full)" 2 'newcomers before a full table'
}

# While the server is silent nobody is proven: half of the table at most is for such.
invented() {
	local i
	table_of 8
	relay_start
	for i in a b c; do tell "$i" register; done
	for i in a b c; do want server "^registered $i "; done
	stop server
	mark_all
	for i in $(seq 9); do
		raw "guest-$i" "192.0.2.12:$((41000 + i))"
		says "guest-$i" con 0.02 "$i" a1 "/rd?ep=invented-$i&lt=60" '</3/0>'
		[ "$i" -le 4 ] || want "guest-$i" " $(coap ack 5.03 "$i" a1)$MAX_AGE_60\$"
	done
	same "$(drops unproven_full)" 5 'invented endpoints that were refused'
	same "$(lwgate --json routes | grep -o '{"endpoint":"invented' | wc -l)" 4 'invented rows'
	server_start server notls
	for i in a b c; do tell "$i" register; done
	for i in a b c; do want server "^registered $i "; done
	undisturbed
}

netns_begin full-table
netns_three
server_start server notls
table_of 3
relay_start
raw new 192.0.2.12:40002
full
relay_stop
invented
relay_stop
pass
