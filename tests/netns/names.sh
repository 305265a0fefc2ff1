#!/bin/bash
# Claim: a server's name may have several addresses of which the first are dead, or appear only after
# the relay began; the device gets through by itself.
#   dev (lwm2m-device) ---- gw (lwgated, its own /etc/hosts) ---- srv (lwm2m-server: openssl, notls)
#   198.51.100.77 is nobody, 198.51.100.78 has no server; .10 is the server's
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

NAME=lwm2m.example.org
RELAY_HOSTS=

# hosts ADDRESS..: what the name means from now on; the file stays the same one.
hosts() {
	echo 127.0.0.1 localhost
	for address in "$@"; do
		echo "$address $NAME"
	done
}

# begin SCHEME BUILD ADDRESS..: the relay and the server on .10.
begin() {
	local scheme=$1 build=$2 at=(--coap 198.51.100.10)
	shift 2
	RELAY_HOSTS=$WORK/hosts
	hosts "$@" >"$RELAY_HOSTS"
	relay_conf
	section server cloud uri "$scheme://$NAME" handshake_timeout 6
	section listen lan interface lan0 coaps 0
	section endpoint - name one server cloud identity id-one key "$KEY"
	[ "$scheme" = coaps ] || sed -i '/identity\|key/d' "$WORK/lwgate.conf"
	[ "$scheme" = coap ] || at+=(--coaps 198.51.100.10 --psk "$WORK/psk")
	run srv server "$BUILD/tests/lwm2m-server-$build" "${at[@]}"
	want server '^ready$'
	relay_start
	run dev one "$BUILD/tests/lwm2m-device-notls" --ep one --bind 192.0.2.11:40001 --retry 1 \
		--lifetime 30 --server coap://192.0.2.1
}

end() {
	stop one
	relay_stop
	stop server
	mark_all
	echo "     $1"
}

served() {
	want server '^registered one ' 40
	want one '^registered '
	mark server
	tell server 'read one /3/0/2'
	want server '^read one /3/0/2 2\.05 "one"'
	is 'route one server_address' = "$1" || fail "the server is $(route one server_address), not $1"
}

netns_begin names
netns_three
netns_address srv wan 198.51.100.78/24
echo "id-one $KEY one" >"$WORK/psk"

begin coaps openssl 198.51.100.77 198.51.100.78 198.51.100.10
want relay 'cloud is at 198\.51\.100\.77:5684 and more addresses'
served 198.51.100.10:5684
end 'coaps, the first address dead, the second without a server'

begin coap notls 198.51.100.77 198.51.100.10
served 198.51.100.10:5683
end 'coap, the first address dead'

begin coaps openssl
want relay "cloud: no address of $NAME"
hosts 198.51.100.10 >"$RELAY_HOSTS"
served 198.51.100.10:5684
end 'coaps, the name appears later'

pass
