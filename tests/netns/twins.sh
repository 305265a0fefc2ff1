#!/bin/bash
# Claim: devices that send the same message id and the same token at the same time each get their own
# answer, whatever the order of the answers; the same holds for a server that asks both alike.
#   dev (2 x rawudp) ---- gw (lwgated) ---- srv (lwm2m-server-openssl, -gnutls; rawudp)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

FROM='^192\.0\.2\.1:5683'

# both HEX HEX: d1 and d2 send theirs at once.
both() {
	mark d1 d2
	tell d1 "$1"
	tell d2 "$2"
}

configure() {
	relay_conf
	section server cloud uri "$1"
	section listen lan interface lan0 coaps 0
	section endpoint - name d1 server cloud identity id-d1 key "$KEY"
	section endpoint - name d2 server cloud identity id-d2 key "$KEY"
}

# The Locations differ; each device updates and ends its own with the same bytes around them.
by_lwm2m() {
	local d round location
	configure coaps://198.51.100.10
	run srv server "$BUILD/tests/lwm2m-server-$1" --psk "$WORK/psk"
	want server '^ready$'
	relay_start
	for round in 1 2 3; do
		mark server
		both "$(coap con 0.02 $round d00d '/rd?ep=d1&lt=60&lwm2m=1.1&b=U' '</3/0>')" \
			"$(coap con 0.02 $round d00d '/rd?ep=d2&lt=60&lwm2m=1.1&b=U' '</3/0>')"
		for d in d1 d2; do
			want $d "$FROM 6241000${round}d00d"
			want server "^registered $d /rd/"
			location=${SEEN#registered "$d" } location=${location%% *}
			[ "$(route $d location)" = "$location" ] || fail "$d has another Location"
			want $d "d00d8272640[0-9a-f]$(text_hex "${location#/rd/}")\$"
		done
		both "$(coap con 0.02 $((round + 16)) d00d "$(route d1 location)")" \
			"$(coap con 0.02 $((round + 16)) d00d "$(route d2 location)")"
		for d in d1 d2; do
			want $d "$FROM 6244001${round}d00d"
			want server "^updated $d /rd/"
		done
		[ "$(count d1 "$FROM")$(count d2 "$FROM")" = 11 ] || fail 'somebody got two answers'
	done
	relay_stop
	stop server
	mark_all
	echo "     lwm2m-server-$1"
}

# Answers in the other order; requests of the server with the same bytes, and the devices' answers.
by_raw() {
	local peer1 peer2
	configure coap://198.51.100.10
	sed -i '/identity\|key/d' "$WORK/lwgate.conf"
	run srv raw "$BUILD/tests/rawudp" 198.51.100.10:5683
	want raw '^ready'
	relay_start
	both "$(coap con 0.02 7 d00d '/rd?ep=d1&lt=60')" "$(coap con 0.02 7 d00d '/rd?ep=d2&lt=60')"
	want raw " $(coap con 0.02 7 d00d '/rd?ep=d1&lt=60')\$"
	peer1=${SEEN%% *}
	want raw " $(coap con 0.02 7 d00d '/rd?ep=d2&lt=60')\$"
	peer2=${SEEN%% *}
	[ "$peer1" != "$peer2" ] || fail 'both came from one address'
	tell raw "$peer2 62410007d00d8272640132" "$peer1 62410007d00d8272640131"
	want d1 "$FROM 62410007d00d8272640131\$"
	want d2 "$FROM 62410007d00d8272640132\$"
	mark raw d1 d2
	tell raw "$peer1 $(coap con 0.01 9 beef /3/0/2)" "$peer2 $(coap con 0.01 9 beef /3/0/2)"
	want d1 "$FROM $(coap con 0.01 9 beef /3/0/2)\$"
	want d2 "$FROM $(coap con 0.01 9 beef /3/0/2)\$"
	tell d2 "$(coap ack 2.05 9 beef '' two)"
	tell d1 "$(coap ack 2.05 9 beef '' one)"
	want raw "^${peer2//./\\.} $(coap ack 2.05 9 beef '' two)\$"
	want raw "^${peer1//./\\.} $(coap ack 2.05 9 beef '' one)\$"
	[ "$(count raw .)$(count d1 .)$(count d2 .)" = 211 ] || fail 'somebody got more than his own'
	relay_stop
	echo '     rawudp'
}

netns_begin twins
netns_three
printf '%s\n' "id-d1 $KEY d1" "id-d2 $KEY d2" >"$WORK/psk"
run dev d1 "$BUILD/tests/rawudp" 192.0.2.11:40001 192.0.2.1:5683
run dev d2 "$BUILD/tests/rawudp" 192.0.2.12:40001 192.0.2.1:5683
want d1 '^ready'
want d2 '^ready'
by_lwm2m openssl
by_lwm2m gnutls
by_raw
pass
