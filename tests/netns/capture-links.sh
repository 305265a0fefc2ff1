#!/bin/bash
# Claim: interfaces are captured by name, whenever they come: a bridge that is made again, one with a
# VLAN's name that is added later, one that is renamed; a socket that is bound to an interface is made
# anew. (A real VLAN needs a module that not every test machine has; a pair of its name does.)
#   dev lan ---- gw lan0 in bridge br-lan (netdriver, lwgate-net) ---- srv (rawudp)
#   dev lan.7 (192.0.7.11) ---- gw lan0.7 192.0.7.1
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/capture.sh"
set -u

bridge() {
	at gw ip link add br-lan type bridge
	at gw ip link set br-lan address 02:00:00:00:00:77
	at gw ip link set lan0 master br-lan
	at gw ip addr flush dev lan0
	at gw ip link set br-lan up
	netns_address gw br-lan 192.0.2.1/24 2001:db8:1::1/64
}

capture_begin capture-links
bridge
driver_start
sockets 5683
tell driver 'open 5684 4 br-lan' 'bless 5684'
want_set 'listen br-lan,lan0.7 5683' 'listen br-lan 5684' 'listen lan0.7 5784'
captured d1 192.0.2.11:40001 198.51.100.10:5683 'a bridge is captured'
captured d1 192.0.2.11:40001 198.51.100.10:5684 'also by a socket that is bound to it'
at gw ip link del br-lan
bridge
captured d1 192.0.2.11:40001 198.51.100.10:5683 'the bridge that was made again is captured'
captured d6 '[2001:db8:1::11]:40001' '[2001:db8:2::10]:5683' 'over IPv6 too'
forwarded_port=198.51.100.10:5684
calls d1 192.0.2.11:40001 $forwarded_port
calls d1 192.0.2.11:40001 198.51.100.10:5683
want driver 'called 198.51.100.10:5683 '
claim 'the socket that was bound to the old one may be deaf'
mark driver
tell driver 'drop 5684' 'open 5684 4 br-lan' 'bless 5684'
want driver '^socket .* transparent'
captured d1 192.0.2.11:40001 $forwarded_port 'one that was opened again is not'
absent driver 'counts' || fail 'something was mended that nobody broke'
netns_link dev lan.7 gw lan0.7
netns_address gw lan0.7 192.0.7.1/24
netns_address dev lan.7 192.0.7.11/24
at dev ip rule add from 192.0.7.11 table 7
at dev ip route add default via 192.0.7.1 table 7
captured d7 192.0.7.11:40001 198.51.100.10:5683 'a VLAN that was added later is captured'
mark driver
tell driver 'open 5784 4 lan0.7' 'bless 5784'
want driver '^socket .* transparent'
captured d7 192.0.7.11:40001 198.51.100.10:5784 'so is it by a socket that is bound to it'
absent driver 'counts' || fail 'something was mended that nobody broke'
pass
