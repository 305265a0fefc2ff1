#!/bin/bash
# Claim: the called address says which server is meant. An endpoint of two servers has a flow for each, from
# two ports or from one, plain or with DTLS; each server manages it, and the device hears each from the
# address that it called. Bootstrap goes to the bootstrap server's own address and port, or to another port of
# the server's host. An endpoint of one server that calls the other gets 4.03; one that no section names is
# taken to the server that it calls. After a restart, in order or by kill -9, flows call whom they called,
# before any name resolves.
#   dev (lwm2m-device, rawudp) ---- gw (relay, interception) ---- srv (lwm2m-server cloud .10, field .20,
#                                                             boot .30:5783, corner .10:5793)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

ALL='two dtls one four roam third five six new'

# client NAME EP ADDRESS BIND [ARGS..]: a LwM2M client of that endpoint as program NAME, plain CoAP.
client() {
	mark "$1"
	run dev "$1" "$BUILD/tests/lwm2m-device-notls" --ep "$2" --server "coap://$3" --bind "$4" \
		--retry 1 "${@:5}"
}

# The same over DTLS.
secure_client() {
	mark "$1"
	run dev "$1" "$BUILD/tests/lwm2m-device-openssl" --ep "$2" --server "coaps://$3" --bind "$4" \
		--retry 1 --psk "id-lan-$2:$(key_of "lan-$2")"
}

# managed SERVER CLIENT EP: that client answers the server.
managed() {
	mark "$2"
	asks "$1" "write $3 /3/0/13 1750000000" "^write $3 /3/0/13 2\\.04\$"
	want "$2" '^write /3/0/13 10 bytes'
	tell "$2" update
	want "$1" "^updated $3 /rd/"
	want "$2" '^updated /rd/'
}

two_servers() {
	client cloud-two two 198.51.100.10 192.0.2.11:40001
	want cloud '^registered two /rd/'
	client field-two two 198.51.100.20 192.0.2.11:40002
	want field '^registered two /rd/'
	managed cloud cloud-two two
	managed field field-two two
	same "$(route_to two cloud called)/$(route_to two field called)" 198.51.100.10/198.51.100.20 'two calls'
	claim 'two clients of one name, from two ports, have a flow for each server'
	secure_client cloud-dtls dtls 198.51.100.10 192.0.2.12:40003
	want cloud '^registered dtls /rd/'
	secure_client field-dtls dtls 198.51.100.20 192.0.2.12:40003
	want field '^registered dtls /rd/'
	managed cloud cloud-dtls dtls
	managed field field-dtls dtls
	same "$(route_to dtls cloud device) $(route_to dtls field device)" \
		'192.0.2.12:40003 192.0.2.12:40003' 'where dtls is'
	claim 'so have two sessions from one port'
}

