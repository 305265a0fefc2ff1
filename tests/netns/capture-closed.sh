#!/bin/bash
# Claim: with `without_relay` open, captured traffic is forwarded while nobody serves; with closed it is
# dropped, whoever was killed, and nothing else is; a start over the closed table serves at once; an
# orderly stop leaves it or takes it away, as told; known servers alone are captured where narrow.
#   dev (rawudp) ---- gw (netdriver, lwgate-net) ---- srv (rawudp)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/capture.sh"
set -u

D1='d1 192.0.2.11:40001 198.51.100.10:5683'
D6='d6 [2001:db8:1::11]:40001 [2001:db8:2::10]:5683'
LISTEN='listen lan0 5683,5684 narrow 198.51.100.10,2001:db8:2::10'

begin() { # OPTION
	driver_start
	sockets 5683
	want_set "$LISTEN $1"
	# shellcheck disable=SC2086 # words
	captured $D1 "${1:-open}: captured"
}

kill_all() {
	local pids
	pids=$(net_pids)
	# shellcheck disable=SC2086
	kill -KILL $pids "${NETNS_PID[driver]}"
	stop driver KILL
	eventually 5 is_gone_table || fail 'the table is there'
}

dropped() { # TEXT
	# shellcheck disable=SC2086
	lost_on_way $D1 "$1: dropped"
	# shellcheck disable=SC2086
	lost_on_way $D6 "$1: dropped, IPv6"
}

open() { # TEXT
	# shellcheck disable=SC2086
	forwarded $D1 "$1: forwarded"
	# shellcheck disable=SC2086
	forwarded $D6 "$1: forwarded, IPv6"
}

capture_begin capture-closed
netns_address srv wan 198.51.100.11/24 2001:db8:2::11/64
run srv other "$BUILD/tests/rawudp" 198.51.100.11:5683
want other '^ready'
elsewhere() {
	mark other
	calls d1 192.0.2.11:40001 198.51.100.11:5683
	want other " $HEX\$"
	absent driver '^got ' || fail 'an unknown server is captured'
	claim "$1: an unknown server's is forwarded"
}
begin ''
elsewhere open
kill_all
open 'open, all killed'
begin closed
elsewhere closed
calls d1 192.0.2.11:40001 198.51.100.10:5684
eventually 5 eval 'at gw nft list table inet lwgate_closed | grep -q "counter packets [1-9]"' ||
	fail 'a port that nobody serves is not dropped'
claim 'closed: a captured port without a socket is dropped'
mark driver
kill -KILL "$(net_worker)"
want driver '^ready$' 5
dropped 'closed, the worker killed, another one is there without a wanted state'
want_set
# shellcheck disable=SC2086
captured $D1 'then it is captured'
kill_all
dropped 'closed, all killed'
elsewhere 'closed, all killed'
begin closed
stop driver KILL
eventually 5 is_gone_table || fail 'the table is there'
dropped 'closed, lwgated killed'
begin closed
tell driver 'stop keep'
want driver '^stopped'
stop driver
dropped 'closed, stopped in order, to be kept'
begin closed
tell driver 'stop all'
want driver '^stopped'
stop driver
open 'closed, stopped in order, to be taken away'
begin closed
tell driver clear
want_set "$LISTEN"
at gw nft list tables | grep -q lwgate_closed && fail 'a table that is not wanted stays'
claim 'closed, then open by a reload: the table is gone'
tell driver clear
want_set
open 'nothing is wanted any more'
[ "$(rules4)$(rules6)" = 00 ] || fail 'a rule is left'
want_set "$LISTEN"
# shellcheck disable=SC2086
captured $D1 'turned on again'
pass
