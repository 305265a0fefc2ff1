#!/bin/bash
# Claim: under traffic no datagram is lost, answered twice, or seen by both: not while the same or another
# wanted state is set, an interface or a port comes or goes; and while capture is turned off and on, or a
# worker is killed, each one is either captured or forwarded. A socket that was open before capture was
# wanted stays: of what calls the gateway itself nothing is lost when it is made transparent, nor after.
#   dev (rawudp) ---- gw (netdriver, lwgate-net) ---- srv (rawudp)
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2317 # functions are called by `traffic` and by eventually
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/capture.sh"
set -u

SENT=1500
D1='d1 192.0.2.11:40001 198.51.100.10:5683'
TO=198.51.100.10:5683

# traffic CMD..: sends while the command runs; what became of it.
traffic() {
	local i lines pid
	mark d1 server
	for ((i = 0; i < SENT; i++)); do printf '%s 5002%04x\n' "$TO" "$i"; done >"$WORK/lines"
	# A few at a time, so that they lie between what is changed.
	while mapfile -t -n 5 lines && [ ${#lines[@]} -gt 0 ]; do
		printf '%s\n' "${lines[@]}"
		sleep 0.003
	done <"$WORK/lines" >"$WORK/d1.in" &
	pid=$!
	"$@"
	wait $pid
	# What was sent last has come, one way or the other.
	calls d2 192.0.2.12:40002 "$TO"
	eventually 5 all_there || fail "of $SENT $(echoed) came back, $(passed) passed by: $*"
}
all_there() { [ $(($(echoed) + $(passed))) -ge "$SENT" ]; }
echoed() { tail -n "+$((${NETNS_MARK[$WORK/d1.log]} + 1))" "$WORK/d1.log" | grep -c ' 5002'; }
passed() { grep -c '^192\.0\.2\.11:40001 5002' "$WORK/server.log"; }

again() {
	local i
	for i in 1 2 3 4 5; do
		want_set
	done
}

other_ports() {
	local i
	for i in 1 2 3; do
		tell driver clear "open 570$i 4" "bless 570$i"
		want_set "listen lan0 5683,570$i"
		tell driver clear
		want_set 'listen lan0,lan1 5683 closed'
		tell driver clear
		want_set 'listen lan0 5683'
	done
}

off_and_on() {
	local i
	for i in 1 2 3; do
		tell driver clear
		want_set
		sleep 0.05
		want_set 'listen lan0 5683'
		sleep 0.05
	done
}

# What a reload does that turns capture on, and one that turns it off.
first_time() {
	mark driver
	tell driver wake
	want driver '^ready$'
	tell driver 'bless 5683'
	want_set 'listen lan0 5683'
	sleep 0.1
	tell driver clear
	want_set
	sleep 0.1
}

killed() {
	local i
	for i in 1 2; do
		mark driver
		kill -KILL "$(net_worker)"
		want driver '^ready$'
		want_set
	done
}

# none_passed TEXT: all came back, once.
none_passed() {
	[ "$(echoed) $(passed)" = "$SENT 0" ] || fail "$1: $(echoed) came back, $(passed) passed by"
	claim "$1: $SENT sent, all came back, once"
}

each_once() {
	[ $(($(echoed) + $(passed))) = $SENT ] || fail "$1: $(echoed) came back, $(passed) passed by"
	claim "$1: $SENT sent, $(echoed) came back, $(passed) passed by, none was lost"
	: >"$WORK/server.log"
}

capture_begin capture-reload
driver_sleeps
mark driver
tell driver 'open 5683 4' 'open 5683 6'
want driver '^open 2 5683 v6 held'
TO=192.0.2.1:5683
captured d1 192.0.2.11:40001 $TO 'without capture the socket serves the gateway itself'
traffic first_time
none_passed "calls to the gateway itself, capture for the first time and off"
TO=198.51.100.10:5683
traffic off_and_on
[ "$(passed)" -gt 0 ] || fail 'this test is no test: it was never off'
[ "$(echoed)" -gt 0 ] || fail 'this test is no test: it was never on'
each_once 'calls to the server, three times off and on'
# shellcheck disable=SC2086 # words
captured $D1 'captured'
traffic again
none_passed 'the same state, five times'
traffic other_ports
none_passed 'other ports and interfaces, nine times'
TO=192.0.2.1:5683
traffic off_and_on
none_passed 'calls to the gateway itself, three times off and on'
TO=198.51.100.10:5683
traffic killed
each_once 'a worker killed, twice'
pass
