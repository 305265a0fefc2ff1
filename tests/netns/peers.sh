#!/bin/bash
# Claim: the LwM2M server and device of the tests agree with each other, without a relay: all
# operations, over CoAP and DTLS, IPv4 and IPv6, against each TLS library; and the server knows
# whom to refuse. What later fails through the relay is then the relay's.
#   dev (lwm2m-device) ---- gw (forwards) ---- srv (lwm2m-server)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
set -u

KEY=000102030405060708090a0b0c0d0e0f

# asks COMMAND, ANSWER: an operation of the server.
asks() {
	mark server
	tell server "$1" || fail 'the server has ended'
	want server "$2"
}

operations() {
	local sum

	asks 'read one /3/0/2' '^read one /3/0/2 2\.05 "one"$'
	asks 'read one /9/9' '^read one /9/9 4\.04'
	asks 'discover one /3' '^discover one /3 2\.05 "</3>,</3/0>,'
	asks 'write one /3/0/13 1750000000' '^write one /3/0/13 2\.04$'
	asks 'read one /3/0/13' '^read one /3/0/13 2\.05 "1750000000"$'
	asks 'write one /3/0/0 x' '^write one /3/0/0 4\.05'
	asks 'execute one /3303/0/5605' '^execute one /3303/0/5605 2\.04$'
	asks 'write-block one /5/0/0 65536' '^write-block one /5/0/0 2\.04 65536 bytes crc32='
	sum=${SEEN##* }
	want device "^write /5/0/0 65536 bytes $sum\$"
	asks 'read-block one /26241/0/0' "^read-block one /26241/0/0 2\\.05 65536 bytes $sum\$"
}

observation() {
	asks 'observe one /3303/0/5700' '^observe one /3303/0/5700 2\.05 '
	tell device 'set /3303/0/5700 31.5'
	want server '^notify one /3303/0/5700 "31\.5" '
	asks 'forget one /3303/0/5700' '^forget one '
	tell device 'set /3303/0/5700 32.5'
	want server '^unknown-token notify$'
}

# life SERVER-TLS DEVICE-TLS URI [DEVICE OPTIONS]
life() {
	local server=$1 device=$2 uri=$3 psk=()

	shift 3
	[ "$server" = notls ] || psk=(--psk "$WORK/psk")
	run srv server "$BUILD/tests/lwm2m-server-$server" "${psk[@]}"
	want server '^ready$'
	run dev device "$BUILD/tests/lwm2m-device-$device" --ep one --server "$uri" \
		--instances 100 --block 256 "$@"
	case $uri in coaps:*) want server '^handshake id-one from ' ;; esac
	want server '^registered one /rd/[0-9]+ lt=60 .* links=105 '
	operations
	observation
	tell device 'send 3000'
	want server '^send one 3000 bytes '
	want device '^sent 2\.04$'
	mark_all
	tell device send-non
	want server '^send one 31 bytes '
	want device '^sent 2\.04$'
	tell device update
	want device '^updated /rd/'
	stop device || fail 'the device did not leave in order'
	want server '^deregistered one '
	stop server || fail 'the server did not leave in order'
	mark_all
	echo "     $uri, server $server, device $device"
}

refused() {
	run srv server "$BUILD/tests/lwm2m-server-openssl" --psk "$WORK/psk"
	want server '^ready$'
	run dev other "$BUILD/tests/lwm2m-device-openssl" --ep two --psk "id-one:$KEY" \
		--server coaps://198.51.100.10
	want server '^refused register two 4\.03 id-one$'
	want other '^failed register 4\.03'
	run dev plain "$BUILD/tests/lwm2m-device-notls" --ep one --server coap://198.51.100.10
	want server '^refused register one 4\.03 nosec$'
	run dev nobody "$BUILD/tests/lwm2m-device-openssl" --ep one --psk "nobody:$KEY" \
		--server coaps://198.51.100.10
	want server '^unknown-identity nobody$'
	at dev coap-client-notls -B 2 -m post 'coap://198.51.100.10/rd/1' 2>&1 | grep -q 4.04 ||
		fail 'an Update of an unknown Location is not answered 4.04'
	at dev coap-client-notls -B 2 -m delete 'coap://198.51.100.10/rd/1' 2>&1 | grep -q 4.04 ||
		fail 'a Deregister of an unknown Location is not answered 4.04'
	at dev coap-client-notls -B 2 -m post 'coap://198.51.100.10/rd?lt=9' 2>&1 | grep -q 4.00 ||
		fail 'a Register without a name is not answered 4.00'
}

# A killed server knows its registrations again where it keeps a state, and forgets them elsewhere.
restarts() {
	run srv keeper "$BUILD/tests/lwm2m-server-notls" --coap :: --state "$WORK/state"
	want keeper '^ready$'
	run dev device "$BUILD/tests/lwm2m-device-notls" --ep three --retry 1 \
		--server 'coap://[2001:db8:2::10]'
	want keeper '^registered three /rd/'
	stop keeper KILL
	mark_all
	run srv keeper "$BUILD/tests/lwm2m-server-notls" --state "$WORK/state"
	want keeper '^ready$'
	tell device update
	want keeper '^updated three /rd/'
	stop keeper KILL
	mark_all
	run srv keeper "$BUILD/tests/lwm2m-server-notls"
	want keeper '^ready$'
	tell device update
	want keeper '^refused update /rd/[0-9]+ 4\.04 '
	want keeper '^registered three /rd/'
}

netns_begin peers
netns_three
at gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
echo "id-one $KEY one" >"$WORK/psk"
life notls notls coap://198.51.100.10
life notls notls 'coap://[2001:db8:2::10]' --con --slow 100 --bare
life openssl openssl coaps://198.51.100.10 --psk "id-one:$KEY"
life openssl gnutls 'coaps://[2001:db8:2::10]' --psk "id-one:$KEY"
life gnutls openssl 'coaps://[2001:db8:2::10]' --psk "id-one:$KEY" --con
refused
stop server
restarts
pass
