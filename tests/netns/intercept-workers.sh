#!/bin/bash
# Claim: several workers capture as one. Devices that call their servers are spread over all of them, plain and with
# DTLS, by IPv4 and IPv6; one that stays where it is comes to its worker, and nothing is handed over. Their servers
# reach them, and every answer leaves from the address that was called. No question is lost by a reload, nor by
# addresses that come and go; an interface that is made again, and another lwgate-net, leave all as it was. Who
# moves is followed. After a restart whatever comes to another worker is handed over, and who calls the gateway
# itself comes to his own, also when sockets have been opened again.
#   dev (rawudp, rawdevice) ---- gw br-lan (relay, interception, 2 and 4 workers) ---- srv (lwm2m-server cloud .10,
#                                                                                            field .20)
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2317 # functions are called by `asking` and by eventually
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/capture.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

NET_PARENT=relay
CLOUD=198.51.100.10
FIELD=198.51.100.20
SECURED=(t1 t2 t3 t4)
# What may be on its way when lwgate-net dies.
MOST=40
# So many ask that the server's socket would be too full on a busy machine.
ASK_PAUSE=0.03
MID=20000 # beyond those that `asking` uses

# bridge: where devices are, with the same hardware address each time.
bridge() {
	at gw ip link add br-lan type bridge
	at gw ip link set br-lan address 02:00:00:00:00:77
	at gw ip link set lan0 master br-lan
	at gw ip addr flush dev lan0
	at gw ip link set br-lan up
	at gw sysctl -qw net.ipv4.conf.br-lan.rp_filter=0
	netns_address gw br-lan 192.0.2.1/24 2001:db8:1::1/64
}

