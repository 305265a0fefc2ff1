#!/bin/bash
# Claim: under traffic no datagram is lost, answered twice, or seen by both: not while the same or another
# wanted state is set, an interface or a port comes or goes; and while capture is turned off and on, or a
# worker is killed, each one is either captured or forwarded.
#   dev (rawudp) ---- gw (netdriver, lwgate-net) ---- srv (rawudp)
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2317 # functions are called by `traffic` and by eventually
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/capture.sh"
set -u

SENT=1500
D1='d1 192.0.2.11:40001 198.51.100.10:5683'

# traffic CMD..: sends while the command runs; what became of it.
traffic() {
	local i lines pid
	mark d1 server
	for ((i = 0; i < SENT; i++)); do printf '198.51.100.10:5683 5002%04x\n' "$i"; done >"$WORK/lines"
	# A few at a time, so that they lie between what is changed.
	while mapfile -t -n 5 lines && [ ${#lines[@]} -gt 0 ]; do
		printf '%s\n' "${lines[@]}"
		sleep 0.003
	done <"$WORK/lines" >"$WORK/d1.in" &
	pid=$!
	"$@"
	wait $pid
	# What was sent last has come, one way or the other.
	calls d2 192.0.2.12:40002 198.51.100.10:5683
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
		tell driver clear "socket 570$i 4"
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
driver_start
sockets 5683
want_set 'listen lan0 5683'
# shellcheck disable=SC2086 # words
captured $D1 'captured'
traffic again
none_passed 'the same state, five times'
traffic other_ports
none_passed 'other ports and interfaces, nine times'
traffic off_and_on
[ "$(passed)" -gt 0 ] || fail 'this test is no test: it was never off'
each_once 'off and on, three times'
traffic killed
each_once 'a worker killed, twice'
pass
