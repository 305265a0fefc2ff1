#!/bin/bash
# Claim: in DTLS 1.3 a device with a connection id registers, exchanges and moves as in 1.2: its newest
# record takes the flow along; a replayed or older record from another port moves nothing. Towards the
# server the relay speaks 1.3 too, where it is asked for.
#   dev (rawdevice) ---- gw (relay) ---- srv (lwm2m-server, DTLS 1.2; dtls-server, DTLS 1.3, echoes)
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

# begin VERSION: the relay, whose server speaks that, and the device, which speaks 1.3.
begin() {
	relay_conf
	section gateway main log_level debug
	section server cloud uri coaps://$SERVER dtls "$1"
	section listen lan interface lan0 server cloud cid 1 dtls 1.3
	endpoint own cloud lan_identity id-lan-own lan_key "$(key_of lan-own)"
	relay_start
	mark own
	run dev own "$BUILD/tests/rawdevice" --dtls 1.3 192.0.2.13:40003 $GATEWAY:5684 psk id-lan-own \
		"$(key_of lan-own)"
	want own '^handshake TLS_AES_128_GCM_SHA256 cid 8$'
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

# updates TOKEN: the device says that it is there; the server has it, and the device its answer.
updates() {
	own con 0.02 "$1" "$(route own location)"
	want own "^record $(coap ack 2.04 $MID "$1")"
}

moves() {
	mark_all
	tell own 'port 40013'
	updates a2
	want relay 'flow: own moved from 192\.0\.2\.13:40003 to 192\.0\.2\.13:40013'
	same "$(route own device)" 192.0.2.13:40013 'address of the row'
	reached
	same "$(counted device_handshakes)" 1 'handshakes of the device'
	same "$(counted flows_moved)" 1 'flows that moved'
}

# The last record once more, from elsewhere.
replayed() {
	mark_all
	updates a3
	mark_all
	tell own 'port 40023'
	tell own again
	tell own 'port 40013'
	reached # the relay takes datagrams in their order, so the replay is behind it
	same "$(route own device)" 192.0.2.13:40013 'address of the row after a replay'
	same "$(counted flows_moved)" 1 'flows that moved'
	absent server '^updated' || fail "a replay is served: $SEEN"
}

# An older record that nobody has seen: it is read, and the answer goes where the device is.
older() {
	local location before
	location=$(route own location)
	mark_all
	tell own hold
	own con 0.02 a4 "$location"
	updates a5
	before=$(counted flows_moved)
	mark_all
	tell own 'port 40023'
	tell own held
	want server "^updated own $location "
	same "$(route own device)" 192.0.2.13:40013 'address of the row after an older record'
	same "$(counted flows_moved)" "$before" 'flows that moved'
	tell own 'port 40013'
	reached
}

# The echo of the server is what the device said, so it went there and back in 1.3 on both sides.
upwards() {
	local said
	mark_all
	own non 0.01 a6 /x
	said=$(coap non 0.01 $MID a6 /x)
	want server "^established: id-own, TLS_AES_128_GCM_SHA256, cid of theirs -1, of ours 1$"
	want own "^record $said$"
	mark_all
	tell own 'port 40013'
	own non 0.01 a7 /x
	want own "^record $(coap non 0.01 $MID a7 /x)$"
	same "$(route own device)" 192.0.2.13:40013 'address of the row'
}

netns_begin lan-13
netns_three
psk own >"$WORK/psk"
server_start server openssl --psk "$WORK/psk"
begin 1.2
registers
reached
moves
replayed
older
stop own
relay_stop
stop server
run srv server "$BUILD/tests/dtls-server" --dtls 1.3 5684 id-own "$(key_of own)" cid
want server '^ready$'
begin 1.3
upwards
relay_stop
pass
