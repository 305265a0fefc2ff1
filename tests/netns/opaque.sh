#!/bin/bash
# Claim: DTLS of an opaque endpoint passes byte by byte and unended, with keys that the gateway does not have: a
# device and a server on OpenSSL shake hands through it, and the records at both sides are the same. A device
# that moves to another port keeps its WAN port; with a connection id it needs no handshake, and nobody
# takes its flow with old records. A restart of the gateway, in order or by kill -9, costs no handshake. Junk
# passes neither way, nor does a ClientHello from the server.
#   dev (lwm2m-device x2, mbed-client, rawudp) ---- gw (lwgated) ---- srv (lwm2m-server, mbed-server, rawudp)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

HELLO=16fefd0000000000000000000d01000001000000000000000100
HELD=20 # seconds that a move may take to hold: it is tried for 10

configure() {
	relay_conf
	section server cloud uri "coaps://$SERVER"
	section server mbed uri "coaps://$SERVER:5685"
	section server raw uri "coaps://$SERVER:5686"
	section listen lan interface lan0 coap 0 coaps 5684
	section listen own interface lan0 coap 0 coaps 5694
	section endpoint - name one server cloud mode opaque address 192.0.2.11
	section endpoint - name two server cloud mode opaque address 192.0.2.12:40012
	section endpoint - name three server mbed mode opaque listen own
	section endpoint - name four server raw mode opaque address 192.0.2.13
}

opaque_device() { # NAME ADDRESS[:PORT]
	run dev "$1" "$BUILD/tests/lwm2m-device-openssl" --ep "$1" --bind "$2" \
		--server "coaps://$GATEWAY:5684" --psk "id-$1:$(key_of "$1")" --lifetime 300
	want "s" "^registered $1 /rd/"
	want "$1" '^registered /rd/'
}

reads() { asks s "read $1 /3/0/2" "^read $1 /3/0/2 2\.05 \"$1\"\$"; }

# shellcheck disable=SC2317 # soon calls it
# same_records WAY: what went that way on the LAN is what went that way on the WAN, in that order.
same_records() {
	grep "^$1 " "$WORK/lan.log" >"$WORK/lan.$1"
	grep "^$1 " "$WORK/wan.log" >"$WORK/wan.$1"
	cmp -s "$WORK/lan.$1" "$WORK/wan.$1"
}

untouched() {
	run gw lan "$BUILD/tests/udptap" lan0 5684
	run gw wan "$BUILD/tests/udptap" wan0 5684
	want lan '^ready$'
	want wan '^ready$'
	opaque_device one 192.0.2.11
	want s '^handshake id-one '
	reads one
	tell one 'send 400'
	want one '^sent 2\.04'
	soon 'the same records go up on both sides' same_records to
	soon 'the same records go down on both sides' same_records from
	local n
	n=$(wc -l <"$WORK/lan.to")
	[ "$n" -ge 6 ] || fail "only $n records went up"
	same "$(route one mode)/$(route one lan_security)" opaque/opaque 'mode of one'
	same "$(grep -c '^to 16fe' "$WORK/lan.to")" "$(grep -c '^to 16fe' "$WORK/wan.to")" 'handshake records'
	same "$(counted handshakes)/$(counted device_handshakes)" 0/0 'handshakes of ours'
	same "$(counted opaque_up)" "$n" 'datagrams up'
	stop lan
	stop wan
	echo "     $n datagrams up and $(wc -l <"$WORK/lan.from") down are the same on both sides"
}

two_devices() {
	opaque_device two 192.0.2.12:40012
	reads two
	reads one
	[ "$(route one port)" != "$(route two port)" ] || fail 'both have one WAN port'
	echo '     two devices have an association each'
}

port_change() {
	local port
	port=$(route one port)
	mark_all
	tell one 'rebind 40111' update
	want s "^(updated|registered) one .* from 198\.51\.100\.1:$port "
	eventually "$HELD" is 'route one device' = 192.0.2.11:40111 ||
		fail "one is at $(route one device)"
	reads one
	same "$(route one port)" "$port" 'WAN port of one'
	echo '     a device at another port is found there, from the same WAN port'
}

