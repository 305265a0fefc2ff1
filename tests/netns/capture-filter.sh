#!/bin/bash
# Claim: capture works with each rp_filter, with src_valid_mark 0 and 1, with a mark of one's own beside
# other marks, and, once the mark is accepted there, behind an input policy that drops.
#   dev (rawudp) ---- gw (netdriver, lwgate-net) ---- srv (rawudp)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/capture.sh"
set -u

set_all() { # NAME VALUE
	local name
	for name in all default lan0 wan0 lo; do
		at gw sysctl -qw "net.ipv4.conf.$name.$1=$2" || fail "no $1"
	done
}

capture_begin capture-filter
driver_start
sockets 5683
want_set 'listen lan0 5683'
for valid in 0 1; do
	for filter in 0 1 2; do
		set_all src_valid_mark $valid
		set_all rp_filter $filter
		captured d1 192.0.2.11:40001 198.51.100.10:5683 \
			"src_valid_mark $valid, rp_filter $filter: IPv4 is captured"
	done
done
captured d6 '[2001:db8:1::11]:40001' '[2001:db8:2::10]:5683' 'and IPv6 is'
at gw ip rule add fwmark 0x8000000/0x8000000 lookup 5683 prio 567
at gw ip rule del iif lan0 fwmark 0x8000000/0x8000000 lookup 5683 prio 568
eventually 5 grep -q 'rules=1' "$WORK/driver.log" || fail 'it is not mended'
at gw ip rule del fwmark 0x8000000/0x8000000 lookup 5683 prio 567
claim 'a rule of somebody else with our mark does not stand in for ours'
want_set 'mark 0x10 0xf0'
captured d1 192.0.2.11:40001 198.51.100.10:5683 'another mark and mask'
[ "$(rules4)$(rules6)" = 11 ] || fail 'a rule of the old mark is left'
claim 'no rule of the old mark is left'
at gw nft -f - <<'END' || fail 'no filter'
table inet fw {
	chain first {
		type filter hook prerouting priority raw - 1; policy accept;
		meta mark set 0x3f00
	}
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		meta l4proto ipv6-icmp accept
		meta mark & 0xff00 != 0x3f00 counter
	}
}
END
lost_in_input() { # TO
	calls d1 192.0.2.11:40001 "$1"
	eventually 5 dropped || fail 'nothing came to the input hook'
	absent driver '^got ' || fail 'a policy that drops let it in'
}
# shellcheck disable=SC2317 # eventually calls it
dropped() { [ "$(table | sed -n 's/.*counter packets \([0-9]*\).*/\1/p')" -gt "$before" ]; }
before=$(table | sed -n 's/.*counter packets \([0-9]*\).*/\1/p')
lost_in_input 198.51.100.10:5683
claim 'a policy that drops input drops what is captured'
at gw nft add rule inet fw input meta mark '&' 0xf0 == 0x10 accept
captured d1 192.0.2.11:40001 198.51.100.10:5683 'until the mark is accepted there'
captured d6 '[2001:db8:1::11]:40001' '[2001:db8:2::10]:5683' 'over IPv6 too'
at gw nft list chain inet fw input | grep -q 'counter packets 0 ' || fail 'bits of another mark were lost'
claim 'the other bits of the mark stay as they were'
pass
