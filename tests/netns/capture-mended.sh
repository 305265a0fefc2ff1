#!/bin/bash
# Claim: policy rules and local routes that somebody removes or replaces are there again, counted, and
# capture goes on; `nft flush ruleset` leaves our table, nobody else can change it; the fail-closed table
# is made again.
#   dev (rawudp) ---- gw (netdriver, lwgate-net) ---- srv (rawudp)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/capture.sh"
set -u

# mended COUNTS TEXT CMD..: the command does harm; it is counted, both families are captured.
mended() {
	local counts=$1 text=$2
	shift 2
	mark driver
	at gw "$@" || fail "$*"
	await driver "counts $counts " 5 || fail "$text: not counted as $counts"
	captured d1 192.0.2.11:40001 198.51.100.10:5683 "$text: mended, $counts, IPv4"
	captured d6 '[2001:db8:1::11]:40001' '[2001:db8:2::10]:5683' "$text: IPv6"
	[ "$(rules4)$(rules6)" = 11 ] || fail "$text: $(at gw ip rule show)"
}

# shellcheck disable=SC2317 # eventually calls it
is_alone4() { [ "$(rules4)" = 1 ]; }

capture_begin capture-mended
driver_start
sockets 5683
want_set 'listen lan0 5683 closed'
captured d1 192.0.2.11:40001 198.51.100.10:5683 'captured'
mended 'rules=1 routes=0' 'IPv4 rule removed' ip -4 rule del prio 568
mended 'rules=2 routes=0' 'IPv6 rule removed' ip -6 rule del prio 568
mended 'rules=2 routes=1' 'IPv4 route removed' ip -4 route del local default dev lo table 5683
mended 'rules=2 routes=2' 'IPv6 route removed' ip -6 route del local default dev lo table 5683
mended 'rules=2 routes=3' 'IPv4 route replaced' ip -4 route replace unreachable default table 5683
mended 'rules=2 routes=4' 'IPv6 route overtaken' ip -6 route add unreachable default table 5683 metric 1
mark driver
at gw ip link set lo down
at gw ip link set lo up
await driver 'counts rules=2 routes=[56] ' 5 || fail 'lo went and came: not mended'
captured d1 192.0.2.11:40001 198.51.100.10:5683 'lo went down and up: mended'
at gw ip -4 rule add iif lan0 fwmark 0x1/0x1 lookup 5683 prio 568
eventually 5 is_alone4 || fail 'a foreign rule in our place stays'
claim 'a foreign rule in our place is taken away'
before=$(table | grep -c tproxy)
at gw nft flush ruleset || fail 'flush ruleset'
[ "$(table | grep -c tproxy)" = "$before" ] || fail 'flush ruleset took our table'
await driver 'counts .* tables=1 ' 5 || fail 'the fail-closed table is not made again'
captured d1 192.0.2.11:40001 198.51.100.10:5683 'nft flush ruleset leaves our table'
at gw nft list table inet lwgate_closed | grep -q drop || fail 'the fail-closed table is empty'
claim 'the fail-closed table, which it took, is made again'
mark driver
at gw nft flush chain inet lwgate_closed forward
await driver 'counts .* tables=2 ' 5 || fail 'the fail-closed table is not filled again'
claim 'and filled again'
for what in 'delete table inet lwgate' 'flush table inet lwgate' 'add chain inet lwgate x'; do
	# shellcheck disable=SC2086 # words
	at gw nft $what 2>"$WORK/refused" && fail "somebody else may: $what"
	grep -q 'not permitted' "$WORK/refused" || fail "$(cat "$WORK/refused")"
done
claim 'nobody else can delete, empty, or add to our table'
table | grep -q 'progname lwgate-net' || fail 'nft does not name the owner'
table >"$WORK/table"
for what in 'flags owner' 'iifname @interfaces0 udp dport @ports0' 'tproxy to :5683' 'notrack'; do
	grep -q "$what" "$WORK/table" || fail "nft list shows no: $what"
done
claim 'nft list table inet lwgate shows it all'
absent driver '^gone' || fail 'lwgate-net died'
pass
