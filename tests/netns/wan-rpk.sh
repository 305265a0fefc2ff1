#!/bin/bash
# Claim: the relay proves itself to the server with the endpoint's raw key and wants the server to have
# the configured one: another one is refused with a line that says so, and a server that does not know
# the endpoint's key ends the handshake.
#   dev (lwm2m-device, plain CoAP) ---- gw (relay, raw keys) ---- srv (lwm2m-server, GnuTLS)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/certs.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

# begin SERVER-KEY: the server with that key, and the relay, which wants that of server.
begin() {
	local ep
	server_args rpk "$1"
	server_start server gnutls "${ARGS[@]}"
	relay_conf
	section gateway main log_level debug
	section server cloud uri coaps://$SERVER security rpk server_key_file "$CERTS/server.pub" \
		handshake_timeout 5
	section listen lan interface lan0 coaps 0 server cloud
	for ep in one stranger; do
		section endpoint - name "$ep" server cloud private_key_file "$CERTS/$ep.key"
	done
	relay_start
}

netns_begin wan-rpk
netns_three
certs_begin "$WORK/certs"
raw_key server one stranger
echo "one $CERTS/one.pub" >"$WORK/clients"
begin server
device one 192.0.2.11
want server '^registered one /rd/[0-9]+ .* via coaps'
seen server '^handshake one from ' || fail 'the server does not know the raw key'
asks server 'read one /3/0/2' '^read one /3/0/2 2\.05 "one"$'
asks server 'write-block one /5/0/0 65536' '^write-block one /5/0/0 2\.04 65536 bytes'
tell one 'send 3000'
want server '^send one 3000 bytes '
case $(route one suite) in TLS_ECDHE_ECDSA_*) ;; *) fail "suite $(route one suite)" ;; esac
device stranger 192.0.2.12
want server '^unknown-identity raw key '
want relay 'no association with cloud'
stop one
stop stranger KILL
relay_stop
stop server
mark_all
begin stranger
device one 192.0.2.11
want relay 'no association with cloud.*raw public key is not one of the configuration'
absent server '^registered' || fail "a server with another key is believed: $SEEN"
stop one KILL
relay_stop
pass
