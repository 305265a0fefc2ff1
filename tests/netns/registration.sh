#!/bin/bash
# Claim: coap-rd, with every TLS library and in either address family, sees Register, Update and
# Deregister of a device behind the relay as they were sent; its answers reach the device, also those
# that refuse; the suite is CCM_8.
#   dev (coap-client) ---- gw (lwgated) ---- srv (coap-rd: notls, openssl, gnutls)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

client() { at dev coap-client-notls -B 10 -p 40001 -v 7 "$@" >"$WORK/client.out" 2>&1; }
answered() { grep -q "$1" "$WORK/client.out" || fail "no $1: $(cat "$WORK/client.out")"; }

# life BUILD URI SUITE GATEWAY
life() {
	local location suite
	local GATEWAY=$4
	relay_conf
	section server cloud uri "$2"
	section listen lan interface lan0 coaps 0
	section endpoint - name one server cloud identity id-one key "$(text_hex "$TEXT_KEY")"
	case $2 in coap:*) sed -i '/identity\|key/d' "$WORK/lwgate.conf" ;; esac
	run srv rd "coap-rd-$1" -v 7 -A :: "${@:5}"
	relay_start
	register one 40001
	want rd 'c:POST.*Uri-Path:rd.*Uri-Query:ep=one, Uri-Query:lt=300, .*:: .</3/0>.'
	location=$(route one location)
	[ -n "$location" ] || fail 'the relay has seen no Location'
	suite=$(route one suite)
	[ "$suite" = "$3" ] || fail "agreed was $suite, not $3"
	client -m post -e x "coap://$GATEWAY$location?lt=400"
	want rd "c:POST.*Uri-Path:${location##*/}, Uri-Query:lt=400"
	answered 'c:4.05' # coap-rd is no LwM2M Server: it takes no Update, and says so
	client "coap://$GATEWAY$location"
	answered 'c:2.05.*</3/0>'
	# Debian 12's coap-rd frees twice on the way to its answer, so only the question is looked for.
	run dev leaver coap-client-notls -p 40001 -m delete "coap://$GATEWAY$location"
	want rd "c:DELETE.*Uri-Path:${location##*/}"
	stop leaver
	stop rd
	relay_stop
	mark_all
	echo "     $2, coap-rd-$1, ${3:-plain}"
}

netns_begin registration
netns_three
life notls coap://198.51.100.10 null 192.0.2.1
life notls 'coap://[2001:db8:2::10]' null '[2001:db8:1::1]'
for build in openssl gnutls; do
	life $build coaps://198.51.100.10 TLS_PSK_WITH_AES_128_CCM_8 '[2001:db8:1::1]' -k "$TEXT_KEY"
	life $build 'coaps://[2001:db8:2::10]' TLS_PSK_WITH_AES_128_CCM_8 192.0.2.1 -k "$TEXT_KEY"
done
pass
