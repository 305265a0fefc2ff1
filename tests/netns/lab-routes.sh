#!/bin/sh
# Claim: the lab stands; a CoAP exchange of the device with the server goes through the gateway, with
# IPv4 and IPv6, and no other way exists.
#   dev (coap-client) ---- gw (forwards) ---- srv (coap-server)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab"
lab_up

in_ns srv coap-server-notls >/run/server.log 2>&1 &
for host in 10.9.2.2 '[fd09:2::2]'; do
	await 10 "the server at $host" in_ns dev coap-client-notls -B 1 "coap://$host/"
	in_ns dev coap-client-notls -B 5 "coap://$host/" | grep -q 'test server' ||
		die "no answer from $host"
done

in_ns gw sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward
	echo 0 >/proc/sys/net/ipv6/conf/all/forwarding'
for host in 10.9.2.2 '[fd09:2::2]'; do
	in_ns dev coap-client-notls -B 1 "coap://$host/" 2>&1 | grep 'test server' &&
		die "$host answers without the gateway"
done
exit 0
