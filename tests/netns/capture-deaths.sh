#!/bin/bash
# Claim: whatever of us dies, nothing remains that harms traffic, and what is left starts again: a worker
# that is killed is replaced, though lwgated has no right left; the guard's or lwgated's end ends all;
# leftovers of a kill are taken over; a second instance is told why; what lacks a right says which.
#   dev (rawudp) ---- gw (netdriver, lwgate-net) ---- srv (rawudp)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/capture.sh"
set -u

D1='d1 192.0.2.11:40001 198.51.100.10:5683'
D6='d6 [2001:db8:1::11]:40001 [2001:db8:2::10]:5683'

begin() {
	driver_start
	sockets 5683
	want_set 'listen lan0 5683'
	# shellcheck disable=SC2086 # words
	captured $D1 "${1:-captured}"
}

ended() { # TEXT: no lwgate-net runs, nothing is left but a policy rule with our mark
	eventually 5 none_runs || fail "$1: it still runs"
	[ -z "$(table)" ] || fail "$1: the table is there"
	# shellcheck disable=SC2086
	forwarded $D1 "$1: forwarded as ever"
	# shellcheck disable=SC2086
	forwarded $D6 'IPv6 too'
}
# shellcheck disable=SC2317 # eventually calls it
none_runs() { ! pgrep -x lwgate-net >/dev/null; }

status() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }

capture_begin capture-deaths
begin
for pid in $(net_pids); do
	[ "$(status "$pid" CapEff)$(status "$pid" CapPrm)" = 00000000000010000000000000001000 ] ||
		fail "rights of $pid: $(status "$pid" CapEff)"
	[ "$(status "$pid" CapInh)$(status "$pid" CapAmb)" = 00000000000000000000000000000000 ] ||
		fail "rights of $pid to pass on"
	[ "$(status "$pid" NoNewPrivs)$(status "$pid" Seccomp)" = 12 ] || fail "$pid: no filter"
	[ "$(stat -c %u "/proc/$pid/fd")" = 0 ] || fail "$pid may be dumped"
done
[ "$(status "${NETNS_PID[driver]}" CapPrm)" = 0000000000000000 ] || fail 'the driver kept rights'
[ "$(id -u)" -ne 0 ] || [ ! -e /proc/self/uid_map ] || user=$(status "$(net_worker)" Uid | cut -f 1)
claim "lwgate-net has CAP_NET_ADMIN alone, no_new_privs, a filter, uid ${user:-?}; the driver has no right"

mark driver
worker=$(net_worker)
kill -KILL "$worker"
want driver '^ready$'
[ "$(net_worker)" != "$worker" ] || fail 'it is the same worker'
claim 'the worker is killed: the guard starts another one'
# shellcheck disable=SC2086
forwarded $D1 'which captures nothing until it is told to'
want_set
# shellcheck disable=SC2086
captured $D1 'then the sockets of before work on'
mark driver
kill -TERM "$(net_worker)"
want driver '^ready$'
want_set
# shellcheck disable=SC2086
captured $D1 'a worker that is told to end is replaced as well'
mark driver
kill -KILL "$(net_guard)"
want driver '^gone lwgate-net has ended'
eventually 5 none_runs || fail 'the worker outlives its guard'
nothing_is_left 'the guard is killed: its worker takes all away'
tell driver 'drop 0'
stop driver

begin 'a new start captures'
stop driver KILL
ended 'lwgated is killed'
nothing_is_left 'and nothing is left'

begin 'a new start captures'
pids=$(net_pids)
# shellcheck disable=SC2086
kill -KILL $pids "${NETNS_PID[driver]}"
stop driver KILL
ended 'all are killed'
[ "$(rules4)$(rules6)" = 11 ] || fail 'this test is no test: no rule is left'
at gw ip -4 rule add iif lan9 fwmark 0x40/0x40 lookup 5683 prio 568
at gw ip -4 route replace unreachable default table 5683
begin 'a start over its leftovers captures'
# shellcheck disable=SC2086
captured $D6 'IPv6 too'
[ "$(rules4)$(rules6)" = 11 ] || fail "leftovers: $(at gw ip rule show)"
claim 'and clears those that are not wanted'

run gw second "$BUILD/tests/netdriver" "${NET:-$BUILD/lwgate-net}"
tell second wake
want second '^gone another process owns the table inet lwgate'
claim "a second one is told: ${SEEN#gone }"
stop second
# shellcheck disable=SC2086
captured $D1 'the first one goes on'
mark driver
tell driver 'stop all'
want driver '^stopped'
nothing_is_left 'told to leave, it takes everything away'
eventually 5 none_runs || fail 'it still runs'
stop driver

begin
mark driver
tell driver junk
want driver '^gone a message that can not be read'
eventually 5 none_runs || fail 'it still runs'
nothing_is_left 'a message that can not be read ends it, in order'
stop driver
begin
mark driver
tell driver without
want driver '^gone a message that can not be read'
eventually 5 none_runs || fail 'it still runs'
nothing_is_left 'so does a socket that is announced and does not come'
stop driver
driver_start
tell driver other
want driver '^gone lwgated and lwgate-net are of different versions'
claim 'another version is named'
stop driver

driver_start
tell driver 'mark 0 0' 'listen lan0 5683' set
want driver '^done 1 22 mark'
[ "$(table | grep -c chain)$(rules4)" = 00 ] || fail 'a wanted state that was refused changed something'
claim 'a wanted state that can not be is refused, and nothing is changed'
stop driver

if ldd "$BUILD/lwgated" | grep -q nftables; then fail 'lwgated is joined with libnftables'; fi
if grep -qa wolfSSL_ "$BUILD/lwgate-net"; then fail 'lwgate-net is joined with wolfSSL'; fi
ldd "$BUILD/lwgate-net" | grep -q nftables || fail 'this test is no test'
grep -qa wolfSSL_ "$BUILD/lwgated" || fail 'this test is no test'
claim 'no program is joined with both libnftables and wolfSSL'

run gw bare setpriv --bounding-set -net_admin --inh-caps -net_admin "$BUILD/tests/netdriver" "${NET:-$BUILD/lwgate-net}"
want bare '^gone the right CAP_NET_ADMIN is missing; .*setcap'
claim "without it: ${SEEN#gone }"
pass
