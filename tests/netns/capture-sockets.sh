#!/bin/bash
# Claim: until it is woken lwgate-net is one process with nothing in the kernel, and goes with lwgated;
# lwgated's own sockets are made transparent, before capture or under it; whatever is no UDP socket is
# refused and harms nothing; a worker that takes a killed one's place needs no socket again.
#   dev (rawudp) ---- gw (netdriver, lwgate-net) ---- srv (rawudp)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/capture.sh"
set -u

D1='d1 192.0.2.11:40001 198.51.100.10:5683'
D6='d6 [2001:db8:1::11]:40001 [2001:db8:2::10]:5683'

# shellcheck disable=SC2317 # eventually calls them
none_runs() { ! pgrep -x lwgate-net >/dev/null; }
# shellcheck disable=SC2317
guard_waits() { [ "$(net_pids | wc -l)" = 1 ] && grep -q '^Seccomp:.*2' "/proc/$(net_guard)/status"; }

sleeps() {
	mark driver
	driver_sleeps
	tell driver 'open 5683 4' 'open 5683 6'
	want driver '^open 2 5683 v6 held'
	eventually 5 guard_waits || fail "it does not sleep: $(net_pids)"
}

capture_begin capture-sockets
sleeps
captured d1 192.0.2.11:40001 192.0.2.1:5683 'asleep: the socket serves the gateway itself'
# shellcheck disable=SC2086 # words
forwarded $D1 'and nothing is captured'
[ "$(net_pids | wc -l)" = 1 ] || fail "processes: $(net_pids)"
nothing_is_left 'one process, nothing in the kernel'
# A worker, even one that is to end at once, would take this rule for a dead predecessor's.
at gw ip rule add prio 568 fwmark 0x1/0x1 lookup 5683
mark driver
tell driver 'stop all'
want driver '^stopped'
eventually 5 none_runs || fail 'it still runs'
[ "$(rules4)" = 1 ] || fail 'a worker was started to stop'
claim 'it is stopped without ever having had a worker'
stop driver
sleeps
stop driver KILL
eventually 5 none_runs || fail 'it outlives lwgated'
[ "$(rules4)" = 1 ] || fail 'a worker was started to end'
claim 'asleep, it goes with lwgated'
sleeps
kill -TERM "$(net_guard)"
want driver '^gone lwgate-net has ended'
[ "$(rules4)" = 1 ] || fail 'a worker was started to end'
claim 'asleep, it ends when it is told to'
stop driver
at gw ip rule del prio 568

sleeps
mark driver
tell driver wake
want driver '^ready$'
[ "$(net_pids | wc -l)" = 2 ] || fail "processes: $(net_pids)"
claim 'woken, it has a worker'
want_set 'listen lan0 5683'
# shellcheck disable=SC2086
forwarded $D1 'rules without a transparent socket capture nothing'
mark driver
tell driver 'bless 5683'
want driver '^socket 1 transparent'
want driver '^socket 2 transparent'
# shellcheck disable=SC2086
captured $D1 'the socket that was open all the time captures once it is transparent'
# shellcheck disable=SC2086
captured $D6 'IPv6 too'
id=2
for what in tcp unix file; do
	id=$((id + 1))
	mark driver
	tell driver "pass $what"
	want driver "^socket $id Invalid argument"
done
# shellcheck disable=SC2086
captured $D1 'TCP, unix, and what is no socket are refused, one by one, and capture goes on'
worker=$(net_worker)
mark driver
tell driver wake
want driver '^ready$'
[ "$(net_worker)" = "$worker" ] || fail 'it is another worker'
claim 'woken again, it answers, with the same worker'
mark driver
kill -KILL "$worker"
want driver '^ready$'
want_set
# shellcheck disable=SC2086
captured $D1 'a killed worker is replaced: the sockets are transparent still'
# shellcheck disable=SC2086
captured $D6 'IPv6 too'
absent driver '^socket ' || fail 'a socket was sent again'
before=$(find "/proc/$(net_worker)/fd" 2>/dev/null | wc -l)
[ "$before" -gt 3 ] || fail 'this test is no test: its descriptors are not seen'
mark driver
tell driver 'bless 0' 'pass file'
want driver "^socket $((id + 1)) "
[ "$(find "/proc/$(net_worker)/fd" 2>/dev/null | wc -l)" = "$before" ] || fail 'a copy of a socket stays open'
claim 'the worker keeps no copy'
stop driver

sleeps
mark driver
tell driver 'listen lan0 5683' 'bless 0' set
want driver '^done 1 0 '
seen driver '^ready$' || fail 'it is not ready'
# shellcheck disable=SC2086
captured $D1 'a socket or a wanted state wakes it as well'
pass
