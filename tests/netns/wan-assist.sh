#!/bin/bash
# Claim: where a server section asks for it (assist_update), our WAN address may change and the server reaches
# the devices behind us again, though they say nothing: it gets an Update for each from the new address, over
# CoAP, over DTLS by a new handshake, and by connection id in the same session. Only the answer to that is kept
# from the device. Without the option the server calls in vain until the device speaks.
#   dev (lwm2m-device, rawudp) ---- gw (relay) ---- srv (lwm2m-server: DTLS, NoSec; or mbed-server, CID)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

FROM='^192\.0\.2\.1:5683'
OLD=198.51.100.1
NEW=198.51.100.2

# renumber FROM TO: our WAN address is another one.
renumber() {
	mark_all
	at gw ip addr del "$1/24" dev wan0
	netns_address gw wan0 "$2/24"
}

# reached NAME: the server calls the device, and gets its answer.
reached() { asks server "read $1 /3/0/2" "^read $1 /3/0/2 2\.05 \"$1\""; }

# ---- a server without connection ids, and one without DTLS ----------------------------------------
told_and_reached() {
	local name
	renumber "$OLD" "$NEW"
	for name in secure plain; do
		await server "^updated $name ${LOCATION[$name]} lt=600 from 198\.51\.100\.2:${PORT[$name]} " 30 ||
			fail "nobody told the server of $name"
	done
	soon 'the answers are eaten' is 'counted assists_answered' -eq 2
	await server '^handshake id-left from 198\.51\.100\.2:' 30 || fail 'left has no new session'
	tell server 'read left /3/0/2'
	for name in secure plain; do reached "$name"; done
	for name in secure plain left; do
		absent "$name" '^(updated|registered)' || fail "$name spoke: $SEEN"
	done
	echo '     the server reaches whoever it was told of'
}

not_told_not_reached() {
	absent server '^(updated|read) left ' || fail "without the option: $SEEN"
	same "$(counted assists)" 2 'Updates of ours'
	tell left update
	want server "^updated left ${LOCATION[left]} .* from 198\.51\.100\.2:" 30
	want left '^updated /rd/'
	reached left
	echo '     and the other one when its device has spoken'
}

# A server that lost its book says 4.04: the device hears nothing of it, until it speaks itself.
forgotten() {
	stop server KILL
	server_start server openssl --psk "$WORK/psk" --coaps '[::]:5684' --coap '[::]:5683'
	renumber "$NEW" "$OLD"
	soon 'the server knows nobody' is 'counted assists_refused' -ge 1
	want relay 'assist: plain: .* does not know its registration any more'
	absent plain '.' || fail "the device heard of it: $SEEN"
	tell plain update
	want server '^registered plain ' 30
	echo '     4.04 to ours is told to nobody'
}

without_cid() {
	local name
	psk secure left >"$WORK/psk"
	relay_conf
	section gateway main log_level debug
	section server cloud uri "coaps://$SERVER" assist_update 1
	section server plain uri "coap://$SERVER" assist_update 1
	section server left uri "coaps://$SERVER"
	section listen lan interface lan0 coaps 0
	endpoint secure cloud
	section endpoint - name plain server plain
	endpoint left left
	server_start server openssl --psk "$WORK/psk" --coaps '[::]:5684' --coap '[::]:5683'
	relay_start
	for name in secure plain left; do
		device "$name" 192.0.2.11 --lifetime 600
		want "$name" '^registered /rd/'
		PORT[$name]=$(route "$name" port)
		LOCATION[$name]=$(route "$name" location)
	done
	told_and_reached
	not_told_not_reached
	forgotten
	for name in secure plain left; do stop "$name"; done
	relay_stop
	stop server
	mark_all
}

# ---- a server with connection ids -----------------------------------------------------------------
# up OPTION-VALUE: the device is registered as /rd/5; the server echoes what it gets, which is a request for
# the device, and is passed on.
up() {
	relay_conf
	section gateway main log_level debug
	section server cloud uri "coaps://$SERVER" assist_update "$1"
	section listen lan interface lan0 coaps 0
	endpoint one cloud
	run srv server "$BUILD/tests/mbed-server" 5684 id-one "$(key_of one)" 4 TLS-PSK-WITH-AES-128-CCM-8
	want server '^ready$'
	raw raw 192.0.2.11:40002
	relay_start
	tell raw "$(coap con 0.02 1 b1 '/rd?ep=one&lt=60' '</3/0>')"
	want server '^established .*, cid of theirs 0, of ours 4$'
	want server '^data A\\x02'
	tell server 'hex 61410001b18272640135'
	want raw "$FROM 61410001b1"
	same "$(route one location)" /rd/5 'the Location'
	HANDSHAKES=$(counted handshakes)
	renumber "$OLD" "$NEW"
}

# calls MID: the server calls the device where it thinks that it is.
calls() { tell server "hex $(coap con 0.01 "$1" a1 /3)"; }

hears_call() { want raw "$FROM $(coap con 0.01 "$1" a1 /3)\$"; }

over() {
	relay_stop
	stop raw
	stop server
	mark_all
	at gw ip addr del "$NEW/24" dev wan0
	netns_address gw wan0 "$OLD/24"
}

with_cid() {
	local ours mid token
	up 1
	want server '^moved to port '
	want raw "$FROM 4802[0-9a-f]{20}b272640135\$" # the echo
	ours=${SEEN##* }
	mid=${ours:4:4} token=${ours:8:16}
	calls 2
	hears_call 2
	tell server "hex 6844$mid${token:0:14}$(printf %02x $((0x${token:14:2} ^ 1)))" # almost
	want raw "$FROM 6844$mid"
	tell server "hex 6844$mid$token" "hex 6844$mid$token"
	soon 'the answer is known' is 'drops assist_answer' -eq 2
	same "$(counted assists_answered)" 1 'Updates that were answered'
	calls 3
	hears_call 3
	absent raw "6844$mid$token" || fail "the device heard what is not its own: $SEEN"
	same "$(counted handshakes)" "$HANDSHAKES" 'handshakes'
	over
	echo '     with a connection id it is the same session'
}

with_cid_unassisted() {
	up 0
	soon 'the socket moves' is 'counted sockets_moved' -ge 1
	calls 2
	tell raw "$(coap non 0.02 7 b7 /dp)"
	want server '^moved to port '
	calls 3
	hears_call 3
	absent raw "$(coap con 0.01 2 a1 /3)" || fail 'the server reached the device without help'
	same "$(counted assists)" 0 'Updates of ours'
	over
	echo '     and without help it is called in vain'
}

declare -A PORT=() LOCATION=()
netns_begin wan-assist
netns_three
without_cid
with_cid
with_cid_unassisted
pass
