#!/bin/bash
# Claim: the room dtls agrees with other libraries on certificates and raw public keys, in both roles, with
# each suite, and each side refuses whom it does not know. OpenSSL: X.509, and with a small MTU;
# libcoap on GnuTLS: X.509 and RFC 7250.
#   dtls-client ---- lo ---- openssl s_server, coap-server-gnutls
#   openssl s_client, coap-client-gnutls ---- lo ---- dtls-server
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
set -u

PKI=$BUILD/tests/pki
NAME=lwm2m.example.org
SUITES='CCM8:AES_128_CCM_8 SHA256:AES_128_CBC_SHA256 CCM:AES_128_CCM GCM-SHA256:AES_128_GCM_SHA256'
WITH_KEY="--rpk $PKI/device.key $PKI/server.pub"
WITH_CERT="--x509 $PKI/device-inter.pem $PKI/device.key $PKI/ca.pem $NAME"

# call WORDS..: our client to a server; its words are in $WORK/said.
call() {
	# shellcheck disable=SC2086 # lists of words
	at here timeout 15 "$BUILD/tests/dtls-client" "$@" >"$WORK/said" 2>&1
}
said() { grep -qaE "$1" "$WORK/said" || fail "$2: $(tr '\n' ';' <"$WORK/said")"; }

# openssl_server SUITE CERT KEY WORDS..
openssl_server() {
	local suite=$1 cert=$2 key=$3
	shift 3
	run here server openssl s_server -dtls1_2 -accept 127.0.0.1:7000 -cipher "$suite:@SECLEVEL=0" \
		-cert "$PKI/$cert" -cert_chain "$PKI/inter.pem" -key "$PKI/$key" \
		-CAfile "$PKI/both.pem" -Verify 3 -verify_return_error "$@"
	want server '^ACCEPT'
}

# talk SUITE: our client and the server say something to each other.
talk() {
	# shellcheck disable=SC2086 # a list of words
	run here client "$BUILD/tests/dtls-client" $WITH_CERT 127.0.0.1 7000 hello-from-us
	want client "^established: $1,"
	want server 'hello-from-us'
	tell server 'hello-from-them'
	want client '^data, .*hello-from-them'
	stop client
	mark client
}

openssl_client() { # SUITE WORDS..
	local suite=$1
	shift
	(echo hello && sleep 1) | at here timeout 15 openssl s_client -dtls1_2 -connect 127.0.0.1:7001 \
		-cipher "$suite:@SECLEVEL=0" -CAfile "$PKI/ca.pem" -verify_return_error \
		-verify_hostname "$NAME" "$@" >"$WORK/said" 2>&1
}

our_server() {
	run here server "$BUILD/tests/dtls-server" "$@" 7001 meter17 0011
	want server '^ready'
}

coap() { # WORDS..: libcoap's client to our server, which echoes what it gets
	at here timeout 5 coap-client-gnutls -B 2 -v 3 "$@" -m get coaps://127.0.0.1:7001/x \
		>"$WORK/said" 2>&1
}

netns_begin certificates
netns_add here
[ -e "$PKI/ready" ] || fail "$PKI is not made"

for s in $SUITES; do
	openssl_server "ECDHE-ECDSA-AES128-${s%:*}" server-alone.pem server.key
	talk "TLS_ECDHE_ECDSA_WITH_${s#*:}"
	stop server KILL
done
openssl_server ECDHE-RSA-AES128-GCM-SHA256 server-rsa.pem rsa.key
talk TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
stop server KILL
openssl_server ECDHE-ECDSA-AES128-CCM8 server-alone.pem server.key -mtu 300
talk TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
call --x509 "$PKI/device-inter.pem" "$PKI/device.key" "$PKI/ca.pem" other.example.org 127.0.0.1 7000 x
said '^alert .*fault 6' 'a wrong name'
call --x509 "$PKI/device-inter.pem" "$PKI/device.key" "$PKI/oldca.pem" "$NAME" 127.0.0.1 7000 x
said '^alert .*fault 3' 'a wrong CA'
call --x509 "$PKI/device-self.pem" "$PKI/device.key" "$PKI/ca.pem" "$NAME" 127.0.0.1 7000 x
said '^alert [0-9]*, fault 0' 'a server that refuses us'
# shellcheck disable=SC2086
call $WITH_KEY 127.0.0.1 7000 x
said '^alert .*fault [13]' 'a server without raw keys'
stop server KILL
echo '     to openssl s_server'

our_server --pair "$PKI/server-inter.pem" "$PKI/server.key" --ca "$PKI/ca.pem" --device "$PKI/device.pub"
for s in $SUITES; do
	mark server
	openssl_client "ECDHE-ECDSA-AES128-${s%:*}" -cert "$PKI/device.pem" -key "$PKI/device.key"
	want server "^established: , TLS_ECDHE_ECDSA_WITH_${s#*:},"
	want server '^name 0: urn:dev:os:meter17'
	want server '^data: 6 bytes.*hello'
done
mark server
openssl_client ECDHE-ECDSA-AES128-CCM8 -mtu 300 -cert "$PKI/device-alone.pem" \
	-cert_chain "$PKI/inter.pem" -key "$PKI/device.key"
want server '^data: 6 bytes.*hello'
mark server
openssl_client ECDHE-ECDSA-AES128-CCM8
want server '^event 4, alert [0-9]+, fault 1'
openssl_client ECDHE-ECDSA-AES128-CCM8 -cert "$PKI/device-self.pem" -key "$PKI/device.key"
want server '^event 4, alert [0-9]+, fault 3'
openssl_client ECDHE-ECDSA-AES128-CCM8 -cert "$PKI/device-wronguse.pem" -key "$PKI/device.key"
want server '^event 4, alert [0-9]+, fault 7'
openssl_client ECDHE-ECDSA-AES128-CCM8 -curves secp224r1 -cert "$PKI/device.pem" \
	-key "$PKI/device.key"
absent server '^established' || fail 'a stranger came in'
openssl_client PSK-AES128-CCM8 -psk 0011 -psk_identity meter17
want server '^established: meter17, TLS_PSK_WITH_AES_128_CCM_8'
echo '     from openssl s_client'

mark server
coap -M "$PKI/device.key"
want server '^security 1, key of 91 bytes'
mark server
coap -c "$PKI/device-inter.pem" -j "$PKI/device.key" -C "$PKI/ca.pem"
want server '^security 2, key of 91 bytes'
mark server
coap -M "$PKI/other.key"
want server '^event 4, alert [0-9]+, fault 8'
absent server '^established' || fail 'a stranger came in'
stop server
our_server --pair - "$PKI/server.key" --device "$PKI/device.pub"
coap -M "$PKI/device.key"
want server '^security 1, key of 91 bytes'
stop server
echo '     from coap-client-gnutls'

run here server coap-server-gnutls -A 127.0.0.1 -p 7010 -M "$PKI/server.key" -v 6
eventually 10 call --rpk "$PKI/device.key" "$PKI/server.pub" 127.0.0.1 7011
said '^established' 'raw keys'
said '^data' 'raw keys'
call --rpk "$PKI/device.key" "$PKI/other.pub" 127.0.0.1 7011
said '^alert .*fault 8' 'an unknown raw key'
stop server
run here server coap-server-gnutls -A 127.0.0.1 -p 7010 -c "$PKI/server-inter.pem" -j "$PKI/server.key" \
	-C "$PKI/ca.pem" -v 6
# shellcheck disable=SC2086
eventually 10 call $WITH_CERT 127.0.0.1 7011
said '^data' 'X.509'
stop server
echo '     to coap-server-gnutls'
pass