# The device hears each server from the address that it called, though all have one port here.
one_port() {
	local server address mid=500
	run dev one "$BUILD/tests/rawudp" 192.0.2.13:40004
	want one '^ready$'
	for address in 198.51.100.10:5683 198.51.100.20:5683; do
		mid=$((mid + 1))
		tell one "$address $(coap con 0.02 $mid a1 '/rd?ep=one&lt=600&lwm2m=1.1&b=U' '</3/0>')"
		want one "^${address//./\\.} $(coap ack 2.01 $mid a1)"
	done
	for server in cloud:10 field:20; do
		address=198.51.100.${server#*:}:5683 server=${server%:*}
		mark one
		tell "$server" 'read one /3/0/2'
		want one "^${address//./\\.} 4801"
		tell one "$address 6845${SEEN:$((${#address} + 5)):20}ff$(text_hex "$server")"
		want "$server" "^read one /3/0/2 2\\.05 \"$server\"\$"
	done
	claim 'one source port has a flow for each server, and hears each from the address that it called'
	client four four 198.51.100.10 192.0.2.12:40004
	want cloud '^registered four /rd/'
	managed cloud four four
	claim 'a device at another address may have that source port too'
}

# The server is another one at another port of its host; so is bootstrap.
other_ports() {
	client roam roam 198.51.100.30:5783 192.0.2.11:40005 --bootstrap
	want boot '^bootstrap-finish roam /bs 2\.04'
	want roam '^failed register 4\.03' # its server is not there
	stop roam KILL
	client roam roam 198.51.100.10 192.0.2.11:40005
	want cloud '^registered roam /rd/'
	managed cloud roam roam
	claim "bootstrap goes to the bootstrap server's address and port, and Register to the server's"
	client cloud-third third 198.51.100.10 192.0.2.11:40006
	want cloud '^registered third /rd/'
	client corner-third third 198.51.100.10:5793 192.0.2.11:40007 --bootstrap
	want corner '^bootstrap-finish third /bs 2\.04'
	want corner '^registered third /rd/'
	managed cloud cloud-third third
	managed corner corner-third third
	claim 'two ports of a host are two servers'
}

refused() {
	mark cloud field
	client only four 198.51.100.20 192.0.2.13:40008
	want only '^failed register 4\.03'
	stop only KILL
	secure_client only five 198.51.100.20 192.0.2.13:40009
	want only '^failed register 4\.03'
	stop only KILL
	absent field '(four|five)' || fail "field heard of them: $SEEN"
	claim 'who has one server only, and calls the other, gets 4.03'
}

# new_port: an Update from another port, to a Location that both servers gave, goes to the one that is called.
new_port() {
	local address
	tell field-two 'rebind 40012' update
	want field '^updated two /rd/'
	eventually 5 is 'route_to two field device' = 192.0.2.11:40012 || fail 'two has not moved'
	same "$(route_to two cloud device)" 192.0.2.11:40001 'where the other two is'
	run srv left "$BUILD/tests/rawudp" 198.51.100.10:5803
	run srv right "$BUILD/tests/rawudp" 198.51.100.20:5803
	run dev mirror "$BUILD/tests/rawudp" 192.0.2.13:40010
	run dev mirror2 "$BUILD/tests/rawudp" 192.0.2.13:40011
	for name in left right mirror mirror2; do want $name '^ready$'; done
	for name in left:10 right:20; do
		address=198.51.100.${name#*:}:5803 name=${name%:*}
		tell mirror "$address $(coap con 0.02 7 a1 '/rd?ep=mirror&lt=600')"
		want "$name" " $(coap con 0.02 7 a1 '/rd?ep=mirror&lt=600')\$"
		tell "$name" "$(coap ack 2.01 7 a1)8272640137" # at /rd/7
		want mirror "^${address//./\\.} $(coap ack 2.01 7 a1)"
	done
	mark left right
	tell mirror2 "198.51.100.20:5803 $(coap con 0.02 8 a2 /rd/7)"
	want right " $(coap con 0.02 8 a2 /rd/7)\$"
	absent left . || fail "left heard of it: $SEEN"
	same "$(route_to mirror right device)/$(route_to mirror left device)" \
		192.0.2.13:40011/192.0.2.13:40010 'where mirror is'
	claim 'an Update from another port reaches the server that it calls'
}

unknown() {
	client new new 198.51.100.30:5783 192.0.2.12:40015
	want boot '^registered new /rd/'
	managed boot new new
	client other other 198.51.100.20 192.0.2.12:40016
	want other '^failed register 4\.03'
	stop other KILL
	claim 'whom no section names is taken to the server that it calls, where that asks for no credential'
}

# From calling the gateway to calling the server, and back.
follows() {
	local port
	client six six 192.0.2.1 192.0.2.12:40017
	want cloud '^registered six /rd/'
	port=$(route six port)
	for address in 198.51.100.10 192.0.2.1 198.51.100.10; do
		stop six KILL
		mark cloud
		client six six "$address" 192.0.2.12:40017
		want cloud "^registered six .*[]0-9]:$port via"
		managed cloud six six
		same "$(flows_of six)" "\"cloud\" \"server\" \"192.0.2.12:40017\" \"$address\" $(
			[ $address = 192.0.2.1 ] && echo false || echo true) $port" 'the flow of six'
	done
	claim 'a device that calls the gateway, then its server, keeps its flow'
	tell one "192.0.2.1:5683 $(coap con 0.02 9 a9 '/rd?ep=engined')"
	want engine " $(coap con 0.02 9 a9 '/rd?ep=engined')\$"
	claim 'a server on loopback is reached by who calls the gateway'
}

all_flows() { local ep; for ep in $ALL; do flows_of "$ep" | sed "s/^/$ep /"; done; }
# shellcheck disable=SC2317 # soon calls it
saved() {
	local line
	all_flows | while read -r ep server _ device called _ port; do
		line=$(grep "\"endpoint\":\"$ep\",.*\"server\":$server,.*\"device\":$device" "$WORK/state/routes.json") ||
			exit 1
		grep -q "\"port\":$port,.*\"called\":$called,.*\"calls\":" <<<"$line" || exit 1
	done
}

comes_back() { # SIGNAL
	local before
	before=$(all_flows)
	soon 'all flows are saved' saved
	mark_all
	stop relay "$1"
	echo '127.0.0.1 localhost' >"$WORK/hosts"
	relay_start
	same "$(all_flows)" "$before" 'flows before names resolve'
	tell roam update
	eventually 5 is 'route_to roam cloud waiting' -ge 1 || fail 'the Update of roam does not wait'
	intercept_hosts
	managed corner corner-third third
	managed boot new new
	want cloud '^updated roam /rd/' 45 # its server may hold a session of before
	managed cloud roam roam
	same "$(all_flows)" "$before" 'flows'
	claim "SIG$1: flows, their ports and whom they call are those of before, also before names resolve"
}

# Of those that have not spoken since, too; without a session to the server the port may be another one.
reached() {
	managed cloud cloud-two two
	managed field field-two two
	asks cloud 'read four /3/0/2' '^read four /3/0/2 2\.05 "four"$'
}

intercept_begin intercept-servers
# shellcheck disable=SC2086 # words
intercept_servers $ALL
netns_address srv wan 198.51.100.30/24
server_start boot notls --coap 198.51.100.30:5783
server_start corner notls --coap 198.51.100.10:5793 --coap '[2001:db8:2::10]:5793'
intercept_conf unknown_endpoints accept server corner
section server boot uri coap://198.51.100.30:5783
section server corner uri coap://cloud.example:5793
# On the gateway itself: who calls that means the relay.
section server beside uri coap://192.0.2.1:5999
section server engine uri coap://127.0.0.1:5998
section endpoint - name engined server engine
run gw engine "$BUILD/tests/rawudp" 127.0.0.1:5998
want engine '^ready$'
for name in left:10 right:20; do
	section server "${name%:*}" uri "coap://198.51.100.${name#*:}:5803"
	section endpoint - name mirror server "${name%:*}"
done
section endpoint - name third server corner bootstrap_server corner
endpoint third
for ep in two one; do endpoint $ep; endpoint $ep field; done
for ep in cloud field; do endpoint dtls $ep lan_identity id-lan-dtls lan_key "$(key_of lan-dtls)"; done
for ep in four six; do endpoint $ep; done
endpoint five cloud lan_identity id-lan-five lan_key "$(key_of lan-five)"
endpoint roam cloud bootstrap_server boot
relay_start
two_servers
one_port
other_ports
refused
new_port
unknown
follows
comes_back TERM
reached
comes_back KILL
relay_stop
pass
