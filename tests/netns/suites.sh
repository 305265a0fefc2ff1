#!/bin/bash
# Claim: the suite is the first of the LwM2M transport specification that the server has, and each
# carries messages both ways unchanged; the server without any of them gets an alert, not a session.
#   dev (rawudp) ---- gw (lwgated) ---- srv (openssl s_server, rawdtls, both with one suite or more)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

FROM='^192\.0\.2\.1:5683'
REGISTER=$(coap con 0.02 7 a1b2 '/rd?ep=one&lt=60' '</3/0>')

configure() {
	relay_conf
	section server cloud uri "$1" handshake_timeout 5
	section listen lan interface lan0 coaps 0
	section endpoint - name one server cloud identity id-one key "$KEY"
}

agreed() {
	eventually 10 is 'route one suite' = "$1" || fail "agreed was $(route one suite), not $1"
}

# s_server prints what it gets and sends what it reads: a CON 2.05 "@Eab", payload with a line's end.
by_s_server() {
	local uri=$1 cipher=$2 suite=$3 family=$4
	configure "$uri"
	run srv s_server openssl s_server "$family" -dtls1_2 -listen -accept 5684 -nocert -psk "$KEY" \
		-psk_identity id-one -cipher "$cipher"
	want s_server '^ACCEPT'
	relay_start
	mark raw s_server
	tell raw "$REGISTER"
	want s_server '</3/0>'
	agreed "$suite"
	tell s_server $'@Eab\xffhello'
	want raw "$FROM 40456162ff68656c6c6f0a$"
	relay_stop
	stop s_server
	mark_all
	echo "     $uri, s_server, $cipher"
}

by_rawdtls() {
	local ciphers=$1 suite=$2
	configure coaps://198.51.100.10
	run srv rawdtls "$BUILD/tests/rawdtls" 198.51.100.10:5684 id-one "$KEY" "$ciphers"
	want rawdtls '^ready'
	relay_start
	mark raw
	tell raw "$REGISTER"
	want rawdtls "^record $REGISTER\$"
	agreed "$suite"
	tell rawdtls 62410007a1b28272640131
	want raw "$FROM 62410007a1b28272640131$"
	relay_stop
	want rawdtls '^closed'
	stop rawdtls
	mark_all
	echo "     rawdtls, $ciphers"
}

none_in_common() {
	configure coaps://198.51.100.10
	run srv rawdtls "$BUILD/tests/rawdtls" 198.51.100.10:5684 id-one "$KEY" PSK-AES256-GCM-SHA384
	want rawdtls '^ready'
	relay_start
	mark raw
	tell raw "$REGISTER"
	want rawdtls '^handshake failed'
	want relay 'no association with cloud.*(alert|handshake)'
	is 'route one state' != up || fail 'the association is up without a suite'
	[ "$(counted answers)" = 0 ] || fail 'the Register was answered by the relay'
	absent raw "$FROM" || fail "the device got $SEEN"
	relay_stop
	stop rawdtls
	echo '     rawdtls, no suite in common'
}

netns_begin suites
netns_three
run dev raw "$BUILD/tests/rawudp" 192.0.2.11:40002 192.0.2.1:5683
want raw ready
by_s_server coaps://198.51.100.10 PSK-AES128-CCM8 TLS_PSK_WITH_AES_128_CCM_8 -4
by_s_server 'coaps://[2001:db8:2::10]' PSK-AES128-CBC-SHA256 TLS_PSK_WITH_AES_128_CBC_SHA256 -6
by_s_server 'coaps://[2001:db8:2::10]' PSK TLS_PSK_WITH_AES_128_CCM_8 -6
by_rawdtls PSK-AES128-GCM-SHA256 TLS_PSK_WITH_AES_128_GCM_SHA256
by_rawdtls PSK-AES128-CCM TLS_PSK_WITH_AES_128_CCM
by_rawdtls PSK-AES128-CCM:PSK-AES128-CBC-SHA256 TLS_PSK_WITH_AES_128_CBC_SHA256
none_in_common
pass
