#!/bin/bash
# Claim: devices that were set up with their servers' own addresses, plain and with DTLS, over IPv4 and IPv6,
# are carried by the relay without knowing it: they register, are read, observed and written to, and hear
# only the address that they called. The called address decides which of two servers is meant; a device
# with both has two flows, also from one port. What calls the gateway itself is served as ever.
#   dev (lwm2m-device) ---- gw (relay, interception) ---- srv (lwm2m-server cloud .10, field .20)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

intercept_begin intercept
intercept_servers
intercept_conf coap 5683
for ep in four six both; do endpoint "$ep"; done
endpoint both field
for ep in dtls4 dtls6; do
	endpoint "$ep" cloud lan_identity "id-lan-$ep" lan_key "$(key_of "lan-$ep")"
done
endpoint own
relay_start
want relay 'capture: UDP 5683 5684 from lan0 is captured'
calling 198.51.100.10
device four 192.0.2.11
carried cloud four 198.51.100.10
calling '[2001:db8:2::10]'
device six '[2001:db8:1::11]'
carried cloud six 2001:db8:2::10
calling 198.51.100.10
secure dtls4 openssl psk lan-dtls4 --bind 192.0.2.11:40001
carried cloud dtls4 198.51.100.10
calling '[2001:db8:2::10]'
secure dtls6 gnutls psk lan-dtls6 --bind '[2001:db8:1::11]:40001'
carried cloud dtls6 2001:db8:2::10
calling 192.0.2.1
device own 192.0.2.13
want cloud '^registered own /rd/'
eventually 5 is 'route own captured' = false || fail 'own was taken for captured'
operations cloud own
claim 'own calls the gateway, and is served as ever'
pass
