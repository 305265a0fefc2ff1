#!/bin/bash
# Claim: with a wrong key or an identity that the server does not know, the device gets no error from
# the relay, the log names the endpoint and the server, handshakes back off; when the configuration
# is mended and read again the device gets in by itself. Against both TLS libraries.
#   dev (lwm2m-device) ---- gw (lwgated) ---- srv (lwm2m-server: openssl, gnutls)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

WRONG=ffffffffffffffffffffffffffffffff

configure() {
	rm -f "$WORK/lwgate.conf"
	section server cloud uri coaps://198.51.100.10 handshake_timeout 2
	section listen lan interface lan0 coaps 0
	section endpoint - name one server cloud identity "$1" key "$2"
	section endpoint - name two server cloud identity id-two key "$KEY"
}

# shut_out BUILD IDENTITY KEY SERVER-SAYS
shut_out() {
	local build=$1
	relay_conf
	configure "$2" "$3"
	run srv server "$BUILD/tests/lwm2m-server-$build" --psk "$WORK/psk"
	want server '^ready$'
	relay_start
	run dev one "$BUILD/tests/lwm2m-device-notls" --ep one --bind 192.0.2.11:40001 --retry 1 \
		--server coap://192.0.2.1
	want relay 'one.*no association with cloud at 198\.51\.100\.10:5684'
	[ -z "$4" ] || want server "$4"
	eventually 20 is 'counted handshakes_failed' -ge 2 || fail 'the relay does not try again'
	# Without a pause there would be hundreds by now, and the log full of them; it tells ever fewer.
	is 'counted handshakes' -le 8 || fail "$(counted handshakes) handshakes"
	is 'count relay "one.*no association"' -le 3 || fail 'the log says it again and again'
	run dev two "$BUILD/tests/lwm2m-device-notls" --ep two --bind 192.0.2.12:40001 \
		--server coap://192.0.2.1
	want server '^registered two '
	absent one '^registered|^failed register [2345]\.' || fail "one got an answer: $SEEN"
	absent server '^(registered|refused register) one' || fail "one came to the server: $SEEN"
	[ "$(counted answers)" = 0 ] || fail 'the relay gave an answer of its own'
	mark relay
	configure id-one "$KEY"
	relay_reload
	want server '^registered one ' 40
	want one '^registered '
	want relay 'one: secure session with cloud'
	stop one
	stop two
	want server '^deregistered one '
	relay_stop
	stop server
	mark_all
	echo "     $build, $2 with $3"
}

netns_begin keys
netns_three
printf '%s\n' "id-one $KEY one" "id-two $KEY two" >"$WORK/psk"
shut_out openssl id-one $WRONG ''
shut_out gnutls id-one $WRONG ''
shut_out openssl nobody "$KEY" '^unknown-identity nobody'
shut_out gnutls nobody "$KEY" '^unknown-identity nobody'
pass
