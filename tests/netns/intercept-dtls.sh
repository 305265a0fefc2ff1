#!/bin/bash
# Claim: DTLS that was meant for the server's own address is served as DTLS that calls the gateway is:
# certificates that name the servers, raw public keys, connection ids, DTLS 1.3. Records of an opaque endpoint
# pass byte by byte, so that a device and its server keep their session over a restart of the relay and over a
# move of the device; each other server that such a device calls is served with a session of ours.
#   dev (lwm2m-device, rawdevice, mbed-client) ---- gw (relay, interception) ---- srv (lwm2m-server cloud .10,
#                                                                                  mbed-server .10:5685)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/certs.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

MID=16
HELD=20 # seconds that a move may take to hold: it is tried for 10
CLOUD=198.51.100.10

configure() { # [OPTION VALUE].. of the listener
	local ep
	rm -f "$WORK/lwgate.conf"
	section gateway main log_level debug
	section server cloud uri coaps://$CLOUD
	section server mbed uri coaps://198.51.100.10:5685
	section listen lan interface lan0 intercept 1 cert_file "$CERTS/gateway.pem" \
		private_key_file "$CERTS/gateway.key" ca_file "$CERTS/ca.pem" "$@"
	for ep in ossl gtls; do endpoint $ep; done
	endpoint rpk cloud lan_public_key_file "$CERTS/rpk.pub"
	endpoint own cloud lan_identity id-lan-own lan_key "$(key_of lan-own)"
	section endpoint - name opaque server cloud mode opaque address 192.0.2.13
	section endpoint - name moving server mbed mode opaque address 192.0.2.11
}

# served SERVER EP: read and written to, by the address that it called.
served() {
	asks "$1" "read $2 /3/0/2" "^read $2 /3/0/2 2\\.05 \"$2\"\$"
	asks "$1" "write-block $2 /5/0/0 8192" "^write-block $2 /5/0/0 2\\.04 8192 bytes"
	tell "$2" 'send 3000'
	want "$1" "^send $2 3000 bytes "
	same "$(route "$2" called)/$(route "$2" captured)" "$CLOUD/true" "whom $2 calls"
}

certificates() {
	secure ossl openssl x509 ossl --bind 192.0.2.11:40001 --server-name cloud.example
	secure gtls gnutls x509 gtls --bind 192.0.2.12:40002 --server-name cloud.example
	secure rpk gnutls rpk rpk --bind 192.0.2.12:40003
	for ep in ossl gtls rpk; do want cloud "^registered $ep /rd/"; done
	for ep in ossl gtls rpk; do served cloud $ep; done
	claim 'certificates on two libraries, and raw keys: the gateway stands in for the server'
}

own() { # TYPE CODE TOKEN PATH [PAYLOAD]
	MID=$((MID + 1))
	tell own "$(coap "$1" "$2" $MID "${@:3}")" || fail 'the device has ended'
}

