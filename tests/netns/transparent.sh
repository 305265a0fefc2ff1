#!/bin/bash
# Claim: not one byte of a message changes, either way: hundreds of random well-formed messages, up to
# 4 KiB, arrive as they were sent and in their order, over CoAP and DTLS, IPv4 and IPv6.
#   dev (rawudp records) ---- gw (lwgated) ---- srv (rawudp or rawdtls records)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

SEED=${SEED:-$RANDOM}
MESSAGES=240 # each time
AT_ONCE=60
HELLO=$(coap con 0.01 1 a1 /hello)

# recorded NAME: the bytes that it got since the mark, one message a line.
recorded() {
	tail -n "+$((${NETNS_MARK[$WORK/$1.log]:-0} + 1))" "$WORK/$1.log" |
		sed -nE 's/^([^ ]*:[0-9]+|record) ([0-9a-f]+)$/\2/p'
}

lines_of() { recorded "$1" | wc -l; }

# carries FROM TO BYTES: messages of up to BYTES, as many at once as a server's socket has room for.
carries() {
	local from=$1 to=$2 at=0
	SEED=$((SEED + 1))
	"$BUILD/tests/randcoap" "$SEED" $MESSAGES "$3" >"$WORK/sent" || fail 'no messages'
	mark "$from" "$to"
	while [ "$at" -lt $MESSAGES ]; do
		tail -n "+$((at + 1))" "$WORK/sent" | head -n $AT_ONCE >"$WORK/$from.in"
		at=$((at + AT_ONCE))
		eventually 10 is "lines_of $to" -ge $at || fail "$to got $(lines_of "$to") of $at," \
			"seed $SEED: $(lost)"
	done
	recorded "$to" | diff "$WORK/sent" - >"$WORK/diff.log" || fail "$to got other bytes, seed $SEED"
}

# both_ways URI GATEWAY DEVICE SERVER..
both_ways() {
	local uri=$1 gateway=$2 device=$3 bytes
	relay_conf
	section server cloud uri "$uri"
	section listen lan interface lan0 coaps 0
	section endpoint - name one server cloud address "$device" identity id-one key "$KEY"
	case $uri in coap:*) sed -i '/identity\|key/d' "$WORK/lwgate.conf" ;; esac
	run srv server "${@:4}"
	want server '^ready'
	run dev device "$BUILD/tests/rawudp" "$device:40001" "$gateway:5683"
	want device '^ready'
	relay_start
	tell device "$HELLO"
	want server " $HELLO\$"
	for bytes in 64 300 1200 4096; do
		carries device server $bytes
		carries server device $bytes
	done
	[ "$(counted up_messages)" = $((4 * MESSAGES + 1)) ] || fail 'the relay counted otherwise'
	[ "$(counted down_messages)" = $((4 * MESSAGES)) ] || fail 'the relay counted otherwise'
	relay_stop
	stop device
	stop server
	mark_all
	echo "     $uri, $((8 * MESSAGES)) messages"
}

netns_begin transparent
netns_three
echo "     seed $SEED"
both_ways coap://198.51.100.10 192.0.2.1 192.0.2.11 "$BUILD/tests/rawudp" 198.51.100.10:5683
both_ways 'coap://[2001:db8:2::10]' 192.0.2.1 192.0.2.12 \
	"$BUILD/tests/rawudp" '[2001:db8:2::10]:5683'
both_ways coaps://198.51.100.10 '[2001:db8:1::1]' '[2001:db8:1::11]' \
	"$BUILD/tests/rawdtls" 198.51.100.10:5684 id-one "$KEY"
both_ways 'coaps://[2001:db8:2::10]' 192.0.2.1 192.0.2.11 \
	"$BUILD/tests/rawdtls" '[2001:db8:2::10]:5684' id-one "$KEY" PSK-AES128-CBC-SHA256
pass
