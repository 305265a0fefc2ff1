#!/bin/bash
# Claim: what somebody removes of ours in the kernel is there again, and traffic goes on: policy rules, local
# routes, the table that drops while nobody serves; each is counted in `lwgate metrics` and told in the log.
# `nft flush ruleset` takes our table not.
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
# What may be on its way until it is mended.
MOST=40

counts() { echo "$(counted capture_rules) $(counted capture_routes) $(counted capture_tables)"; }

# mended RULES ROUTES TABLES TEXT CMD..: the command does harm under traffic; that is counted so.
mended() {
	local rules=$1 routes=$2 tables=$3 wanted="$1 $2 $3" text=$4
	shift 4
	mark relay
	asking at gw "$@"
	eventually 5 is counts = "$wanted" || fail "$text: counted as $(counts), not $wanted"
	want relay "warning: capture: somebody removed .* mended \\($rules policy rules, $routes routes, $tables tables so far"
	lost_most "$MOST" d4 d6
	lost_most 0 d4own d6own
	tell_asked d4 d6
	whole "$text"
	claim "$text: mended; rules, routes, tables so far: $wanted"
}

# whole TEXT: all is captured, and nothing is there twice.
whole() {
	[ "$(rules4)$(rules6)" = 11 ] || fail "$1: $(at gw ip rule show)"
	asking true
	lost_most 0 "${!ASKS[@]}"
	same "${PASSED[4]} ${PASSED[6]}" '0 0' "$1: past the relay"
}

intercept_begin intercept-mended
intercept_servers
askers_begin 5683
relay_conf
section gateway main log_level debug
section server cloud uri coap://cloud.example
intercept_hosts
section listen lan interface lan0 intercept 1 without_relay closed
for d in "${!ASKS[@]}"; do section endpoint - name "$d" server cloud; done
relay_start
want relay 'capture: UDP .* is captured'
askers_register
mended 1 0 0 'IPv4 rule removed' ip -4 rule del prio 568
mended 2 0 0 'IPv6 rule removed' ip -6 rule del prio 568
mended 2 1 0 'IPv4 route removed' ip -4 route del local default dev lo table 5683
mended 2 2 0 'IPv6 route removed' ip -6 route del local default dev lo table 5683
mended 2 3 0 'IPv4 route replaced' ip -4 route replace unreachable default table 5683
mended 2 4 0 'IPv6 route overtaken' ip -6 route add unreachable default table 5683 metric 1
mended 2 4 1 'closed table removed' nft delete table inet lwgate_closed
mended 2 4 2 'closed table emptied' nft flush chain inet lwgate_closed forward

# It takes the counters of this test as well.
mark relay
at gw nft flush ruleset
askers_count
table | grep -q tproxy || fail 'nft flush ruleset took our table'
want relay 'warning: capture: somebody removed .* mended \(2 policy rules, 4 routes, 3 tables so far'
same "$(counts)" '2 4 3' 'counted'
whole 'nft flush ruleset'
claim 'nft flush ruleset: our table stays, the closed one is there again'
for what in 'delete table inet lwgate' 'flush table inet lwgate'; do
	# shellcheck disable=SC2086 # words
	at gw nft $what 2>/dev/null && fail "somebody may: $what"
done
claim 'nobody else can delete or empty our table'
stop relay KILL
eventually 5 is_gone_table || fail 'the table is there'
asking true
same "${PASSED[4]} ${PASSED[6]}" '0 0' 'past the relay'
[ "${LOST[d4]}" = "${SENT[d4]}" ] || fail 'somebody answers'
claim 'the closed table that was made again drops'
pass
