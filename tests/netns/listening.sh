#!/bin/bash
# Claim: the relay answers from the address that was called, on several addresses and interfaces and on
# link-local ones; it is silent to broadcast and multicast, and where it was not told to listen.
#   dev lan  192.0.2.11-13, 2001:db8:1::11-13  ---- gw lan0 192.0.2.1 .2, 2001:db8:1::1 ::2
#   dev lan2 203.0.113.11                      ---- gw lan1 203.0.113.1       ---- srv (coap-server)
#   dev lan3 203.0.114.11                      ---- gw lan2 203.0.114.1, no listener
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

# escaped TEXT: as part of an ERE.
escaped() {
	local text=${1//./\\.}
	text=${text//[/\\[}
	echo "${text//]/\\]}"
}

# device NAME ADDRESS: a raw end that speaks from there.
device() {
	run dev "$1" "$BUILD/tests/rawudp" "$2"
	want "$1" '^ready'
}

# reaches NAME EP TARGET: a Register, a read of the server and the server's answers, with this source.
reaches() {
	local name=$1 ep=$2 target=$3
	mark "$name" server
	tell "$name" "$target $(coap con 0.02 17 a1 "/rd?ep=$ep&lt=60")"
	want server "Uri-Path:rd, Uri-Query:ep=$ep"
	want "$name" "^$(escaped "$target") 6184"
	tell "$name" "$target $(coap con 0.01 18 b2 /)"
	want "$name" "^$(escaped "$target") 61450012b2"
	[ "$(count "$name" .)" = 2 ] || fail "$name got more than two answers"
	echo "     $ep calls $target"
}

# silent NAME TARGET: neither a ping nor a Register nor a GET gets a word.
silent() {
	mark "$1" server
	tell "$1" "$2 40000021" "$2 $(coap con 0.02 34 c3 '/rd?ep=one&lt=60')" \
		"$2 $(coap con 0.01 35 c4 /)"
}

unheard() { # NAME TARGET
	silent "$@"
	# What comes after it has come: whatever was to be said was said before.
	mark probe
	tell probe '192.0.2.1:5683 40000022'
	want probe '^192\.0\.2\.1:5683 70000022'
	absent "$1" '[0-9]:[0-9]+ ' || fail "an answer for $2: $SEEN"
	absent server 'Uri-Path|c:GET|c:POST' || fail "$2 reached the server: $SEEN"
	echo "     silence for $2"
}

group() { # NAME TARGET
	drops_rise lan_multicast 3 silent "$@"
	unheard "$@"
}

link_local() { at "$1" ip -6 -o addr show dev "$2" scope link | sed -E 's,.*inet6 ([^/]*)/.*,\1,'; }

configure() {
	relay_conf
	section server cloud uri coap://198.51.100.10
	section listen lan +interface lan0 +interface lan1 coaps 0
	for ep in one two three four five six; do
		section endpoint - name $ep server cloud
	done
}

netns_begin listening
netns_three
netns_link dev lan2 gw lan1
netns_link dev lan3 gw lan2
netns_address gw lan0 192.0.2.2/24 2001:db8:1::2/64
netns_address gw lan1 203.0.113.1/24
netns_address gw lan2 203.0.114.1/24
netns_address dev lan2 203.0.113.11/24
netns_address dev lan3 203.0.114.11/24
run srv server coap-server-notls -v 7 -A ::
configure
relay_start
device probe 192.0.2.13:40009
device d1 192.0.2.11:40001
device d2 192.0.2.12:40002
device d3 203.0.113.11:40003
device d4 '[2001:db8:1::11]:40004'
device d5 '[2001:db8:1::12]:40005'
eventually 5 is 'link_local dev lan | wc -w' = 1 || fail 'dev has no link-local address'
eventually 5 is 'link_local gw lan0 | wc -w' = 1 || fail 'gw has no link-local address'
device d6 "[$(link_local dev lan)%lan]:40006"
reaches d1 one 192.0.2.1:5683
reaches d2 two 192.0.2.2:5683
reaches d3 three 203.0.113.1:5683
reaches d4 four '[2001:db8:1::1]:5683'
reaches d5 five '[2001:db8:1::2]:5683'
reaches d6 six "[$(link_local gw lan0)%lan]:5683"
device s1 192.0.2.11:40011
device s2 203.0.114.11:40012
device s3 "[$(link_local dev lan)%lan]:40013"
group s1 192.0.2.255:5683
at dev ip route add 255.255.255.255 dev lan
group s1 255.255.255.255:5683
at dev ip route add 224.0.0.0/4 dev lan
group s1 224.0.0.1:5683
group s3 '[ff02::1]:5683'
unheard s1 224.0.1.187:5683
unheard s3 '[ff02::fd]:5683'
unheard s2 203.0.114.1:5683
group d1 192.0.2.255:5683
relay_stop
pass
