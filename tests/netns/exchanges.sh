#!/bin/bash
# Claim: every kind of exchange passes as it is, over CoAP and DTLS: tokens of 0 and 8 bytes, NON,
# pings and their RST, separate responses, observations that end by RST and by a GET.
#   dev (rawudp, coap-client) ---- gw (lwgated) ---- srv (coap-server: notls, openssl, gnutls)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

FROM='^192\.0\.2\.1:5683'
TIME=54$(text_hex time) # Uri-Path behind Observe

# asks HEX ERE: the device sends, and sees the answer of the gateway's address.
asks() {
	mark raw
	tell raw "$1"
	want raw "$FROM $2"
}

client() {
	at dev coap-client-notls -B 10 -a 192.0.2.12 -p 40003 "$@" >"$WORK/client.out" 2>&1
	grep -aq 'test server' "$WORK/client.out" || fail "coap-client $*: $(cat "$WORK/client.out")"
}

# takes ERE: the device sees it; HEX is the message.
takes() {
	want raw "$FROM $1"
	HEX=${SEEN##* }
}

# A CoAP ping gets its RST. libcoap sends none in the first quarter of a second of its process.
pings() {
	local mid
	mark raw
	for mid in 0006 0106 0206; do
		tell raw "4000$mid"
		await raw "$FROM 7000$mid\$" 2 && return
	done
	fail 'no RST to a ping'
}

requests() {
	asks "$(coap con 0.01 1 - /)" '60450001'
	asks "$(coap con 0.01 2 0102030405060708 /)" '684500020102030405060708'
	asks "$(coap con 0.01 3 00 /)" '6145000300'
	asks "$(coap non 0.01 4 a1b2 /)" '5245....a1b2'
	asks "$(coap con 0.01 5 a1b2 /nowhere)" '62840005a1b2'
	pings
	client 'coap://192.0.2.1/'
	client -N 'coap://192.0.2.1/'
	client -T '' 'coap://192.0.2.1/'
	client -T abcdefgh 'coap://192.0.2.1/'
	client -N -T '' 'coap://192.0.2.1/'
}

# The answer comes alone, behind an empty ACK; its own ACK must reach the server.
separate() {
	mark "$SERVER"
	asks "$(coap con 0.01 21 5e9a '/async?1')" '60000015$'
	takes '42(45)....5e9a'
	tell raw "6000${HEX:4:4}"
	want "$SERVER" "t:ACK c:0\.00 i:${HEX:4:4}"
}

# Notifications until a RST; the server must have got it, since no other can end what it observes.
observation() {
	mark raw "$SERVER"
	tell raw "44010030deadbeef60$TIME"
	takes '64450030deadbeef6'
	takes '[45]445....deadbeef6'
	tell raw "7000${HEX:4:4}"
	want "$SERVER" "t:RST c:0\.00 i:${HEX:4:4}"
	want "$SERVER" "removed subscription .* with token 'deadbeef'"
}

# The same with a GET that cancels: its answer has no Observe option, and is the last.
cancelled() {
	mark raw
	tell raw "44010040cafecafe60$TIME"
	takes '64450040cafecafe6'
	takes '[45]445....cafecafe6'
	tell raw "6000${HEX:4:4}"
	asks "44010041cafecafe6101$TIME" '64450041cafecafed'
	want "$SERVER" "removed subscription .* with token 'cafecafe'"
}

exchanges() {
	local build=$1 uri=$2
	shift 2
	SERVER=server-$build
	relay_conf
	section server cloud uri "$uri"
	section listen lan interface lan0 coaps 0
	section endpoint - name one server cloud address 192.0.2.11 identity id-one \
		key "$(text_hex "$TEXT_KEY")"
	section endpoint - name two server cloud address 192.0.2.12 identity id-two \
		key "$(text_hex "$TEXT_KEY")"
	case $uri in coap:*) sed -i '/identity\|key/d' "$WORK/lwgate.conf" ;; esac
	run srv "$SERVER" "coap-server-$build" -A :: -v 7 "$@"
	relay_start
	requests
	separate
	observation
	cancelled
	lost >"$WORK/lost.log" && fail 'something was dropped'
	[ "$(counted answers)" = 0 ] || fail 'the relay itself gave answers'
	relay_stop
	stop "$SERVER"
	mark_all
	echo "     $uri, coap-server-$build"
}

netns_begin exchanges
netns_three
run dev raw "$BUILD/tests/rawudp" 192.0.2.11:40002 192.0.2.1:5683
want raw ready
exchanges notls 'coap://[2001:db8:2::10]'
exchanges openssl coaps://198.51.100.10 -k "$TEXT_KEY"
exchanges gnutls 'coaps://[2001:db8:2::10]' -k "$TEXT_KEY"
pass
