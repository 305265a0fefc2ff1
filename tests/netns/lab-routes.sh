#!/bin/bash
# Claim: the lab stands; a CoAP exchange of the device with the server goes through the gateway, with
# IPv4 and IPv6, and no other way exists.
#   dev (coap-client) ---- gw (forwards) ---- srv (coap-server)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
set -u

answers() { at dev coap-client-notls -B "$2" "coap://$1/" 2>&1 | grep -q 'test server'; }

netns_begin lab-routes
netns_three
at gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
run srv server coap-server-notls
for host in 198.51.100.10 '[2001:db8:2::10]'; do
	eventually 10 answers "$host" 1 || fail "no answer from $host"
done
at gw sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
for host in 198.51.100.10 '[2001:db8:2::10]'; do
	answers "$host" 1 && fail "$host answers without the gateway"
done
pass
