#!/bin/bash
# Claim: interfaces are captured by name, whenever they come: a bridge that is made again, one with a
# VLAN's name that is added later, one that is renamed; a socket that is bound to an interface is asked
# for again. (A real VLAN needs a module that not every test machine has; a pair of its name does.)
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
tell driver 'socket 5684 4 br-lan' 'socket 5784 4 lan0.7'
want_set 'listen br-lan,lan0.7 5683' 'listen br-lan 5684' 'listen lan0.7 5784'
seen driver '^link br-lan there' || fail 'the bridge is not told'
seen driver '^socket 1 5784 v4 lan0.7 No such device' || fail 'a socket without its interface is not told'
captured d1 192.0.2.11:40001 198.51.100.10:5683 'a bridge is captured'
captured d1 192.0.2.11:40001 198.51.100.10:5684 'also by a socket that is bound to it'
mark driver
at gw ip link del br-lan
want driver '^link br-lan gone'
bridge
want driver '^link br-lan there'
claim 'the bridge goes and comes, and both are told'
captured d1 192.0.2.11:40001 198.51.100.10:5683 'the bridge that was made again is captured'
captured d6 '[2001:db8:1::11]:40001' '[2001:db8:2::10]:5683' 'over IPv6 too'
forwarded_port=198.51.100.10:5684
calls d1 192.0.2.11:40001 $forwarded_port
calls d1 192.0.2.11:40001 198.51.100.10:5683
want driver 'called 198.51.100.10:5683 '
claim 'the socket that was bound to the old one may be deaf'
tell driver 'drop 5684' 'socket 5684 4 br-lan'
want_set
captured d1 192.0.2.11:40001 $forwarded_port 'one that is asked for again is not'
absent driver 'counts' || fail 'something was mended that nobody broke'
mark driver
netns_link dev lan.7 gw lan0.7
want driver '^link lan0.7 there'
netns_address gw lan0.7 192.0.7.1/24
netns_address dev lan.7 192.0.7.11/24
at dev ip rule add from 192.0.7.11 table 7
at dev ip route add default via 192.0.7.1 table 7
captured d7 192.0.7.11:40001 198.51.100.10:5683 'a VLAN that was added later is captured'
tell driver 'socket 5784 4 lan0.7'
want_set
captured d7 192.0.7.11:40001 198.51.100.10:5784 'its bound socket comes when it is asked for again'
mark driver
at gw ip link set lan0.7 down
at gw ip link set lan0.7 name other
want driver '^link lan0.7 gone'
claim 'one that is renamed is told as gone'
pass
