#!/bin/bash
# Claim: what is no CoAP gets no answer, is counted by its reason and goes no further, whether a device
# sends it or a server, plain or in a DTLS record; so do records and junk at the plain port. The
# relay and the flow live on.
#   dev (rawudp) ---- gw (lwgated) ---- srv (rawudp, rawdtls)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

# REASON HEX: what libcoap's parser refuses as well.
FAULTS="
coap_short 400100
coap_short 44010001aabbcc
coap_short 40
coap_token 4901000100112233445566778899
coap_token 4f010001000102030405060708090a0b0c0d0e0f
coap_not_empty 4000000161
coap_not_empty 4100000161
coap_not_empty 70000001ff00
coap_option 40010001b5616263
coap_option 40010001f0
coap_option 400100010f
coap_option 40010001e0ff
coap_option 40010001bd
coap_option 40010001e0ffffe0ffff
coap_option 40010001741234567890
coap_payload 40010001ff
coap_payload 40450001b26161ff
"
JUNK='00 ff 03010001 c001000161 000102030405060708090a0b0c0d0e0f 8001000112'
RECORDS="16fefd0000000000000000000c010000000000000000000000
16feff000000000000000000000000
17fefd00010000000000010010aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
19fefd00010000000000010010aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
2e00010203040506070809"

drop_count() { lost | awk '{ sum += $2 } END { print sum + 0 }'; }

# still FROM TO: a good message passes, and nothing came before it.
still() {
	MID=$((MID + 1))
	tell "$1" "$(coap non 0.03 $MID cc /still here)"
	want "$2" " $(coap non 0.03 $MID cc /still here)\$"
	is "count $2 ." = 1 || fail "$2 got more than the good message"
	mark "$2"
	alive relay || fail 'the relay has ended'
}

# faults FROM TO
faults() {
	local reason hex n=0
	mark "$1" "$2"
	while read -r reason hex; do
		[ -n "$reason" ] || continue
		drops_rise "$reason" 1 tell "$1" "$hex"
		n=$((n + 1))
	done <<<"$FAULTS"
	still "$1" "$2"
	absent "$1" . || fail "$1 got an answer: $SEEN"
	echo "     $n from $1"
}

# Random noise and good messages that were cut or changed: all is well when nobody falls.
noise() {
	local i
	mark device server
	for i in $(seq 60); do
		head -c $((i % 40 + 1)) /dev/urandom | od -An -v -tx1 | tr -d ' \n'
		echo
	done >"$WORK/noise"
	"$BUILD/tests/randcoap" "$SEED" 100 64 | awk 'length($0) > 10 {
		print substr($0, 1, 2 * int(length($0) / 4))
		print substr($0, 1, 8) "f" substr($0, 10) }' >>"$WORK/noise"
	cat "$WORK/noise" >"$WORK/$1.in"
	eventually 10 settled "$(wc -l <"$WORK/noise")" || fail "seed $SEED: not all was counted or passed"
	mark device server
	still "$1" "$2"
}

# shellcheck disable=SC2317 # eventually calls it
settled() {
	[ $(($(drop_count) + $(counted up_messages) + $(counted down_messages) - BEFORE)) -ge "$1" ]
}

plain_port() {
	local hex
	mark device server
	for hex in $JUNK; do
		drops_rise lan_junk 1 tell device "$hex"
	done
	for hex in $RECORDS; do
		drops_rise lan_dtls 1 tell device "$hex"
	done
	still device server
	absent device . || fail "the device got an answer: $SEEN"
}

both() {
	relay_conf
	section server cloud uri "$1"
	section listen lan interface lan0 coaps 0
	section endpoint - name one server cloud address 192.0.2.11 identity id-one key "$KEY"
	case $1 in coap:*) sed -i '/identity\|key/d' "$WORK/lwgate.conf" ;; esac
	run srv server "${@:2}"
	want server '^ready'
	relay_start
	mark server
	still device server
	faults device server
	faults server device
	plain_port
	BEFORE=$(($(drop_count) + $(counted up_messages) + $(counted down_messages)))
	noise device server
	BEFORE=$(($(drop_count) + $(counted up_messages) + $(counted down_messages)))
	noise server device
	[ "$(counted answers)" = 0 ] || fail 'the relay gave answers'
	relay_stop
	stop server
	mark_all
	echo "     $1"
}

SEED=${SEED:-$RANDOM}
MID=512
netns_begin malformed
netns_three
echo "     seed $SEED"
run dev device "$BUILD/tests/rawudp" 192.0.2.11:40001 192.0.2.1:5683
want device '^ready'
both coap://198.51.100.10 "$BUILD/tests/rawudp" 198.51.100.10:5683
both 'coaps://[2001:db8:2::10]' "$BUILD/tests/rawdtls" '[2001:db8:2::10]:5684' id-one "$KEY"
pass
