#!/bin/bash
# Claim: of captured calls to somebody who is no configured server, `foreign` decides: refuse, none is answered
# or reaches him, and each is counted; pass, they reach him as they are, from the device's own address, and
# only what calls a server is captured, wherever its name leads by then; relay, they go to the listener's server,
# and are answered from the address that was called. Plain and with DTLS, over IPv4 and IPv6.
#   dev (lwm2m-device, rawudp) ---- gw (relay, interception) ---- srv (lwm2m-server cloud .10, field .20; rawudp .11)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/capture.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

REGISTER=$(coap con 0.02 1 a1 '/rd?ep=four&lt=60&lwm2m=1.1&b=U' '</3/0>')
HELLO=16fefd000000000000000000040100000000000000000000

# ends: what is no server of ours, and who calls it.
ends() {
	local at
	netns_address srv wan 198.51.100.11/24 198.51.100.21/24 198.51.100.22/24 2001:db8:2::11/64
	for at in 4 6; do
		run srv "alien$at" "$BUILD/tests/rawudp" "$(alien "$at" 5683)"
		run srv "secret$at" "$BUILD/tests/rawudp" "$(alien "$at" 5684)"
	done
	run dev raw4 "$BUILD/tests/rawudp" 192.0.2.13:40009
	run dev raw6 "$BUILD/tests/rawudp" '[2001:db8:1::13]:40009'
	for at in alien4 alien6 secret4 secret6 raw4 raw6; do want $at '^ready$'; done
}

alien() {
	case $1 in
	4) echo "198.51.100.11:$2" ;;
	6) echo "[2001:db8:2::11]:$2" ;;
	esac
}

calls_alien() { tell "raw$1" "$(alien "$1" "$2") $3"; }

# refused FAMILY PORT HEX
refused() {
	mark_all
	drops_rise lan_foreign 1 calls_alien "$@"
	for at in alien4 alien6 secret4 secret6 cloud field; do
		absent $at . || fail "$at was reached: $SEEN"
	done
	absent "raw$1" . || fail "it was answered: $SEEN"
}

# passed FAMILY PORT HEX: there and back.
passed() {
	local end=alien from answer
	[ "$2" = 5683 ] || end=secret
	from=$([ "$1" = 4 ] && echo 192.0.2.13:40009 || echo '[2001:db8:1::13]:40009')
	mark_all
	calls_alien "$@"
	want "$end$1" "^$(escaped "$from") $3\$"
	answer=6044$2
	tell "$end$1" "$from $answer"
	want "raw$1" "^$(escaped "$(alien "$1" "$2")") $answer\$"
}

# foreign WHAT: reloaded with it, and in the kernel.
foreign() {
	mark relay
	intercept_conf_again foreign "$1" server field
	endpoints
	relay_reload
	want relay "capture: UDP .*$2 is captured"
}

endpoints() {
	local ep
	for ep in one two third; do endpoint "$ep" cloud; done
	for ep in four six old roam; do endpoint "$ep" field; done
	for ep in dtls4 dtls6; do
		endpoint "$ep" field lan_identity "id-lan-$ep" lan_key "$(key_of "lan-$ep")"
	done
}

known() { # ADDRESS..
	local address
	for address in "$@"; do
		table | grep -q "$address" || return 1
	done
}

# field_at ADDRESS: it is there, and its name says so from now on. The file is mounted: it must stay the same.
field_at() {
	sed "s/^198.51.100.20 /$1 /; /::20 /d" "$RELAY_HOSTS" >"$WORK/hosts.new"
	cat "$WORK/hosts.new" >"$RELAY_HOSTS"
	stop field
	server_start field openssl --coap "$1" --coaps "$1" --psk "$WORK/psk"
}

intercept_begin intercept-foreign
intercept_servers
ends
intercept_conf foreign refuse server field
# cloud has two addresses, and listens at the first.
echo '198.51.100.21 cloud.example' >>"$RELAY_HOSTS"
endpoints
relay_start
want relay 'capture: UDP 5683 5684 from lan0 is captured'
for family in 4 6; do
	refused "$family" 5683 "$REGISTER"
	refused "$family" 5684 "$HELLO"
done
claim 'refuse: no call to a stranger is answered or reaches him, each is counted'
calling 198.51.100.21
device two 192.0.2.12
carried cloud two 198.51.100.21
calling 198.51.100.20
device roam 192.0.2.11
carried field roam 198.51.100.20

foreign pass 'to the servers'
known 198.51.100.10 198.51.100.20 198.51.100.21 2001:db8:2::10 2001:db8:2::20 || fail "captured: $(table)"
for family in 4 6; do
	passed "$family" 5683 "$REGISTER"
	passed "$family" 5684 "$HELLO"
done
same "$(drops lan_foreign)" 4 'strangers that were counted'
claim 'pass: calls to a stranger reach him as they are, and he answers'
known 198.51.100.22 && fail 'this test is no test'
mark relay
field_at 198.51.100.22
tell roam update
want relay 'field is at 198\.51\.100\.22' 30
want relay 'capture: UDP .*to the servers is captured'
known 198.51.100.22 198.51.100.20 || fail "captured: $(table)"
want field '^registered roam ' 30
same "$(route roam called)" 198.51.100.20 'the address that roam calls'
operations field roam
claim 'pass: who calls where a server was before is carried to where it is now'
calling 198.51.100.22
device old 192.0.2.12
carried field old 198.51.100.22
passed 4 5683 "$REGISTER"
claim 'and so is who calls its new address; a stranger is left alone as ever'

foreign relay 'from lan0'
calling 198.51.100.11
device four 192.0.2.12
carried field four 198.51.100.11
secure dtls4 openssl psk lan-dtls4 --bind 192.0.2.11:40001
carried field dtls4 198.51.100.11
calling '[2001:db8:2::11]'
device six '[2001:db8:1::11]'
carried field six 2001:db8:2::11
secure dtls6 gnutls psk lan-dtls6 --bind '[2001:db8:1::11]:40001'
carried field dtls6 2001:db8:2::11
mark_all
calling 198.51.100.10
device one 192.0.2.11
carried cloud one 198.51.100.10
for at in alien4 alien6 secret4 secret6; do absent $at . || fail "$at was reached: $SEEN"; done
same "$(drops lan_foreign)" 4 'strangers that were counted'
claim 'relay: none of it reached him, and calls to other servers go there as ever'
pass
