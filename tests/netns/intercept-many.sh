#!/bin/bash
# Claim: a listener at 16 interfaces that captures the ports of 24 servers comes up: lwgate-net is sent more
# sockets than a socket pair holds messages by itself. Eight listeners come up with 128 interfaces, and nothing
# of them is left when the relay has stopped.
#   gw (relay, interception): interfaces of its own, no traffic
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

netns_begin intercept-many
netns_add gw
interfaces=()
for i in {1..8}; do
	netns_link gw "a$i" gw "b$i"
	interfaces+=(+interface "a$i" +interface "b$i")
done
section listen lan intercept 1 "${interfaces[@]}"
for i in {1..24}; do
	section server "s$i" uri "coaps://198.51.100.$i:$((6000 + i))"
done
endpoint one s1 lan_identity one lan_key "$KEY"
relay_start
want relay 'capture: UDP 5683 .*6024.* from a1, b1, .* is captured' 30
sockets=$(at gw grep -c : /proc/net/udp)
[ "$sockets" -gt 400 ] || fail "only $sockets sockets"
relay_stop

rules() { at gw ip rule; at gw ip -6 rule; }
rm "$WORK/lwgate.conf"
section server s1 uri coap://198.51.100.1
for l in {1..8}; do
	interfaces=()
	for i in {1..16}; do interfaces+=(+interface "c$l-$i"); done
	section listen "l$l" intercept 1 coap $((5700 + l)) "${interfaces[@]}"
done
endpoint one s1
relay_start
want relay 'capture: UDP 5708 5683 from c8-1, '
[ "$(rules | grep -c 'lookup 5683')" = 256 ] || fail "the rules: $(rules)"
relay_stop
[ "$(rules | grep -c 'lookup 5683')" = 0 ] || fail "rules are left: $(rules)"
pass
