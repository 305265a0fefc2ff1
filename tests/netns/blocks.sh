#!/bin/bash
# Claim: 64 KiB go up and come back block-wise, unchanged, with several sizes of block, over CoAP and
# DTLS, IPv4 and IPv6; the device is known by its address alone (no Register).
#   dev (coap-client) ---- gw (lwgated) ---- srv (coap-server: notls, openssl, gnutls)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

client() {
	at dev coap-client-notls -B 60 "$@" >"$WORK/client.out" 2>&1 ||
		fail "coap-client $*: $(cat "$WORK/client.out")"
}

# there_and_back BLOCK GATEWAY FILE DEVICE
there_and_back() {
	rm -f "$WORK/back"
	client -v 6 -a "$4" -p 40001 -b "$1" -m put -f "$3" "coap://$2/file-$1"
	client -v 6 -a "$4" -p 40001 -b "$1" -o "$WORK/back" "coap://$2/file-$1"
	cmp "$3" "$WORK/back" || fail "what came back in blocks of $1 differs: $(tail "$WORK/client.out")"
	cmp -s "$3" "$WORK/before" && fail 'the file is as it was the time before'
	cp "$3" "$WORK/before"
}

# transfers BUILD URI GATEWAY BLOCKS [SERVER OPTIONS]
transfers() {
	local build=$1 uri=$2 gateway=$3 blocks=$4 block bytes=0 device=2001:db8:1::11
	shift 4
	relay_conf
	section server cloud uri "$uri"
	section listen lan interface lan0 coaps 0
	case $uri in
	coap:*)
		device=192.0.2.11
		section endpoint - name one server cloud address "$device"
		;;
	*)
		section endpoint - name one server cloud address "[$device]:40001" \
			identity id-one key "$(text_hex "$TEXT_KEY")"
		;;
	esac
	run srv "$build" "coap-server-$build" -d 10 -A :: -v 6 "$@"
	relay_start
	for block in $blocks; do
		head -c 65536 /dev/urandom >"$WORK/file"
		there_and_back "$block" "$gateway" "$WORK/file" "$device"
		bytes=$((bytes + 65536))
		is 'route one state' = up || fail 'the association is not up'
	done
	[ "$(counted up_bytes)" -ge "$bytes" ] || fail "only $(counted up_bytes) bytes went up"
	[ "$(counted down_bytes)" -ge "$bytes" ] || fail "only $(counted down_bytes) bytes went down"
	[ "$(counted flows_opened)" = 1 ] || fail 'more than one flow was made'
	lost >"$WORK/lost.log" && fail 'something was dropped'
	relay_stop
	stop "$build"
	mark_all
	echo "     $uri, coap-server-$build, blocks of $blocks"
}

netns_begin blocks
netns_three
: >"$WORK/before"
transfers notls coap://198.51.100.10 192.0.2.1 '16 64 1024'
transfers openssl 'coaps://[2001:db8:2::10]' '[2001:db8:1::1]' '128 512 1024' -k "$TEXT_KEY"
transfers gnutls coaps://198.51.100.10 '[2001:db8:1::1]' '256 1024' -k "$TEXT_KEY"
pass
