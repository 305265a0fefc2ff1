#!/bin/bash
# Claim: all other traffic is left alone, packet by packet: a UDP stream to another port, CoAP over TCP to
# the captured port, from the same device through the same interface, and the router's own calls of the
# server; the counters of the forward hook are the same with and without capture, as is what arrives, with NAT.
#   dev (rawudp, coap-client) ---- gw (masquerades; netdriver, lwgate-net) ---- srv (rawudp, coap-server)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/capture.sh"
set -u

STREAM=200
ASKS=10

# packets NAME: what the forward hook counted.
packets() { at gw nft list counter inet beside "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }

# stream PREFIX: UDP there and back.
stream() {
	local i lines=()
	mark beside serverb
	for ((i = 0; i < STREAM; i++)); do
		lines+=("198.51.100.10:6000 $(printf '%s%04x' "$1" "$i")")
	done
	tell beside "${lines[@]}"
	eventually 10 arrived serverb "$1" || fail "$(count serverb " $1") of $STREAM arrived"
	for ((i = 0; i < STREAM; i++)); do
		lines[i]=$(printf '%s%04x' "$1" "$i")
	done
	tell serverb "${lines[@]}"
	eventually 10 arrived beside "$1" || fail "$(count beside " $1") of $STREAM came back"
}
# shellcheck disable=SC2317 # eventually calls it
arrived() { [ "$(count "$1" " $2")" = "$STREAM" ]; }

# asks: CoAP over TCP, a connection each; the answer is the server's.
asks() {
	local i got
	for ((i = 0; i < ASKS; i++)); do
		got=$(at dev coap-client-notls -B 5 -m get coap+tcp://198.51.100.11:5683/time 2>"$WORK/tcp") ||
			fail "TCP: $(cat "$WORK/tcp")"
		[ -n "$got" ] || fail "TCP says nothing: $(cat "$WORK/tcp")"
	done
}

# round PREFIX: how many packets of each kind the router forwarded for it.
round() {
	local u d t
	u=$(packets up)
	d=$(packets back)
	t=$(packets conn)
	stream "$1"
	asks
	echo "$(($(packets up) - u)) $(($(packets back) - d)) $((($(packets conn) - t) / ASKS))" >"$WORK/round"
}

capture_begin capture-beside
netns_address srv wan 198.51.100.11/24
run srv tcp coap-server-notls -A 198.51.100.11
run dev beside "$BUILD/tests/rawudp" 192.0.2.12:40006
want beside '^ready'
at gw nft -f - <<'END' || fail 'no counters'
table ip nat {
	chain post {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan0" masquerade
	}
}
table inet beside {
	counter up { }
	counter back { }
	counter conn { }
	chain forward {
		type filter hook forward priority 0; policy accept;
		iifname "lan0" udp dport 6000 counter name up
		oifname "lan0" udp sport 6000 counter name back
		iifname "lan0" tcp dport 5683 counter name conn
	}
}
END
# What is not masqueraded gets no answer.
at srv ip route add unreachable 192.0.2.0/24
eventually 10 at dev coap-client-notls -B 1 -m get coap+tcp://198.51.100.11:5683/time >"$WORK/first" 2>&1 ||
	fail "no TCP at all: $(cat "$WORK/first")"
round aa
read -r udp back tcp <"$WORK/round"
[ "$udp $back" = "$STREAM $STREAM" ] || fail "this test is no test: $udp and $back of $STREAM"
claim "without: $udp UDP packets up, $back down, $tcp of TCP a connection"
driver_start
sockets 5683 6001
want_set 'listen lan0 5683,6001'
captured d1 192.0.2.12:40001 198.51.100.10:5683 'the same device is captured'
round bb
read -r udp2 back2 tcp2 <"$WORK/round"
[ "$udp2 $back2 $tcp2" = "$udp $back $tcp" ] || fail "with: $udp2 $back2 $tcp2, without: $udp $back $tcp"
claim "with: $udp2, $back2 and $tcp2"
absent driver 'got .*:40006 ' || fail 'something beside was captured'
run gw own "$BUILD/tests/rawudp" 198.51.100.1:40007 198.51.100.10:5683
want own '^ready'
mark own server driver
tell own 5001abcd
want server '^198\.51\.100\.1:40007 5001abcd'
tell server '198.51.100.1:40007 6001abcd'
want own '^198\.51\.100\.10:5683 6001abcd'
absent driver '^got' || fail "the router's own call was captured"
claim "the router's own call of the server goes there, and its answer comes"
at srv ip route del unreachable 192.0.2.0/24
tell server '192.0.2.12:40001 5001dcba'
want d1 '^198\.51\.100\.10:5683 5001dcba'
claim 'what a server sends to a device on its own goes there'
# What the LAN hears as a group is the driver's by the ordinary way, never by the rule.
before=$(table | sed -n 's/.*counter packets \([0-9]*\).*/\1/p' | paste -s)
for to in 192.0.2.255 255.255.255.255; do
	at dev ip route replace 255.255.255.255 dev lan
	calls d1 192.0.2.12:40001 $to:5683
	want driver "called $to:5683 .*group"
done
at dev ip route add 224.0.0.0/4 dev lan
calls d1 192.0.2.12:40001 224.0.1.187:5683
calls d1 192.0.2.12:40001 '192.0.2.1:5683'
want driver 'called 192.0.2.1:5683 '
absent driver 'called 224' || fail 'multicast was captured'
[ "$(table | sed -n 's/.*counter packets \([0-9]*\).*/\1/p' | paste -s)" = "$before" ] ||
	fail 'the rule took broadcast or multicast'
claim 'broadcast and multicast are not captured'
pass
