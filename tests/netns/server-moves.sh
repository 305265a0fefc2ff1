#!/bin/bash
# Claim: a server that moves to another address is found there, since its name is looked up again when
# it does not answer: after it left in order, and after it fell silent; over DTLS and over CoAP.
#   dev (lwm2m-device) ---- gw (lwgated, its own /etc/hosts) ---- srv (lwm2m-server: openssl, notls)
#   the server moves from 198.51.100.10 to .11
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

NAME=lwm2m.example.org

hosts() { printf '%s\n' '127.0.0.1 localhost' "$1 $NAME" >"$RELAY_HOSTS"; }

start_server() { # ADDRESS
	local at=(--coap "$1")
	[ "$SCHEME" = coap ] || at+=(--coaps "$1" --psk "$WORK/psk")
	run srv server "$BUILD/tests/lwm2m-server-$BUILT" "${at[@]}"
	want server '^ready$'
}

served() { # ADDRESS:PORT
	want server '^registered one ' 40
	want one '^registered '
	mark server
	tell server 'read one /3/0/2'
	want server '^read one /3/0/2 2\.05 "one"'
	is 'route one server_address' = "$1" || fail "the server is $(route one server_address), not $1"
}

# moves SCHEME PORT BUILD SIGNAL: TERM is in order, KILL in silence with the old address gone.
moves() {
	local port=$2 signal=$4
	SCHEME=$1 BUILT=$3
	relay_conf
	hosts 198.51.100.10
	section server cloud uri "$SCHEME://$NAME" handshake_timeout 6
	section listen lan interface lan0 coaps 0
	section endpoint - name one server cloud identity id-one key "$KEY"
	[ "$SCHEME" = coaps ] || sed -i '/identity\|key/d' "$WORK/lwgate.conf"
	start_server 198.51.100.10
	relay_start
	run dev one "$BUILD/tests/lwm2m-device-notls" --ep one --bind 192.0.2.11:40001 --retry 1 \
		--repeats 1 --lifetime 300 --server coap://192.0.2.1
	served "198.51.100.10:$port"
	[ "$signal" = TERM ] || ip -n "$(ns srv)" address del 198.51.100.10/24 dev wan
	stop server "$signal"
	mark_all
	hosts 198.51.100.11
	start_server 198.51.100.11
	tell one update
	want relay "cloud is at 198\.51\.100\.11:$port" 60
	served "198.51.100.11:$port"
	[ "$signal" = TERM ] || netns_address srv wan 198.51.100.10/24
	stop one
	relay_stop
	stop server
	mark_all
	echo "     $SCHEME, $signal"
}

netns_begin server-moves
netns_three
netns_address srv wan 198.51.100.11/24
# Without this .11 would go with .10.
at srv sysctl -qw net.ipv4.conf.all.promote_secondaries=1
RELAY_HOSTS=$WORK/hosts
echo "id-one $KEY one" >"$WORK/psk"
moves coaps 5684 openssl TERM
moves coaps 5684 gnutls KILL
moves coap 5683 notls KILL
pass
