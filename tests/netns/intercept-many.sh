#!/bin/bash
# Claim: a listener at 16 interfaces that captures the ports of 24 servers comes up: lwgate-net is sent more
# sockets than a socket pair holds messages by itself.
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
pass
