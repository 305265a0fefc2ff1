#!/bin/bash
# Claim: with a foreign stack that knows connection ids (RFC 9146) at both ends of the relay, neither a device
# that moves to another port nor another WAN address costs a handshake: the device's flow goes on, the server
# reaches it at its new port and not where an old record came from; and the server goes on with us. A device
# without an id is a stranger when it has moved, and has its flow again after a new handshake.
#   dev (mbed-client, or rawudp) ---- gw (lwgated) ---- srv (lwm2m-server, NoSec, or mbed-server)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

FROM='^192\.0\.2\.1:5683'

# exchange MID LETTER MESSAGE: the device says it, and hears an ACK with token a1, whose code is that letter
# (A is 2.01, D is 2.04).
exchange() {
	tell one "hex $3"
	want one "^data a$2\\\\x00\\\\x0$1\\\\xa1"
}

# new_port: the port that the device says it speaks from since the last mark.
new_port() {
	want one '^port [0-9]+$'
	PORT=${SEEN#port }
}

# called: the server calls the device, which hears it where it is, and answers with a RST.
called() {
	local hex
	mark one server
	tell server 'read one /3/0/2'
	want one '^data .*\\xb13\\x010\\x012$'
	hex=$(printf '%b' "${SEEN#data }" | od -An -v -tx1 | tr -d ' \n')
	tell one "hex 7000${hex:4:4}"
	want server '^read one /3/0/2 reset'
}

updates() { exchange 2 D "$(coap con 0.02 2 a1 "$LOCATION?lt=60")"; }

is_at() { same "$(route one device)" "192.0.2.11:$1" "$2"; }

registers() { # CID, ITS-OF-OURS
	mark_all
	run dev one "$BUILD/tests/mbed-client" 192.0.2.1 5684 id-one "$KEY" "$1"
	new_port
	want one "^established TLS-PSK-WITH-AES-128-CCM-8, cid of theirs $2,"
	exchange 1 A "$(coap con 0.02 1 a1 '/rd?ep=one&lt=60&lwm2m=1.1&b=U' '</3/0>')"
	want server '^registered one '
	LOCATION=${SEEN#registered one }
	LOCATION=${LOCATION%% *}
	is_at "$PORT" 'the device is'
}

device_with() { # CID
	local before moved
	registers "$1" 8
	before=$(counted device_handshakes_done)
	mark_all
	tell one "hold hex $(coap con 0.02 3 a1 "$LOCATION?lt=70")" rebind
	new_port
	moved=$PORT
	updates
	want server "^updated one $LOCATION "
	is_at "$moved" 'after its move, the device is'
	called
	mark_all
	drops_rise lan_record 1 tell one replay
	is_at "$moved" 'after the replay, the device is'
	called
	mark one server
	tell one release
	want server "^updated one $LOCATION lt=70 "
	want one '^data aD\\x00\\x03\\xa1'
	is_at "$moved" 'after an old record, the device is'
	called
	absent one '^the third' || fail "the replayer was answered: $SEEN"
	same "$(counted device_handshakes_done)" "$before" 'handshakes'
	stop one
	echo "     a device with an id of $1 bytes moves, and no old record from elsewhere moves it"
}

device_without() {
	registers none -1
	mark_all
	tell one rebind
	new_port
	drops_rise lan_stranger 1 tell one "hex $(coap con 0.02 2 a1 "$LOCATION?lt=60")"
	mark_all
	tell one again
	want one '^established'
	updates
	want server "^updated one $LOCATION "
	is_at "$PORT" 'after its handshake, the device is'
	called
	stop one
	echo '     a device without an id is a stranger until it shakes hands'
}

devices() {
	relay_conf
	section server cloud uri "coap://$SERVER"
	section listen lan interface lan0 coap 0 coaps 5684 server cloud
	section endpoint - name one server cloud lan_identity id-one lan_key "$KEY"
	server_start server notls --coap '[::]:5683'
	relay_start
	device_with 4
	device_with 0
	device_without
	relay_stop
	stop server
	mark_all
}

# The server echoes; what the device hears of its own shows that the way back is right.
carried() { # MID
	local message
	message=$(coap con 0.02 "$1" "b$1" '/rd?ep=one&lt=60' '</3/0>')
	tell raw "$message"
	want raw "$FROM $message\$"
}

another_wan_address() { # CID
	local before moved
	cloud "coaps://$SERVER"
	endpoint one
	run srv server "$BUILD/tests/mbed-server" 5684 id-one "$(key_of one)" "$1" \
		TLS-PSK-WITH-AES-128-CCM-8
	want server '^ready$'
	raw raw 192.0.2.11:40002
	relay_start
	carried 1
	want server "^established .*, cid of theirs 0, of ours $1\$"
	before=$(counted handshakes) moved=$(counted sockets_moved)
	mark_all
	at gw ip addr del 198.51.100.1/24 dev wan0
	netns_address gw wan0 198.51.100.2/24
	soon 'sockets move' is 'counted sockets_moved' -gt "$moved"
	carried 2
	want server '^moved to port '
	same "$(counted handshakes)" "$before" 'handshakes'
	absent server '^(established|comes again)' || fail 'there was another handshake'
	relay_stop
	want server '^closed$'
	echo "     a server with an id of $1 bytes goes on with us at another WAN address"
}

netns_begin foreign-moves
netns_three
devices
another_wan_address 4
pass
