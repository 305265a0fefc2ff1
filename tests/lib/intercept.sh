# shellcheck shell=bash
# shellcheck disable=SC2034 # GATEWAY and CALLED are life.sh's
# Shell functions for tests of interception with the relay; sourced behind netns.sh, relay.sh and life.sh.
#
# intercept_begin NAME     netns_three with forwarding on, and a second address of servers, 198.51.100.20
#                          and 2001:db8:2::20
# route_to EP SERVER FIELD a field of the endpoint's row for that server; empty: no row
# flows_of EP              its rows, one a line: server, and what a restart keeps of whom it calls and how
# intercept_servers [EP..]   our LwM2M servers "cloud" (.10, ::10) and "field" (.20, ::20), both with plain
#                          CoAP and DTLS for WORK/psk, which has these endpoints (or a usual set)
# intercept_conf [OPTION VALUE]..   begins WORK/lwgate.conf: servers cloud and field over DTLS, a listener
#                          that intercepts on lan0 (its options are given); forgets the state file
# calling ADDRESS          devices call that address from now on
# operations SERVER EP     what a server does to a device: read, observe, a long write
# carried SERVER EP CALLED [NAME]  EP has registered through the relay, and is served with the address that it
#                          called, though it does not know the relay
# askers_begin PORT        raw devices d4 and d6 that ask "cloud", and d4own and d6own that ask the gateway, all
#                          at that port; counters of what goes past the relay
# askers_count             makes the counters again
# askers_register          each registers, as the endpoint of its name; all are in the state file
# asking CMD..             all ask, again and again, each question once, until the command has ended. For d of them
#                          SENT[d] were asked, LOST[d] are without an answer, PASSED[4] and [6] went past the relay.
#                          The last answers are waited for, SETTLE seconds where many will not come. All are asked
#                          four times, then there is a pause of ASK_PAUSE seconds
# lost_most N D..          none of these lost more, else the test has failed
# tell_asked D..           prints the three, for people
# left NAME                the program leaves by itself, in 20 s at most; the result is its exit status
# claim TEXT               prints what was just shown

claim() { echo "     $*"; }

intercept_begin() {
	netns_begin "$1"
	netns_three
	at gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 || fail 'no forwarding'
	netns_address srv wan 198.51.100.20/24 2001:db8:2::20/64
}