# The server's Read reaches the device, which answers as one would.
reached() {
	local ask
	mark own cloud
	tell cloud 'read own /3/0/2'
	want own '^record 4801'
	ask=${SEEN#record }
	tell own "6845${ask:4:20}ff$(text_hex own)"
	want cloud '^read own /3/0/2 2\.05 "own"$'
	same "$(route own called)/$(route own captured)" "$CLOUD/true" 'whom own calls'
}

# registers [rawdevice's options]
registers() {
	run dev own "$BUILD/tests/rawdevice" "$@" 192.0.2.12:40004 $CLOUD:5684 psk id-lan-own \
		"$(key_of lan-own)"
	want own '^handshake TLS_.* cid 8$'
	own con 0.02 a1 '/rd?ep=own&lt=600&lwm2m=1.1&b=U' '</3/0>'
	want own "^record $(coap ack 2.01 $MID a1)"
	reached
}

moves() {
	local handshakes location port
	handshakes=$(counted device_handshakes) port=$(route own port) location=$(route own location)
	mark_all
	tell own 'port 40014'
	own con 0.02 a2 "$location"
	want own "^record $(coap ack 2.04 $MID a2)"
	want cloud "^updated own $location .* from 198\\.51\\.100\\.1:$port "
	reached
	same "$(route own device)" 192.0.2.12:40014 'where own is'
	same "$(counted device_handshakes)" "$handshakes" 'handshakes'
}

# shellcheck disable=SC2317 # soon calls it
# same_records WAY: what went that way on the LAN is what went that way on the WAN, in that order.
same_records() {
	grep "^$1 " "$WORK/lan.log" >"$WORK/lan.$1"
	grep "^$1 " "$WORK/wan.log" >"$WORK/wan.$1"
	[ -s "$WORK/lan.$1" ] && cmp -s "$WORK/lan.$1" "$WORK/wan.$1"
}

untouched() {
	run gw lan "$BUILD/tests/udptap" lan0 5684
	run gw wan "$BUILD/tests/udptap" wan0 5684
	want lan '^ready$'
	want wan '^ready$'
	device_args psk opaque
	run dev opaque "$BUILD/tests/lwm2m-device-openssl" --ep opaque --bind 192.0.2.13:40005 \
		--server coaps://$CLOUD --lifetime 300 "${ARGS[@]}"
	want cloud '^registered opaque /rd/'
	served cloud opaque
	soon 'the same records go up on both sides' same_records to
	soon 'the same records go down on both sides' same_records from
	same "$(route opaque mode)/$(counted device_handshakes)" opaque/0 'mode, and handshakes of ours'
	stop lan
	stop wan
	claim "opaque: $(wc -l <"$WORK/lan.to") records up and $(wc -l <"$WORK/lan.from") down are the same"
	run srv mbed "$BUILD/tests/mbed-server" 5685 id-moving "$KEY" 6 TLS-PSK-WITH-AES-128-CCM-8
	want mbed '^ready$'
	run dev moving "$BUILD/tests/mbed-client" 198.51.100.10 5685 id-moving "$KEY" 4
	want moving '^established .*, cid of theirs 6, of ours 4$'
	tell moving 'send first'
	want moving '^data first$'
	same "$(route moving called)/$(route moving captured)" 198.51.100.10/true 'whom moving calls'
}

opaque_moves() {
	local moved
	mark_all
	tell moving rebind
	want moving '^port [0-9]+$'
	moved=${SEEN#port }
	tell moving 'send second'
	want moving '^data second$'
	eventually "$HELD" is 'route moving device' = "192.0.2.11:$moved" ||
		fail "moving is at $(route moving device), not at $moved"
	absent mbed '^(established|comes again)' || fail "the server met another: $SEEN"
	claim 'opaque: a device with a connection id moves without a handshake'
}

# shellcheck disable=SC2317 # soon calls it
saved() { grep -q "\"$1\".*$(route "$1" port).*$(route "$1" device).*\"calls\"" "$WORK/state/routes.json"; }

# What the ends of opaque flows have said of sessions that begin or end.
sessions() {
	(cd "$WORK" && grep -aE '^(handshake id-opaque|closed id-opaque)' cloud.log
		grep -aE '^(handshake|established|comes again|closed|session closed)' mbed.log opaque.log moving.log)
}

survives() { # SIGNAL
	local before name
	for name in opaque moving; do soon "$name is saved" saved $name; done
	before=$(sessions)
	mark_all
	stop relay "$1"
	relay_start
	asks cloud 'read opaque /3/0/2' '^read opaque /3/0/2 2\.05 "opaque"$' # the server speaks first
	tell opaque update
	want cloud '^updated opaque '
	tell moving "send after-$1"
	want moving "^data after-$1"
	same "$(sessions)" "$before" 'sessions'
	claim "opaque: sessions survive a restart after SIG$1"
}

again() {
	local port
	port=$(route own port)
	mark_all
	tell own handshake
	want own '^handshake TLS_'
	own con 0.02 a3 "$(route own location)"
	want own "^record $(coap ack 2.04 $MID a3)" 45 # the server may hold a session of before
	reached
	claim 'a device of ours shakes hands anew after it, and keeps its flow'
}

intercept_begin intercept-dtls
certs_begin "$WORK/certs"
cert gateway gateway.example.org DNS:cloud.example,DNS:field.example,IP:$CLOUD
for ep in ossl gtls; do cert $ep; done
raw_key rpk
openssl ec -in "$CERTS/gateway.key" -pubout -out "$CERTS/gateway.pub" 2>/dev/null
psk ossl gtls rpk own opaque >"$WORK/psk"
server_start cloud openssl --coaps $CLOUD --psk "$WORK/psk"
relay_conf
configure
relay_start
calling $CLOUD
untouched
certificates
registers
moves
claim 'a device that moves with its connection id is followed'
opaque_moves
survives TERM
again
for ep in own ossl gtls rpk; do stop $ep KILL; done
mark own
configure dtls 1.3
relay_reload
registers --dtls 1.3
moves
claim 'DTLS 1.3, moved with its connection id'
survives KILL
relay_stop
pass
