#!/bin/bash
# Claim: devices on several LAN interfaces are captured, be it that they have the same addresses there. An
# interface that is not there is told of, and captured when it comes. A bridge, and a VLAN, that is deleted and
# made again takes no flow along: the device's next message is carried, its server reaches it. When the WAN
# gets another address, flows go on from their source ports.
#   dev  lan .11 ---- gw lan0 in bridge br-lan 192.0.2.1/24 (relay, interception) ---- srv (lwm2m-server)
#   dev2 lan .11 ---- gw lan.7 192.0.2.1/24, later
# (A real VLAN needs a module that not every test machine has; a pair of its name does.)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

WAN=198.51.100.1

bridge() {
	at gw ip link add br-lan type bridge
	at gw ip link set br-lan address 02:00:00:00:00:77
	at gw ip link set lan0 master br-lan
	at gw ip addr flush dev lan0
	at gw ip link set br-lan up
	netns_address gw br-lan 192.0.2.1/24 2001:db8:1::1/64
}

vlan() {
	netns_link dev2 lan gw lan.7
	at gw sysctl -qw net.ipv4.conf.lan/7.rp_filter=0
	netns_address gw lan.7 192.0.2.1/24
	netns_address dev2 lan 192.0.2.11/24
	at dev2 ip route add default via 192.0.2.1
}

# client NS EP: both are at the same address.
client() {
	mark "$2"
	run "$1" "$2" "$BUILD/tests/lwm2m-device-notls" --ep "$2" --server coap://198.51.100.10 \
		--bind 192.0.2.11:40001 --retry 1 --repeats 1
	want cloud "^registered $2 /rd/"
}

# carried EP TEXT: it speaks, and its server reaches it, by the same association.
carried() {
	local port
	port=$(route "$1" port)
	mark cloud "$1"
	tell "$1" update
	want cloud "^updated $1 /rd/.* from ${WAN//./\\.}:$port " 30
	want "$1" '^updated '
	asks cloud "read $1 /3/0/2" "^read $1 /3/0/2 2\\.05 \"$1\"\$"
	same "$(route "$1" device)/$(route "$1" called)/$(route "$1" captured)/$(route "$1" port)" \
		"192.0.2.11:40001/198.51.100.10/true/$port" "row of $1"
	claim "$2"
}

intercept_begin intercept-links
netns_add dev2
bridge
for name in all default br-lan; do at gw sysctl -qw net.ipv4.conf.$name.rp_filter=0; done
psk one two narrow >"$WORK/psk"
server_start cloud openssl --coaps 198.51.100.10 --psk "$WORK/psk"
relay_conf
section gateway main log_level debug
section server cloud uri coaps://198.51.100.10
section listen lan +interface br-lan +interface lan.7 intercept 1 coaps 0
endpoint one
endpoint two
relay_start
want relay "listen 'lan' waits for interface lan\\.7, which is not there"
want relay 'capture: UDP 5683.* from br-lan, lan\.7 is captured'
client dev one
carried one 'a bridge is captured, though another interface is missing, which is told'
vlan
want relay "listen: section 'lan' listens on .* of lan\\.7\$"
client dev2 two
carried two 'the VLAN is captured when it comes'
carried one 'a device there may have the address of one at the bridge'
at gw ip link del br-lan
bridge
want relay "listen: section 'lan' listens on .* of br-lan again\$"
asks cloud 'read one /3/0/2' '^read one /3/0/2 2\.05 "one"$'
claim 'a bridge that was made again: the server reaches the device there'
carried one 'and the device reaches the server, by the flow of before'
carried two 'that of the other interface too'
at gw ip link del lan.7
mark relay
vlan
want relay "listen: section 'lan' listens on .* of lan\\.7 again\$"
carried two 'so is a VLAN that was made again'
WAN=198.51.100.77
at gw ip addr del 198.51.100.1/24 dev wan0
netns_address gw wan0 $WAN/24
carried one 'another WAN address: the flow goes on, from the same port'
carried two 'and the other one'
relay_stop
pass