intercept_servers() {
	[ $# -gt 0 ] || set -- one two both four six own dtls4 dtls6 old roam third opaque
	psk "$@" >"$WORK/psk"
	server_start cloud openssl --coap 198.51.100.10 --coap '[2001:db8:2::10]' \
		--coaps 198.51.100.10 --coaps '[2001:db8:2::10]' --psk "$WORK/psk"
	server_start field openssl --coap 198.51.100.20 --coap '[2001:db8:2::20]' \
		--coaps 198.51.100.20 --coaps '[2001:db8:2::20]' --psk "$WORK/psk"
}

route_to() { row "$1" | grep -aF "\"server\":\"$2\"," | sed -nE "s/.*\"$3\":(\"([^\"]*)\"|([^,}]*)).*/\\2\\3/p"; }

flows_of() {
	row "$1" | sed -nE 's/.*"device":("[^"]*").*"called":("[^"]*"|null),"captured":([a-z]*).*"server":("[^"]*").*"kind":("[^"]*").*"port":([0-9]*).*/\4 \5 \1 \2 \3 \6/p' | sort
}

intercept_hosts() {
	RELAY_HOSTS=$WORK/hosts
	printf '%s\n' '127.0.0.1 localhost' "198.51.100.10 cloud.example" '2001:db8:2::10 cloud.example' \
		'198.51.100.20 field.example' '2001:db8:2::20 field.example' >"$RELAY_HOSTS"
}

intercept_conf() {
	relay_conf
	intercept_hosts
	intercept_conf_again "$@"
}

# The same under a running relay, which keeps its state.
intercept_conf_again() {
	rm -f "$WORK/lwgate.conf"
	section gateway main log_level debug
	section server cloud uri coaps://cloud.example
	section server field uri coaps://field.example
	section listen lan interface lan0 intercept 1 "$@"
}

calling() {
	GATEWAY=$1
	CALLED=coaps://$1
}

operations() {
	local sum
	asks "$1" "read $2 /3/0/2" "^read $2 /3/0/2 2\\.05 \"$2\"\$"
	asks "$1" "observe $2 /3303/0/5700" "^observe $2 /3303/0/5700 2\\.05 "
	tell "$2" 'set /3303/0/5700 31.5'
	want "$1" "^notify $2 /3303/0/5700 \"31\\.5\" "
	asks "$1" "write-block $2 /5/0/0 20000" "^write-block $2 /5/0/0 2\\.04 20000 bytes crc32="
	sum=${SEEN##* }
	want "$2" "^write /5/0/0 20000 bytes $sum\$"
	tell "$2" update
	want "$1" "^updated $2 /rd/"
}

carried() {
	want "$1" "^registered $2 /rd/"
	eventually 5 is "route $2 captured" = true || fail "$2 was not captured"
	same "$(route "$2" called)" "$3" "the address that $2 called"
	operations "$1" "$2"
	claim "$2 called $3, and is carried to $1"
}

is_over() { ! alive "$1"; }

left() {
	local pid=${NETNS_PID[$1]} status
	eventually 20 is_over "$1" || fail "$1 does not leave"
	wait "$pid"
	status=$?
	unset "NETNS_PID[$1]"
	return $status
}

declare -gA ASKS=() SENT=() LOST=() PASSED=()
ASKED=0

askers_count() {
	at gw nft -f - <<-END || fail 'no counters'
		table inet seen {
			counter passed4 { }
			counter passed6 { }
			chain post {
				type filter hook postrouting priority 0; policy accept;
				oifname "wan0" ip saddr 192.0.2.0/24 udp dport $ASKED_PORT counter name passed4
				oifname "wan0" ip6 saddr 2001:db8:1::/64 udp dport $ASKED_PORT counter name passed6
			}
		}
	END
}

askers_begin() {
	local d
	ASKS=([d4]="198.51.100.10:$1" [d6]="[2001:db8:2::10]:$1" [d4own]="192.0.2.1:$1"
		[d6own]="[2001:db8:1::1]:$1")
	ASKED_PORT=$1
	askers_count
	run srv beside "$BUILD/tests/rawudp" 198.51.100.10:6000
	run dev d4 "$BUILD/tests/rawudp" 192.0.2.11:40001 "${ASKS[d4]}"
	run dev d6 "$BUILD/tests/rawudp" '[2001:db8:1::11]:40001' "${ASKS[d6]}"
	run dev d4own "$BUILD/tests/rawudp" 192.0.2.12:40001 "${ASKS[d4own]}"
	run dev d6own "$BUILD/tests/rawudp" '[2001:db8:1::12]:40001' "${ASKS[d6own]}"
	for d in "${!ASKS[@]}" beside; do want "$d" '^ready$'; done
}

is_saved() { grep -q "\"$1\"" "$WORK/state/routes.json" 2>/dev/null; }

askers_register() {
	local d
	mark "${!ASKS[@]}"
	for d in "${!ASKS[@]}"; do
		tell "$d" "${ASKS[$d]} $(coap con 0.02 1 a1 "/rd?ep=$d&lt=300&lwm2m=1.1&b=U" '</3/0>')"
		hears "$d" ack 2.01 1 a1
	done
	for d in "${!ASKS[@]}"; do eventually 10 is_saved "$d" || fail "$d is not in the state file"; done
}

passed_by() { at gw nft list counter inet seen "passed$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }

# A few at a time, so that they lie between what happens. Prints the next number.
ask_on() {
	local n=$1 i d lines
	until [ -e "$WORK/asked" ]; do
		for d in "${!ASKS[@]}"; do
			lines=
			for i in 0 1 2 3; do
				printf -v lines '%s%s 4201%04x%04xb178\n' "$lines" "${ASKS[$d]}" $((n + i)) $((n + i))
			done
			printf '%s' "$lines" >"$WORK/$d.in"
		done
		n=$((n + 4))
		sleep "${ASK_PAUSE:-0.004}"
	done
	echo "$n"
}

# answered D: what it heard since the mark from whom it asked, each answer once.
answered() {
	tail -n "+$((${NETNS_MARK[$WORK/$1.log]} + 1))" "$WORK/$1.log" |
		grep -aE "^$(escaped "${ASKS[$1]}") 6284" | sort -u | wc -l
}

# shellcheck disable=SC2317 # eventually calls it
is_all_answered() {
	local d
	for d in "${!ASKS[@]}"; do [ "$(answered "$d")" -eq "$1" ] || return 1; done
}

asking() {
	local d before4 before6 begun=$ASKED pid
	before4=$(passed_by 4)
	before6=$(passed_by 6)
	mark "${!ASKS[@]}" beside
	rm -f "$WORK/asked"
	ask_on "$begun" >"$WORK/asked.n" &
	pid=$!
	"$@"
	sleep 0.2
	: >"$WORK/asked"
	wait $pid
	ASKED=$(cat "$WORK/asked.n")
	# What was sent behind all of it has come.
	tell d4 "198.51.100.10:6000 5001$(printf '%04x' "$ASKED")"
	want beside " 5001$(printf '%04x' "$ASKED")\$"
	eventually "${SETTLE:-5}" is_all_answered $((ASKED - begun)) || :
	for d in "${!ASKS[@]}"; do
		SENT[$d]=$((ASKED - begun))
		LOST[$d]=$((SENT[$d] - $(answered "$d")))
	done
	PASSED=([4]=$(($(passed_by 4) - before4)) [6]=$(($(passed_by 6) - before6)))
}

tell_asked() {
	local d
	for d in "$@"; do
		echo "       $d asked ${SENT[$d]}, ${LOST[$d]} without an answer"
	done
	echo "       past the relay went ${PASSED[4]} by IPv4, ${PASSED[6]} by IPv6"
}

lost_most() {
	local d most=$1
	shift
	for d in "$@"; do
		[ "${LOST[$d]}" -le "$most" ] || fail "$d asked ${SENT[$d]} times, ${LOST[$d]} without an answer"
	done
}
