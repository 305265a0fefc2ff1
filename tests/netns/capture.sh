#!/bin/bash
# Claim: what devices send to a server's own address is captured, over IPv4 and IPv6, on each port, and
# answered from that address; the router's own addresses, other ports, other interfaces, broadcast,
# multicast and TCP are left alone; nothing remains after a stop.
#   dev (rawudp) ---- gw (netdriver, lwgate-net) ---- srv (rawudp)
#   dev (192.0.3.11) ---- gw lan1 192.0.3.1, not captured
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/capture.sh"
set -u

capture_begin capture
netns_link dev lan1 gw lan1
netns_address dev lan1 192.0.3.11/24
netns_address gw lan1 192.0.3.1/24
at dev ip rule add from 192.0.3.11 table 33
at dev ip route add default via 192.0.3.1 table 33
at srv ip route add 192.0.3.0/24 via 198.51.100.1
driver_start
forwarded d1 192.0.2.11:40001 198.51.100.10:5683 'before a wanted state nothing is captured'
sockets 5683 5684 5783
want_set 'listen lan0 5683,5684,5783'
captured d1 192.0.2.11:40001 198.51.100.10:5683 'IPv4 is captured, the answer comes from the server'
captured d6 '[2001:db8:1::11]:40001' '[2001:db8:2::10]:5683' 'so is IPv6'
captured d1 192.0.2.11:40001 198.51.100.10:5684 'the second port answers from itself'
captured d1 192.0.2.11:40001 203.0.113.77:5783 'so does the third, for an address that is nowhere'
captured d6 '[2001:db8:1::11]:40001' '[2001:db8:dead::1]:5783' 'and over IPv6'
captured d2 192.0.2.12:40001 198.51.100.10:5683 'two devices with the same source port, the one'
captured d1 192.0.2.11:40001 198.51.100.10:5683 'and the other'
MORE=$(head -c 5000 /dev/zero | od -An -v -tx1 | tr -d ' \n')
captured d1 192.0.2.11:40001 198.51.100.10:5683 '5,000 bytes in fragments, both ways, IPv4'
captured d6 '[2001:db8:1::11]:40001' '[2001:db8:2::10]:5683' 'and IPv6'
MORE=
captured d1 192.0.2.11:40001 192.0.2.1:5683 "the router's own address answers the ordinary way"
captured d6 '[2001:db8:1::11]:40001' '[2001:db8:1::1]:5683' 'and over IPv6'
own=$(table | sed -n 's/.*counter packets \([0-9]*\).*/\1/p' | paste -s)
captured d1 192.0.2.11:40001 198.51.100.1:5683 "and the router's other address"
[ "$(table | sed -n 's/.*counter packets \([0-9]*\).*/\1/p' | paste -s)" = "$own" ] ||
	fail 'the rule took a call to the router itself'
claim 'for which the rule counted nothing'
forwarded d3 192.0.3.11:40001 198.51.100.10:5683 'an interface that is not named is left alone'
pass
