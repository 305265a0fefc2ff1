#!/bin/bash
# Claim: a device with a connection id moves without a handshake: the first record from its new port
# takes the flow along, and the server reaches it there. A new handshake from its old port is heard
# beside the session that the gateway holds. Without connection ids a record from elsewhere is lost.
#   dev (rawdevice) ---- gw (relay) ---- srv (lwm2m-server, DTLS)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

MID=16

# own TYPE CODE TOKEN PATH [PAYLOAD]: the device sends a message with a number of its own.
own() {
	MID=$((MID + 1))
	tell own "$(coap "$1" "$2" $MID "${@:3}")" || fail 'the device has ended'
}

registers() {
	own con 0.02 a1 '/rd?ep=own&lt=600&lwm2m=1.1&b=U' '</3/0>'
	want own "^record $(coap ack 2.01 $MID a1)"
	want server "^registered own /rd/[0-9]+ .* via coaps"
}

# The server's Read reaches the device, which answers as one would.
reached() {
	local ask
	mark own server
	tell server 'read own /3/0/2'
	want own '^record 4801'
	ask=${SEEN#record }
	tell own "6845${ask:4:20}ff$(text_hex own)"
	want server '^read own /3/0/2 2\.05 "own"$'
}

# begin CID LENGTH: the relay with or without connection ids of that length, and the device.
begin() {
	relay_conf
	section gateway main log_level debug
	section server cloud uri coaps://$SERVER
	section listen lan interface lan0 server cloud cid "$1"
	endpoint own cloud lan_identity id-lan-own lan_key "$(key_of lan-own)"
	relay_start
	mark own
	run dev own "$BUILD/tests/rawdevice" 192.0.2.13:40003 $GATEWAY:5684 psk id-lan-own \
		"$(key_of lan-own)"
	want own "^handshake TLS_PSK_.* cid $2\$"
	registers
	reached
}

moves() {
	local port location
	port=$(route own port) location=$(route own location)
	mark_all
	tell own 'port 40013'
	own con 0.02 a2 "$location"
	want own "^record $(coap ack 2.04 $MID a2)"
	want server "^updated own $location .* from 198\\.51\\.100\\.1:$port "
	want relay 'flow: own moved from 192\.0\.2\.13:40003 to 192\.0\.2\.13:40013'
	same "$(route own device)" 192.0.2.13:40013 'address of the row'
	reached
	same "$(counted device_handshakes)" 1 'handshakes of the device'
	same "$(counted flows_moved)" 1 'flows that moved'
}

anew() {
	local port
	port=$(route own port)
	mark_all
	tell own handshake
	want own '^handshake TLS_PSK_'
	registers
	reached
	same "$(route own port)" "$port" 'source port'
	same "$(route own device)" 192.0.2.13:40013 'address of the row'
	absent server '^handshake' || fail "a new handshake with the server: $SEEN"
}

unheard() {
	mark_all
	tell own 'port 40013'
	drops_rise lan_stranger 1 own con 0.02 a2 "$(route own location)"
	same "$(route own device)" 192.0.2.13:40003 'address of the row'
	absent server '^updated' || fail "a record from elsewhere is served: $SEEN"
	tell own handshake
	want own '^handshake TLS_PSK_'
	reached
	same "$(route own device)" 192.0.2.13:40013 'address of the row after a handshake'
}

netns_begin lan-cid
netns_three
psk own >"$WORK/psk"
server_start server openssl --psk "$WORK/psk"
begin 1 8
moves
anew
stop own
relay_stop
mark_all
begin 0 -1
unheard
relay_stop
pass
