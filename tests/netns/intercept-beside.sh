#!/bin/bash
# Claim: while devices are captured, all else is left alone, packet by packet, and bears no mark of ours: UDP to
# another port and CoAP over TCP to the captured one by the same interface, UDP to the captured port by another
# interface, the router's own services, over UDP and TCP, and its own calls of the server. What comes in goes
# out, and as much as without interception.
#   dev (rawudp, coap-client), iot (rawudp) ---- gw (relay, interception; rawudp, coap-server) ---- srv (lwm2m-server
#   cloud .10; coap-server .11, rawudp .11 .12)
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2317 # functions are called by `asking` and by eventually
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/capture.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

NET_PARENT=relay
STREAM=200
ASKS_TCP=5
COUNTERS='port_in port_out link_in link_out tcp_in tcp_out own_in own_out owntcp_in owntcp_out'
declare -A BEFORE=() WITHOUT=() NOW=()

conf() {
	rm -f "$WORK/lwgate.conf"
	section gateway main log_level debug
	section server cloud uri coap://cloud.example
	section listen lan interface lan0 "$@"
	section endpoint - name d4 server cloud address 192.0.2.11:40001
	section endpoint - name d6 server cloud address '[2001:db8:1::11]:40001'
}

# counter NAME: its packets.
counter() { at gw nft list counter inet beside "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }

counters() {
	at gw nft -f - <<-END || fail 'no counters'
		table inet beside {
			$(for name in $COUNTERS marked; do echo "counter $name { }"; done)
			chain first {
				type filter hook prerouting priority -400; policy accept;
				iifname "lan0" udp dport 6000 counter name port_in
				iifname "wan0" udp sport 6000 counter name port_in
				iifname "iot0" udp dport 5683 counter name link_in
				iifname "wan0" ip daddr 203.0.113.11 udp sport 5683 counter name link_in
				iifname { "lan0", "wan0" } tcp dport 5683 counter name tcp_in
				iifname { "lan0", "wan0" } tcp sport 5683 counter name tcp_in
				iifname "lan0" ip daddr 192.0.2.1 udp dport 7000 counter name own_in
				iifname "lan0" ip daddr 192.0.2.1 tcp dport 7683 counter name owntcp_in
			}
			chain marks {
				type filter hook prerouting priority 300; policy accept;
				iifname "lan0" udp dport 5683 accept
				meta mark and 0x8000000 != 0 counter name marked
			}
			chain last {
				type filter hook postrouting priority 400; policy accept;
				oifname "wan0" udp dport 6000 counter name port_out
				oifname "lan0" ip saddr 198.51.100.11 udp sport 6000 counter name port_out
				oifname "wan0" ip saddr 203.0.113.11 udp dport 5683 counter name link_out
				oifname "iot0" udp sport 5683 counter name link_out
				oifname { "lan0", "wan0" } tcp dport 5683 counter name tcp_out
				oifname { "lan0", "wan0" } tcp sport 5683 counter name tcp_out
				meta mark and 0x8000000 != 0 counter name marked
			}
			chain own {
				type filter hook input priority 400; policy accept;
				iifname "lan0" udp dport 7000 counter name own_out
				iifname "lan0" tcp dport 7683 counter name owntcp_out
			}
		}
	END
}

has() { [ "$(count "$1" " $2")" = "$3" ]; }

# there_and_back FROM TO ADDRESS BACK PREFIX: a stream from one raw end to another, and its answers.
there_and_back() {
	local i lines=() answers=()
	mark "$1" "$2"
	for ((i = 0; i < STREAM; i++)); do
		lines+=("$3 $(printf '%s%04x' "$5" "$i")")
		answers+=("$4 $(printf '%s%04x' "$5" "$i")")
	done
	tell "$1" "${lines[@]}"
	eventually 10 has "$2" "$5" "$STREAM" || fail "$(count "$2" " $5") of $STREAM arrived at $2"
	tell "$2" "${answers[@]}"
	eventually 10 has "$1" "$5" "$STREAM" || fail "$(count "$1" " $5") of $STREAM came back to $1"
}

# over_tcp URI: connections, each with an answer.
over_tcp() {
	local i got
	for ((i = 0; i < ASKS_TCP; i++)); do
		got=$(at dev coap-client-notls -B 5 -m get "$1" 2>"$WORK/tcp") || fail "TCP: $(cat "$WORK/tcp")"
		[ -n "$got" ] || fail "TCP says nothing: $(cat "$WORK/tcp")"
	done
}

# round PREFIX: all of it; what was counted.
round() {
	local name
	for name in $COUNTERS; do BEFORE[$name]=$(counter "$name"); done
	there_and_back port other 198.51.100.11:6000 192.0.2.13:40006 "${1}01"
	there_and_back link alien 198.51.100.12:5683 203.0.113.11:40007 "${1}02"
	there_and_back port service 192.0.2.1:7000 192.0.2.13:40006 "${1}03"
	over_tcp coap+tcp://198.51.100.11:5683/time
	over_tcp coap+tcp://192.0.2.1:7683/time
	there_and_back mine alien 198.51.100.12:5683 198.51.100.1:40008 "${1}04"
	for name in $COUNTERS; do NOW[$name]=$(($(counter "$name") - BEFORE[$name])); done
}

# in_and_out TEXT
in_and_out() {
	local kind
	for kind in port link tcp own owntcp; do
		same "${NOW[${kind}_out]}" "${NOW[${kind}_in]}" "$1: packets out, of those in, $kind"
	done
	same "$(counter marked)" 0 'packets with a mark'
	claim "$1: in and out UDP ${NOW[port_in]}, other interface ${NOW[link_in]}, TCP ${NOW[tcp_in]}, router's own ${NOW[own_in]} and TCP ${NOW[owntcp_in]}, no mark"
}

intercept_begin intercept-beside
netns_add iot
netns_link iot lan gw iot0
netns_address iot lan 203.0.113.11/24
netns_address gw iot0 203.0.113.1/24
netns_address srv wan 198.51.100.11/24 198.51.100.12/24
at iot ip route add default via 203.0.113.1
intercept_servers
run srv other "$BUILD/tests/rawudp" 198.51.100.11:6000
run srv alien "$BUILD/tests/rawudp" 198.51.100.12:5683
run gw service "$BUILD/tests/rawudp" 192.0.2.1:7000
run gw mine "$BUILD/tests/rawudp" 198.51.100.1:40008
run dev port "$BUILD/tests/rawudp" 192.0.2.13:40006
run iot link "$BUILD/tests/rawudp" 203.0.113.11:40007
for name in other alien service mine port link; do want $name '^ready$'; done
run srv tcp coap-server-notls -A 198.51.100.11
run gw own coap-server-notls -A 192.0.2.1 -p 7683
counters
askers_begin 5683
unset 'ASKS[d4own]' 'ASKS[d6own]'
for uri in 198.51.100.11:5683 192.0.2.1:7683; do
	eventually 10 at dev coap-client-notls -B 1 -m get "coap+tcp://$uri/time" >"$WORK/first" 2>&1 ||
		fail "no TCP at all: $(cat "$WORK/first")"
done
relay_conf
intercept_hosts
conf
relay_start
asking round aa
same "${PASSED[4]} ${PASSED[6]}" "${SENT[d4]} ${SENT[d6]}" 'this test is no test: past the relay'
in_and_out 'without interception'
for name in $COUNTERS; do WITHOUT[$name]=${NOW[$name]}; done

conf intercept 1
relay_reload
want relay 'capture: UDP 5683 from lan0 is captured'
asking round bb
same "${PASSED[4]} ${PASSED[6]}" '0 0' 'past the relay'
lost_most 0 d4 d6
in_and_out "while ${SENT[d4]} and ${SENT[d6]} questions are captured"
for name in port_in link_in own_in; do same "${NOW[$name]}" "${WITHOUT[$name]}" "$name with and without"; done
lost && fail 'the relay lost something'
claim 'as much as without interception'
pass
