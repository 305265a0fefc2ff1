#!/bin/bash
# Claim: with `without_relay` closed nothing that calls a server goes past the relay, in neither family, while
# nobody serves: whoever was killed, and after an orderly stop; the next start serves at once, or, where it
# is not to capture any more or not to serve at all, takes what drops away, as a reload does that says so. A
# second lwgated is told what is in its way, and harms nobody.
#   dev (rawudp) ---- gw (relay, interception) ---- srv (lwm2m-server cloud)
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2317 # functions are called by `asking` and by eventually
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/capture.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

NET_PARENT=relay
# What may be on its way when a worker dies, and until another serves.
MOST=40

conf() { # OPTION VALUE..
	rm -f "$WORK/lwgate.conf"
	section gateway main log_level debug enabled "${ENABLED:-1}"
	section server cloud uri coap://cloud.example
	section listen lan interface "${LINK:-lan0}" server cloud "$@"
	for d in d4 d6 d4own d6own; do section endpoint - name "$d" server cloud; done
}

start() {
	relay_start
	want relay 'capture: UDP .* is captured'
}

closed_table() { at gw nft list table inet lwgate_closed 2>/dev/null; }
is_open() { [ -z "$(closed_table)" ]; }

worker_killed() {
	mark relay
	kill -KILL "$(net_worker)"
	want relay 'capture: UDP .* is captured'
}

killed() {
	stop relay KILL
	eventually 5 is_gone_table || fail 'the table is there'
	sleep 0.2
}

guard_killed() {
	kill -KILL "$(net_guard)"
	left relay
	sleep 0.2
}

all_killed() {
	local pids
	pids=$(net_pids)
	# shellcheck disable=SC2086 # words
	kill -KILL $pids "${NETNS_PID[relay]}"
	stop relay KILL
	sleep 0.2
}

# none_past TEXT
none_past() {
	same "${PASSED[4]} ${PASSED[6]}" '0 0' "$1: past the relay"
}

# dropped TEXT: and the router's own calls are not.
dropped() {
	none_past "$1"
	if [ "${LOST[d4]}" -eq 0 ] || [ "${LOST[d6]}" -eq 0 ]; then fail 'this test is no test: nothing was dropped'; fi
	is_open && fail "$1: nothing drops"
	tell_asked d4 d6
	claim "$1: nothing goes past"
}

captured_at_once() {
	none_past "$1"
	asking true
	none_past "$1"
	lost_most 0 "${!ASKS[@]}"
	claim "$1: captured, nothing went past"
}

open() {
	is_open || fail "$1: it is still closed"
	mark d4
	tell d4 "${ASKS[d4]} $(coap con 0.01 9 beef /x)"
	hears d4 ack 4.04 9 beef
	claim "$1"
}

# second WHY INTERFACE: another lwgated there is told why it can not start.
second() {
	mkdir -p "$WORK/other"
	sed "s/'lan0'/'$2'/" "$WORK/lwgate.conf" >"$WORK/other.conf"
	mark second
	run gw second "${RELAY:-$BUILD/lwgated}" -c "$WORK/other.conf" -s "$WORK/other.sock" \
		-S "$WORK/other" -l stderr
	left second && fail 'a second one starts'
	seen second "$1" || fail "a second one is not told: $1"
	claim "a second one is told: $SEEN"
}

intercept_begin intercept-closed
intercept_servers
netns_link gw lan9 dev lan9
askers_begin 5683
relay_conf
intercept_hosts
conf intercept 1 without_relay closed
start
askers_register
SETTLE=1 asking worker_killed
none_past 'the worker is killed'
lost_most "$MOST" d4 d6
lost_most 0 d4own d6own
tell_asked d4 d6 d4own
claim 'the worker is killed: nothing goes past'
unset 'ASKS[d4own]' 'ASKS[d6own]'
SETTLE=1 asking killed
dropped 'lwgated is killed'
SETTLE=1 asking start
captured_at_once 'a start over it'
SETTLE=1 asking guard_killed
dropped 'the guard is killed, lwgated leaves'
SETTLE=1 asking start
captured_at_once 'a start over it'
SETTLE=1 asking all_killed
dropped 'all are killed'
SETTLE=1 asking start
captured_at_once 'a start over it'
second 'Address already in use' lan0
second 'another process owns the table inet lwgate' lan9
asking true
none_past 'the first one goes on'
lost_most 0 "${!ASKS[@]}"
SETTLE=1 asking relay_stop
dropped 'stopped in order'
SETTLE=1 asking start
captured_at_once 'a start over it'
ENABLED=0 conf intercept 1 without_relay closed
relay_reload
left relay || fail 'it did not leave in order'
open "a reload that says enabled '0'"
nothing_is_left 'and nothing is left'
conf intercept 1 without_relay closed
start
relay_stop
ENABLED=0 conf intercept 1 without_relay closed
run gw relay "${RELAY:-$BUILD/lwgated}" -c "$WORK/lwgate.conf" -s "$WORK/lwgate.sock" -S "$WORK/state"
left relay || fail 'it did not leave in order'
open "stopped, then started with enabled '0'"
conf intercept 1 without_relay closed
start
stop relay KILL
conf
relay_start
soon 'it is open' is_open
open "killed, then started without intercept"
relay_stop
pass