# more_askers: those of the library are too few to be spread.
more_askers() {
	local i
	for i in {1..6}; do
		ASKS[e$i]=$CLOUD:5683
		run dev "e$i" "$BUILD/tests/rawudp" "192.0.2.$((11 + i % 3)):$((41000 + i))" $CLOUD:5683
	done
	for i in {1..6}; do want "e$i" '^ready$'; done
	DEVICES=$((${#ASKS[@]} + ${#SECURED[@]}))
}

conf() { # [OPTION VALUE].. of the listener
	local d
	rm -f "$WORK/lwgate.conf"
	section gateway main log_level debug workers "$WORKERS"
	section server cloud uri coap://cloud.example
	section server field uri coaps://field.example
	section listen lan interface br-lan intercept 1 "$@"
	for d in "${!ASKS[@]}"; do section endpoint - name "$d" server cloud; done
	for d in "${SECURED[@]}"; do
		endpoint "$d" field lan_identity "id-lan-$d" lan_key "$(key_of "lan-$d")"
	done
}

spread() { lwgate metrics | sed -n "s/^lwgate_worker_$1{worker=.*} //p"; }

# All flows are somewhere, and not all at one worker.
is_spread() {
	local n all=0 some=0
	for n in $(spread flows); do
		all=$((all + n))
		[ "$n" -eq 0 ] || some=$((some + 1))
	done
	same "$(spread flows | wc -l)" "$WORKERS" workers
	same "$all" "$DEVICES" flows
	[ "$some" -gt 1 ] || fail "not spread: $(spread flows | tr '\n' ' ')"
}

# tls NAME TYPE CODE TOKEN PATH [PAYLOAD]: a message in its session, and the answer, from whom it called: its
# socket hears nobody else.
tls() {
	local name=$1 answer=$2
	shift 2
	MID=$((MID + 1))
	tell "$name" "$(coap con "$1" $MID "${@:2}")" || fail "$name has ended"
	want "$name" "^record $(coap ack "$answer" $MID "$2")"
}

secured_begin() {
	local d i=0
	for d in "${SECURED[@]}"; do
		i=$((i + 1))
		stop "$d"
		mark "$d"
		run dev "$d" "$BUILD/tests/rawdevice" "192.0.2.13:$((44000 + i))" $FIELD:5684 psk "id-lan-$d" \
			"$(key_of "lan-$d")"
		want "$d" '^handshake TLS_PSK_'
		tls "$d" 2.01 0.02 a1 "/rd?ep=$d&lt=600&lwm2m=1.1&b=U" '</3/0>'
	done
}

# reached SERVER NAME MESSAGE: the server's Read comes from there (the beginning of a line), the answer arrives.
reached() {
	local ask
	mark "$1" "$2"
	tell "$1" "read $2 /3/0/2"
	want "$2" "^$3"' ?4801'
	ask=${SEEN##* }
	tell "$2" "6845${ask:4:20}ff$(text_hex "$2")"
	want "$1" "^read $2 /3/0/2 2\\.05 \"$2\"\$"
}

reaches_all() {
	local d
	for d in "${!ASKS[@]}"; do reached cloud "$d" "$(escaped "${ASKS[$d]}")"; done
	for d in "${SECURED[@]}"; do reached field "$d" record; done
}

# What the relay lost, and sockets of devices and servers that were too full: that would be no fault of its own.
losses() {
	local short
	tell_asked "${!ASKS[@]}"
	lost
	for short in dev srv; do at $short cat /proc/net/udp /proc/net/udp6 | awk '!/sl/ && $NF > 0'; done
}

# all_answered TEXT: nothing went past, and no question is without its answer.
all_answered() {
	local d all=0
	for d in "${!ASKS[@]}"; do all=$((all + LOST[$d])); done
	[ "$all" -eq 0 ] || losses
	lost_most 0 "${!ASKS[@]}"
	same "${PASSED[4]} ${PASSED[6]}" '0 0' "$1: past the relay"
	claim "$1: ${SENT[d4]} questions of ${#ASKS[@]} devices each, nothing is lost"
}

# Who comes from elsewhere: its Location, or its connection id, is known to another worker, maybe.
moves() {
	local i location
	location=$(route e1 location)
	for i in 1 2 3; do
		stop e1
		mark e1
		run dev e1 "$BUILD/tests/rawudp" "192.0.2.12:$((42000 + i))" $CLOUD:5683
		want e1 '^ready$'
		MID=$((MID + 1))
		says e1 con 0.02 $MID "c$i" "$location"
		want e1 "^$(escaped $CLOUD:5683) $(coap ack 2.04 $MID "c$i")"
		same "$(route e1 device)" "192.0.2.12:$((42000 + i))" 'where e1 is'
	done
	reached cloud e1 "$(escaped $CLOUD:5683)"
	location=$(route t1 location)
	for i in 1 2 3 4; do
		tell t1 "port $((45000 + i))"
		tls t1 2.04 0.02 "d$i" "$location"
		same "$(route t1 device)" "192.0.2.13:$((45000 + i))" 'where t1 is'
	done
	reached field t1 record
}

reloads() {
	conf move 0
	relay_reload
	conf
	relay_reload
}

# Addresses of both sides that nobody uses.
addresses() {
	netns_address gw br-lan 203.0.113.1/24 2001:db8:77::1/64
	netns_address gw wan0 198.51.100.77/24
	sleep 0.6
	at gw ip addr del 203.0.113.1/24 dev br-lan
	at gw ip addr del 2001:db8:77::1/64 dev br-lan
	at gw ip addr del 198.51.100.77/24 dev wan0
	sleep 0.6
}

sockets_of() { find "/proc/${NETNS_PID[relay]}/fd" -printf '%l\n' | grep socket: | sort | sha256sum; }

made_again() {
	mark relay
	at gw ip link del br-lan
	bridge
	want relay "listen: section 'lan' listens on 0\\.0\\.0\\.0:5683 of br-lan again\$"
	want relay "listen: section 'lan' listens on \\[::\\]:5684 of br-lan again\$"
	is_captured || fail 'br-lan is not captured again'
}

# Every worker's sockets have been made transparent: a question by each hash is captured.
is_captured() {
	local d
	for d in "${!ASKS[@]}"; do
		MID=$((MID + 1))
		eventually 10 is_taken "$d" || return 1
	done
}

is_taken() {
	mark "$1"
	tell "$1" "${ASKS[$1]} 4201$(printf '%04x%04x' $MID $MID)b178"
	await "$1" "^$(escaped "${ASKS[$1]}") 6284$(printf '%04x' $MID)" 1 && [ "$(route "$1" worker)" != '' ]
}

killed() {
	local pid
	pid=$(net_worker)
	mark relay
	kill -KILL "$pid"
	want relay 'capture: UDP .* is captured'
	[ "$(net_worker)" != "$pid" ] || fail 'it is the same lwgate-net'
}

# handed N TEXT: so many datagrams were handed over at most.
handed() { [ "$(counted handed_over)" -le "$1" ] || fail "$2: $(counted handed_over) were handed over, not $1"; }

# steered: who was restored is where our program leads, if it calls the gateway.
steered() {
	local d i before
	before=$(counted handed_over)
	for d in d4own d6own; do
		for i in 1 2 3; do
			MID=$((MID + 1))
			is_taken "$d" || fail "$d is not served"
		done
	done
	same "$(counted handed_over)" "$before" 'handed over of those that call the gateway'
	claim 'who calls the gateway comes to its worker'
}

workers() {
	local sockets before
	WORKERS=$1
	relay_conf
	conf
	relay_start
	want relay 'capture: UDP 5683 5684 from br-lan is captured'
	askers_register
	secured_begin
	is_spread
	claim "$WORKERS workers have flows: $(spread flows | tr '\n' ' ')"
	reaches_all
	asking true
	all_answered 'nothing happens'
	handed 0 'nobody moved'

	sockets=$(sockets_of)
	asking addresses
	all_answered 'addresses come and go'
	same "$(sockets_of)" "$sockets" 'sockets of lwgated'
	asking reloads
	all_answered 'two reloads'
	is_spread

	made_again
	before=$(counted handed_over)
	asking true
	all_answered 'an interface that was made again'
	handed "$before" 'in order'
	reaches_all
	asking killed
	lost_most "$MOST" "${!ASKS[@]}"
	lost_most 0 d4own d6own
	asking true
	all_answered 'another lwgate-net'
	moves
	claim 'who moves is followed'

	relay_stop
	relay_start
	want relay 'capture: UDP 5683 5684 from br-lan is captured'
	secured_begin
	asking reloads
	all_answered 'restored, and two reloads'
	claim "$(counted handed_over) were handed over since the start"
	is_spread
	reaches_all
	made_again
	steered
	relay_stop
}

intercept_begin intercept-workers
bridge
for name in all default; do at gw sysctl -qw net.ipv4.conf.$name.rp_filter=0; done
intercept_hosts
intercept_servers "${SECURED[@]}"
askers_begin 5683
more_askers
workers 2
workers 4
pass
