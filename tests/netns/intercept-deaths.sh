#!/bin/bash
# Claim: whichever of lwgated and lwgate-net dies, and when, nothing is left that harms traffic: with
# `without_relay` open, calls of a server reach it while nobody serves; a new start goes on with the same flows
# and source ports. The worker is replaced, and no flow feels it. Without its guard lwgated leaves, says why,
# and saves its table. Questions that are lost are few.
#   dev (rawudp, lwm2m-device) ---- gw (relay, interception) ---- srv (lwm2m-server cloud .10, field .20)
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2317 # functions are called by `asking` and by eventually
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/capture.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

NET_PARENT=relay
# What may be on its way when somebody dies.
MOST=40
declare -A PORT=()

conf() {
	relay_conf
	intercept_hosts
	section gateway main log_level debug
	section server cloud uri coap://cloud.example
	section server field uri coaps://field.example
	section listen lan interface lan0 intercept 1
	for d in "${!ASKS[@]}"; do section endpoint - name "$d" server cloud; done
	endpoint one field
}

none_runs() { ! pgrep -x lwgate-net >/dev/null; }
is_served() { table | grep -q tproxy; }

start() {
	relay_start
	want relay 'capture: UDP .* is captured'
}

# kept TEXT: ports and Locations are those of before.
kept() {
	local d
	for d in "${!PORT[@]}"; do
		same "$(route "$d" port) $(route "$d" location)" "${PORT[$d]}" "$1: source port and Location of $d"
	done
}

remember() {
	local d
	for d in "${!ASKS[@]}" one; do
		PORT[$d]="$(route "$d" port) $(route "$d" location)"
		case ${PORT[$d]} in [1-9]*' /rd/'*) ;; *) fail "no row of $d" ;; esac
	done
}

# The relay is dead: a moment with nobody.
killed() {
	stop relay KILL
	eventually 5 none_runs || fail 'lwgate-net outlives lwgated'
	sleep 0.3
}

sockets_of() { find "/proc/${NETNS_PID[relay]}/fd" -printf '%l\n' | grep socket: | sort | sha256sum; }

worker_killed() {
	local worker
	worker=$(net_worker)
	mark relay
	kill -KILL "$worker"
	want relay 'capture: UDP .* is captured'
	[ "$(net_worker)" != "$worker" ] || fail 'it is the same worker'
}

guard_killed() {
	kill -KILL "$(net_guard)"
	left relay
	STATUS=$?
	eventually 5 none_runs || fail 'the worker outlives its guard'
	sleep 0.3
}

both_killed() {
	local pids
	pids=$(net_pids)
	# shellcheck disable=SC2086 # words
	kill -KILL $pids "${NETNS_PID[relay]}"
	stop relay KILL
	sleep 0.3
}

remember_one() { PORT[one]="$(route one port) $(route one location)"; }

# captured_again TEXT: nothing goes past, nothing is lost.
captured_again() {
	asking true
	lost_most 0 "${!ASKS[@]}"
	same "${PASSED[4]} ${PASSED[6]}" '0 0' "$1: past the relay"
}

intercept_begin intercept-deaths
intercept_servers
askers_begin 5683
conf
start
askers_register
calling 198.51.100.20
device one 192.0.2.13
carried field one 198.51.100.20
eventually 10 is_saved one || fail 'one is not saved'
remember
asking true
lost_most 0 "${!ASKS[@]}"
same "${PASSED[4]} ${PASSED[6]}" '0 0' 'past the relay'
tell_asked d4 d6
claim 'nobody dies: all is captured, nothing is lost'

sockets=$(sockets_of)
asking worker_killed
lost_most "$MOST" d4 d6
lost_most 0 d4own d6own
tell_asked d4 d6 d4own
same "$(sockets_of)" "$sockets" 'sockets of lwgated'
kept 'worker killed'
operations field one
claim 'the worker is killed: another captures by the same sockets, no flow feels it'
# The rest is about those that do not know the relay.
unset 'ASKS[d4own]' 'ASKS[d6own]'

SETTLE=1 asking killed
lost_most "$MOST" d4 d6
if [ "${PASSED[4]}" -eq 0 ] || [ "${PASSED[6]}" -eq 0 ]; then fail 'this test is no test: nothing went past'; fi
tell_asked d4 d6
nothing_is_left 'lwgated is killed: the server answers itself, nothing is left'

SETTLE=1 asking start
lost_most "$MOST" d4 d6
tell_asked d4 d6
captured_again 'started again'
# A DTLS server may want another source port of who was killed.
mark field
tell one update
want field '^(updated|registered) one ' 30
remember_one
kept 'started again'
claim 'a new start goes on with the same flows, source ports and Locations'

SETTLE=1 asking guard_killed
lost_most "$MOST" d4 d6
[ "$STATUS" -ne 0 ] || fail 'lwgated left as if all were well'
seen relay 'capture: lwgate-net has ended; .* lwgated leaves' || fail 'lwgated does not say why'
tell_asked d4 d6
nothing_is_left "lwgate-net is killed: lwgated leaves with status $STATUS, nothing is left"
SETTLE=1 asking start
lost_most "$MOST" d4 d6
seen relay 'state: 5 flows are restored' || fail 'the table was not saved'
captured_again 'started again'
mark field
tell one update
want field '^updated one ' 30
kept 'lwgate-net killed, started again'
operations field one
claim 'a new start goes on where it was, also with DTLS'

SETTLE=1 asking both_killed
lost_most "$MOST" d4 d6
tell_asked d4 d6
[ -z "$(table)" ] || fail 'the table is there'
[ "$(rules4)$(rules6)" = 11 ] || fail 'this test is no test: no rule is left'
claim 'both are killed: the server answers itself'
start
captured_again 'a start over what was left'
[ "$(rules4)$(rules6)" = 11 ] || fail "rules: $(at gw ip rule show)"

relay_stop
nothing_is_left 'stopped in order: nothing is left'
pass