# shellcheck disable=SC2317 # soon calls it
saved() { grep -q "\"$1\".*$(route "$1" port).*$(route "$1" device)" "$WORK/state/routes.json"; }

# sessions: what every end has said of sessions that begin or end.
sessions() {
	(cd "$WORK" && grep -aE '^(handshake|established|comes again|closed|session closed)' \
		s.log server3.log one.log two.log three.log)
}

survives() { # SIGNAL
	local name before
	local -A port=()
	for name in one two three; do
		soon "$name is saved" saved "$name"
		port[$name]=$(route "$name" port)
	done
	before=$(sessions)
	mark_all
	stop relay "$1"
	relay_start
	for name in one two; do
		reads "$name" # the server speaks first
		tell "$name" update
		want "s" "^updated $name .* from 198\.51\.100\.1:${port[$name]} "
	done
	tell three "send after-$1"
	want server3 "^data after-$1"
	want three "^data after-$1"
	same "$(sessions)" "$before" 'sessions'
	echo "     sessions survive a restart after SIG$1"
}

with_cid() {
	local moved
	run srv server3 "$BUILD/tests/mbed-server" 5685 id-three "$KEY" 6 TLS-PSK-WITH-AES-128-CCM-8
	want server3 '^ready$'
	run dev three "$BUILD/tests/mbed-client" "$GATEWAY" 5694 id-three "$KEY" 4
	want three '^established .*, cid of theirs 6, of ours 4$'
	tell three 'send first'
	want three '^data first$'
	same "$(route three cid)" 6 'length of the id'
	mark_all
	tell three 'hold send held' rebind
	want three '^port [0-9]+$'
	moved=${SEEN#port }
	tell three 'send second'
	want server3 '^data second$'
	want three '^data second$'
	eventually "$HELD" is 'route three device' = "192.0.2.11:$moved" ||
		fail "three is at $(route three device), not at $moved"
	drops_rise lan_old 1 tell three replay
	drops_rise lan_old 1 tell three release
	tell three 'send third'
	want three '^data third$'
	absent three '^the third' || fail "the replayer was answered: $SEEN"
	absent server3 '^(established|comes again|moved)' || fail "the server met another: $SEEN"
	same "$(route three device)" "192.0.2.11:$moved" 'three is'
	echo '     a device with a connection id moves without a handshake, and no old record takes its flow'
}

junk() {
	run srv raw4 "$BUILD/tests/rawudp" "$SERVER:5686"
	run dev four "$BUILD/tests/rawudp" 192.0.2.13:40013 "$GATEWAY:5684"
	want raw4 '^ready'
	want four '^ready'
	drops_rise lan_header 1 tell four 40010001
	drops_rise lan_stranger 1 tell four 17fefd0001000000000001000800112233445566aa
	same "$(route four mode)" '' 'row of four'
	tell four $HELLO
	want raw4 " $HELLO\$"
	drops_rise lan_header 1 tell four ${HELLO}00
	drops_rise lan_header 1 tell four 170303000000000000000000080011223344556677
	drops_rise wan_header 1 tell raw4 40010001
	drops_rise wan_client_hello 1 tell raw4 $HELLO
	tell raw4 16fefd0000000000000000000c0e0000000000000000000000
	want four ' 16fefd0000000000000000000c0e0000000000000000000000$'
	tell four 16fefd0000000000000001000c100000000000000000000000
	want raw4 ' 16fefd0000000000000001000c100000000000000000000000$'
	same "$(count raw4 '^198')/$(count four '^192')" 2/1 'datagrams that passed'
	echo '     junk passes neither way, nor a ClientHello from the server'
}

netns_begin opaque
netns_three
configure
psk one two >"$WORK/psk"
run srv s "$BUILD/tests/lwm2m-server-openssl" --coaps '[::]:5684' --psk "$WORK/psk"
want s '^ready$'
relay_start
untouched
two_devices
port_change
with_cid
survives TERM
survives KILL
junk
relay_stop
pass
