#!/bin/bash
# Claim: devices come in with raw public keys that an endpoint's lan_public_key_file holds; a key that
# nobody has is refused with a log line, another's name with 4.00; the device that wants another
# gateway's key goes away. The server hears of none of them.
#   dev (lwm2m-device, GnuTLS) ---- gw (relay) ---- srv (lwm2m-server, PSK)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/certs.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

netns_begin lan-rpk
netns_three
certs_begin "$WORK/certs"
raw_key gateway one two stranger
psk one two >"$WORK/psk"
server_start server openssl --psk "$WORK/psk"
relay_conf
section gateway main log_level debug
section server cloud uri coaps://$SERVER
section listen lan interface lan0 server cloud private_key_file "$CERTS/gateway.key"
for ep in one two; do endpoint "$ep" cloud lan_public_key_file "$CERTS/$ep.pub"; done
relay_start
secure one gnutls rpk one --bind 192.0.2.11:40001
want server '^registered one /rd/'
want relay 'lan: one: secure session from 192\.0\.2\.11:40001, TLS_ECDHE_ECDSA_'
asks server 'read one /3/0/2' '^read one /3/0/2 2\.05 "one"$'
asks server 'write-block one /5/0/0 8192' '^write-block one /5/0/0 2\.04 8192 bytes'
tell one 'send 3000'
want server '^send one 3000 bytes '
mark_all
secure stranger gnutls rpk
want relay 'lan: .*refused: its raw public key is not one of the configuration'
[ "$(counted device_unknown)" -ge 1 ] || fail 'an unknown raw key is not counted'
want stranger '^(failed register|session (closed|error))'
secure two gnutls rpk one
want two '^failed register 4\.00'
stop two
CALLED_NAME=stranger
secure two gnutls rpk
want two '^refused server with another key$'
stop two
device two 192.0.2.13
want two '^failed register 4\.03'
absent server '(registered|refused|handshake)' || fail "the server heard of it: $SEEN"
tell one 'rebind 40021' update
want server '^updated one '
relay_stop
pass
