#!/bin/bash
# Claim: devices come in with certificates of the listener's CA; the endpoint is the subject's CN, or a
# URI among its alternative names. Another CA's certificate and one that has expired or is not yet
# valid are refused with a line that says why, another's name with 4.00, a name that no section has with
# 4.03; the server hears of none. A device that refuses the gateway's certificate is told of, and so is
# one of the gateway's that has expired.
#   dev (lwm2m-device: OpenSSL, GnuTLS) ---- gw (relay) ---- srv (lwm2m-server, PSK)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/certs.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

URN=urn:dev:os:7

served() {
	local ep
	secure one openssl x509 one --bind 192.0.2.11:40001 --server-name gateway.example.org
	secure $URN gnutls x509 san --bind 192.0.2.12:40002 --server-name gateway.example.org
	for ep in one $URN; do
		want server "^registered $ep /rd/"
		want relay "lan: $ep: secure session from .*, TLS_ECDHE_ECDSA_"
	done
	for ep in one $URN; do
		asks server "read $ep /3/0/2" "^read $ep /3/0/2 2\\.05 \"$ep\"\$"
		asks server "write-block $ep /5/0/0 8192" "^write-block $ep /5/0/0 2\\.04 8192 bytes"
		tell "$ep" 'send 3000'
		want server "^send $ep 3000 bytes "
	done
}

# refused NAME TLS ERE: the device with that certificate does not get in, and the log says why.
refused() {
	mark relay
	secure "$1" "$2" x509
	want relay "lan: .*refused: .*$3"
	want "$1" '^(failed register|session (closed|error))'
	stop "$1"
}

# A device that trusts another CA. An alert in plaintext is believed after a second.
refuses_us() {
	stop nobody
	mark relay
	secure nobody openssl x509 nobody --ca "$CERTS/stranger-ca.pem"
	want relay 'lan: the device at 192.0.2.* refused us: it does not know the CA of our certificate'
	stop nobody
}

old_certificate() {
	mark relay
	cp "$CERTS/expired.pem" "$CERTS/gateway.pem"
	cp "$CERTS/expired.key" "$CERTS/gateway.key"
	relay_reload
	want relay "lwgate.conf:[0-9]*: listen 'lan': its certificate has expired"
}

netns_begin lan-x509
netns_three
certs_begin "$WORK/certs"
cert gateway gateway.example.org DNS:gateway.example.org,IP:$GATEWAY
cert one
cert nobody
cert san 'serial 7' URI:$URN
expired expired
unripe unripe
strangers stranger
psk one two $URN >"$WORK/psk"
server_start server openssl --psk "$WORK/psk"
relay_conf
section gateway main log_level debug
section server cloud uri coaps://$SERVER
section listen lan interface lan0 server cloud cert_file "$CERTS/gateway.pem" \
	private_key_file "$CERTS/gateway.key" ca_file "$CERTS/ca.pem"
for ep in one two $URN expired unripe stranger; do endpoint "$ep"; done
relay_start
served
mark server
refused expired openssl 'certificate has expired'
refused unripe gnutls 'certificate is not valid yet'
refused stranger openssl 'no certificate of the ca_file'
refused stranger gnutls 'no certificate of the ca_file'
secure nobody openssl x509
want relay 'lan: .*refused: its certificate is good, but no section names that endpoint'
want nobody '^failed register 4\.03'
[ "$(counted device_bad_certificate)" -ge 4 ] || fail 'bad certificates are not counted'
[ "$(counted device_unknown)" -ge 1 ] || fail 'an endpoint of no section is not counted'
secure two openssl x509 one
want two '^failed register 4\.00'
absent server '(registered|refused|handshake)' || fail "the server heard of it: $SEEN"
refuses_us
tell one 'rebind 40021' update
want server '^updated one '
relay_stop
relay_start
want server '^(updated|registered) one ' 60
want server "^(updated|registered) $URN " 60
old_certificate
relay_stop
pass
