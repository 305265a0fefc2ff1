#!/bin/bash
# Claim: trouble on the way to the server ends no flow: a closed port (ICMP errors), a lost route, a
# link that goes down, and another WAN address are lived through by themselves. The source ports are
# kept; sessions go on, but for another address, where one without a connection id is made anew
# (rule 20).
#   dev (lwm2m-device x3) ---- gw (relay) ---- srv (lwm2m-server: DTLS, NoSec, NoSec over IPv6)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

BOUND=30 # seconds that a recovery may take; what it takes is printed
ALL='secure plain six'
declare -A PORT=() LOCATION=()

serve() {
	server_start server openssl --psk "$WORK/psk" --state "$WORK/state-server" --coaps '[::]:5684' \
		--coap '[::]:5683'
}

# carried TEXT FROM FROM6: each device's Update has come from the port of before, and is answered.
carried() {
	local name from
	for name in $ALL; do
		from="$2:"
		[ "$name" = six ] && from="\[$3\]:"
		await server "^updated $name ${LOCATION[$name]} .* from $from${PORT[$name]} " "$BOUND" ||
			fail "$1: no Update of $name from $from${PORT[$name]} in $BOUND s"
		want "$name" '^updated /rd/' "$BOUND"
		same "$(route "$name" port)" "${PORT[$name]}" "$1: port of $name"
	done
	for name in $ALL; do
		asks server "read $name /3/0/2" "^read $name /3/0/2 2\.05 \"$name\""
	done
	echo "     $1: all carried again after $(took)"
}

update_all() {
	local name
	for name in $ALL; do tell "$name" update; done
}

port_closed() {
	local before
	before=$(counted icmp_errors)
	started
	stop server KILL
	mark_all
	update_all
	soon 'ICMP errors are counted' is 'counted icmp_errors' -ge $((before + 3))
	serve
	carried 'port closed, then open' 198.51.100.1 2001:db8:2::1
	for name in $ALL; do same "$(route "$name" live)" true "$name is live"; done
}

# lost and back without another address: sessions go on.
link_lost() {
	local before
	before=$(counted handshakes)
	started
	"$2"
	update_all
	sleep 1
	"$3"
	carried "$1" 198.51.100.1 2001:db8:2::1
	same "$(counted handshakes)" "$before" "$1: handshakes"
}

route_off() {
	at gw ip route del 198.51.100.0/24 dev wan0
	at gw ip -6 route del 2001:db8:2::/64 dev wan0
}
route_on() {
	at gw ip route add 198.51.100.0/24 dev wan0
	at gw ip -6 route add 2001:db8:2::/64 dev wan0
}
# shellcheck disable=SC2317 # link_lost calls it
link_off() { at gw ip link set wan0 down; }
# shellcheck disable=SC2317 # link_lost calls it
link_on() {
	at gw ip link set wan0 up
	netns_address gw wan0 2001:db8:2::1/64
}

# Rule 20: every socket moves, and is told of; the plain ones go on, the secure session is new.
other_address() {
	local before moved
	before=$(counted handshakes_done) moved=$(counted sockets_moved)
	started
	at gw ip addr del 198.51.100.1/24 dev wan0
	at gw ip addr del 2001:db8:2::1/64 dev wan0
	netns_address gw wan0 198.51.100.2/24 2001:db8:2::2/64
	soon 'sockets move' is 'counted sockets_moved' -ge $((moved + 4))
	want server "^handshake id-secure from 198\.51\.100\.2:${PORT[secure]} " "$BOUND"
	want server '^handshake id-late from 198\.51\.100\.2:' "$BOUND"
	update_all
	carried 'another WAN address' 198.51.100.2 2001:db8:2::2
	soon 'one new handshake for each' is 'counted handshakes_done' -eq $((before + 2))
	echo "     $(($(counted sockets_moved) - moved)) sockets moved"
}

# A device that comes while there is no way to the server is carried when there is one.
came_without_route() {
	started
	route_off
	device late 192.0.2.12 --lifetime 600
	soon 'a row without a way' is 'route late endpoint' = late
	sleep 1
	route_on
	await server '^registered late ' "$BOUND" || fail "late is not registered in $BOUND s"
	echo "     came without a route: carried after $(took)"
}

# A relay that starts while there is no link brings its flows up when there is one.
started_without_link() {
	relay_stop
	link_off
	relay_start
	want relay 'state: 4 flows are restored'
	sleep 2
	started
	at gw ip link set wan0 up
	netns_address gw wan0 2001:db8:2::2/64
	for name in $ALL late; do
		eventually "$BOUND" is "route $name state" = up || fail "$name is not up in $BOUND s"
	done
	want server "^handshake id-secure from 198\.51\.100\.2:${PORT[secure]} " "$BOUND"
	for name in $ALL; do
		absent "$name" '^(updated|registered)' || fail "$name spoke: $SEEN"
		asks server "read $name /3/0/2" "^read $name /3/0/2 2\.05 \"$name\""
	done
	echo "     started without a link: devices reached $(took) after it came"
}

netns_begin wan-trouble
netns_three
psk secure late >"$WORK/psk"
cloud coaps://$SERVER
section server plain uri coap://$SERVER
section server six uri 'coap://[2001:db8:2::10]'
endpoint secure
endpoint late
section endpoint - name plain server plain
section endpoint - name six server six
serve
relay_start
for name in $ALL; do
	device "$name" 192.0.2.11 --lifetime 600
	want "$name" '^registered /rd/'
	PORT[$name]=$(route "$name" port)
	LOCATION[$name]=$(route "$name" location)
done
port_closed
link_lost 'route lost for 1 s' route_off route_on
link_lost 'link down for 1 s' link_off link_on
came_without_route
other_address
started_without_link
relay_stop
pass
