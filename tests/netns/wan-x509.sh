#!/bin/bash
# Claim: the relay proves itself to the server with the endpoint's certificate, wants the server's to be
# of the configured CA and for the configured name, in date; else there is no association, and one
# clear line says why. OpenSSL and GnuTLS servers; CN and URI as the endpoint's name.
#   dev (lwm2m-device, plain CoAP) ---- gw (relay, certificates) ---- srv (lwm2m-server)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/certs.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

URN=urn:dev:os:7
NAME=lwm2m.example.org

# configure SERVER-NAME CA: one server, three endpoints with certificates.
configure() {
	local ep
	relay_conf
	section gateway main log_level debug
	section server cloud uri coaps://$SERVER security x509 server_name "$1" \
		ca_file "$CERTS/$2.pem" handshake_timeout 5
	section listen lan interface lan0 coaps 0 server cloud
	for ep in one $URN stranger; do
		section endpoint - name "$ep" server cloud cert_file "$CERTS/${ep//:/-}.pem" \
			private_key_file "$CERTS/${ep//:/-}.key"
	done
}

# served TLS: by a server with a good certificate, which knows the endpoints by theirs.
served() {
	local ep
	server_args x509
	server_start server "$1" "${ARGS[@]}"
	configure $NAME ca
	relay_start
	for ep in one $URN; do
		device "$ep" 192.0.2.11
		want server "^registered $ep /rd/[0-9]+ .* via coaps"
		asks server "read $ep /3/0/2" "^read $ep /3/0/2 2\\.05 \"$ep\"\$"
		asks server "write-block $ep /5/0/0 8192" "^write-block $ep /5/0/0 2\\.04 8192 bytes"
		tell "$ep" 'send 3000'
		want server "^send $ep 3000 bytes "
	done
	grep -q '^handshake one from ' "$WORK/server.log" || fail 'the server does not know the CN'
	case $(route one suite) in TLS_ECDHE_ECDSA_*) ;; *) fail "suite $(route one suite)" ;; esac
	# The server does not take a certificate of another CA.
	device stranger 192.0.2.12
	want relay 'stranger: no association with cloud'
	absent server '^registered stranger' || fail "$SEEN"
	stop one
	stop $URN
	stop stranger
	relay_stop
	stop server
	mark_all
	echo "     served by $1"
}

# refused TLS CERTIFICATE SERVER-NAME CA ERE: no association, for that reason.
refused() {
	server_args x509 "$2"
	server_start server "$1" "${ARGS[@]}"
	configure "$3" "$4"
	relay_start
	device one 192.0.2.11
	want relay "no association with cloud.*$5"
	absent server '^registered' || fail "the server $2 is believed: $SEEN"
	[ "$(route one state)" != up ] || fail "the association with $2 is up"
	stop one KILL
	relay_stop
	stop server
	mark_all
	echo "     refused, $1: $2 as $3 under $4"
}

netns_begin wan-x509
netns_three
certs_begin "$WORK/certs"
cert server $NAME DNS:$NAME,IP:$SERVER
cert cn-only $NAME
cert other-name else.example.org DNS:else.example.org
cert_of ca expired $NAME DNS:$NAME 20000101000000Z 20010101000000Z
cert_of ca unripe $NAME DNS:$NAME 20900101000000Z 20910101000000Z
cert_of stranger-ca unknown $NAME DNS:$NAME 20200101000000Z 20891231000000Z
cert one
cert urn-dev-os-7 'serial 7' URI:$URN
strangers stranger
served openssl
served gnutls
refused openssl other-name $NAME ca 'for another name'
refused openssl server else.example.org ca 'for another name'
refused gnutls expired $NAME ca 'has expired'
refused openssl unripe $NAME ca 'not valid yet'
refused openssl unknown $NAME ca 'no certificate of the ca_file'
refused gnutls server $NAME stranger-ca 'no certificate of the ca_file'
pass
