#!/bin/bash
# Claim: under traffic a reload turns interception on and off, and changes ports, interfaces, strangers and mark.
# Who calls the gateway itself loses no answer by it. Who calls his server goes to it straight while it is
# off, and through the relay while it is on, plain and with DTLS; what he loses at the change is little. What
# was started without interception sleeps until it is wanted.
#   dev (rawudp, lwm2m-device), iot (lwm2m-device) ---- gw (relay, interception) ---- srv (lwm2m-server)
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2317 # functions are called by `asking` and by eventually
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/capture.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

NET_PARENT=relay
# What may be on its way at a change.
MOST=20
SERVERS=(cloud)
MARK=()

conf() { # OPTION VALUE..
	local d
	rm -f "$WORK/lwgate.conf"
	section gateway main log_level debug "${MARK[@]}"
	section server cloud uri coap://cloud.example
	section server field uri coaps://field.example
	for d in "${SERVERS[@]}"; do [ "$d" = cloud ] || section server "$d" uri coap://198.51.100.10:5783; done
	section listen lan +interface lan0 "$@"
	section endpoint - name d4 server cloud address 192.0.2.11:40001
	section endpoint - name d6 server cloud address '[2001:db8:1::11]:40001'
	section endpoint - name d4own server cloud
	section endpoint - name d6own server cloud
	section endpoint - name far server cloud
	endpoint one field lan_identity id-lan-one lan_key "$(key_of lan-one)"
	for d in "${SERVERS[@]}"; do [ "$d" = cloud ] || section endpoint - name third server "$d"; done
}

# changed OPTION VALUE..: by a reload, and in the kernel.
changed() {
	mark relay
	conf "$@"
	relay_reload
	want relay "capture: (UDP .* is captured|nothing is captured)"
}

on() { changed intercept 1 "$@"; }
off() { changed; }

on_and_off() {
	local i
	for i in 1 2; do
		on
		sleep 0.1
		off
		sleep 0.1
	done
	on
}

# past TEXT, captured_all TEXT: what is so from now on.
past() {
	asking true
	lost_most 0 "${!ASKS[@]}"
	same "${PASSED[4]} ${PASSED[6]}" "${SENT[d4]} ${SENT[d6]}" "$1: past the relay"
	claim "$1: past the relay, nothing is lost"
}

captured_all() {
	asking true
	lost_most 0 "${!ASKS[@]}"
	same "${PASSED[4]} ${PASSED[6]}" '0 0' "$1: past the relay"
	claim "$1: through the relay, nothing is lost"
}

# at_change MOST CMD..: those that call the gateway lose nothing.
at_change() {
	local most=$1
	shift
	asking "$@"
	lost_most 0 d4own d6own
	lost_most "$most" d4 d6
	tell_asked d4 d6 d4own
	claim "$*: who calls the gateway loses nothing"
}

# one_comes captured|straight: the DTLS device has found its way since `mark field`.
one_comes() {
	want field '^registered one ' 40
	if [ "$1" = captured ]; then
		eventually 5 is 'route one captured' = true || fail 'one was not captured'
	else
		[ -z "$(route one device)" ] || fail 'the relay has a flow of one'
		want field '^handshake id-lan-one from 192\.0\.2\.13:'
	fi
	asks field 'read one /3/0/2' '^read one /3/0/2 2\.05 "one"$'
	claim "a device with DTLS: $1"
}

intercept_begin intercept-reload
intercept_servers
stop field
echo "id-lan-one $(key_of lan-one) one" >>"$WORK/psk"
sed -i '/^id-one /d' "$WORK/psk"
echo "id-one $(key_of one) one" >>"$WORK/psk"
server_start field openssl --coap 198.51.100.20 --coaps 198.51.100.20 --psk "$WORK/psk"
server_start other notls --coap 198.51.100.10:5783
netns_add iot
netns_link iot lan gw iot0
netns_address iot lan 203.0.113.11/24
netns_address gw iot0 203.0.113.1/24
at iot ip route add default via 203.0.113.1
askers_begin 5683
relay_conf
intercept_hosts
conf
relay_start
if [ -z "$(net_guard)" ] || [ -n "$(net_worker)" ]; then fail "lwgate-net does not sleep: $(net_pids)"; fi
nothing_is_left 'started without interception: lwgate-net sleeps'
for d in d4own d6own; do
	tell $d "${ASKS[$d]} $(coap con 0.02 1 a1 "/rd?ep=$d&lt=300&lwm2m=1.1&b=U" '</3/0>')"
	hears $d ack 2.01 1 a1
done
past 'off'
at_change "$MOST" on
captured_all 'on'
calling 198.51.100.20
mark field
secure one openssl psk lan-one --bind 192.0.2.13:40001
one_comes captured
mark field
at_change "$MOST" off
past 'off'
one_comes straight
mark field
at_change "$MOST" on_and_off
captured_all 'on'
# Nobody tells it that its session with the server is none any more. This takes a while; see below.
tell one update

third_port() {
	SERVERS=(cloud third)
	on
}
at_change 0 third_port
calling 198.51.100.10:5783
device third 192.0.2.13
carried other third 198.51.100.10

both_links() { on +interface iot0; }
run iot far "$BUILD/tests/lwm2m-device-notls" --ep far --server coap://198.51.100.10 --bind 203.0.113.11
want cloud '^registered far .* from 203\.0\.113\.11:'
at_change 0 both_links
tell far register
eventually 10 is 'route far captured' = true || fail 'far was not captured'
operations cloud far
claim 'another interface: who calls the server by it is carried'

narrow() { on +interface iot0 foreign pass; }
at_change 0 narrow
captured_all "foreign 'pass'"

other_marks() {
	local bit
	for bit in 0x4000000 0x2000000 0x8000000 0x1000000 0x2000000 0x4000000; do
		MARK=(mark "$bit" mark_mask "$bit")
		narrow
	done
}
at_change 0 other_marks
captured_all 'another mark'
at gw ip rule show | grep -q 'fwmark 0x4000000/0x4000000' || fail "the rule: $(at gw ip rule show)"
[ "$(at gw ip rule show | grep -c 'lookup 5683')" = 2 ] || fail "rules: $(at gw ip rule show)"
one_comes captured
off
if table | grep -q tproxy || [ "$(rules4)$(rules6)" != 00 ] || [ -n "$(route4)$(route6)" ]; then
	fail "off: something captures: $(table) $(at gw ip rule show)"
fi
claim 'off: no rule and no route is left'
pass
