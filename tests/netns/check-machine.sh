#!/bin/bash
# Claim: `lwgate check` tells which chain of another table drops what is to be captured; after the
# command that it prints, run as printed, it says so no more, and says the rest as before; so it is with the
# line that lasts, where fw4 includes it.
#   gw: tables of others, no traffic
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
set -u

netns_begin check-machine
netns_add gw
conf=$WORK/lwgate.conf
printf '%s\n' "config server 'cloud'" "	option uri 'coap://198.51.100.10'" "config listen 'lan'" \
	"	list interface 'br-lan'" "	option intercept '1'" >"$conf"

# looks [OPTION]: what is said of the configuration here.
looks() { at gw "$BUILD/lwgate" "$@" check "$conf" >"$WORK/said" 2>&1 || fail "$(cat "$WORK/said")"; }
warns() { grep -c 'warning: on this machine, chain' "$WORK/said"; }

looks
[ "$(warns)" = 0 ] || fail "without other tables: $(cat "$WORK/said")"

at gw nft -f - <<'RULES' || fail 'no tables'
table inet fw4 {
	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state vmap { established : accept, related : accept }
		iifname "br-lan" jump input_lan
		jump handle_reject
	}
	chain input_lan {
		udp dport 53 accept
	}
	chain handle_reject {
		reject
	}
}
table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy drop;
	}
}
RULES
looks
[ "$(warns)" = 2 ] || fail "two chains drop: $(cat "$WORK/said")"
grep -q "^$conf:3: warning: on this machine, chain 'input' of table 'inet fw4' drops " "$WORK/said" ||
	fail "no place, or no chain: $(cat "$WORK/said")"

# nft 1.0.6 ends its JSON of all tables at one that has flags, or says what is not so. Ours has an owner.
at gw nft 'add table inet aside { flags dormant; }; add table inet aside2 { flags dormant; }' || fail 'no flags'
looks
[ "$(warns)" = 2 ] || fail "beside a table with flags: $(cat "$WORK/said")"
at gw nft 'delete table inet aside; delete table inet aside2'
looks --json
grep -q '"severity":"warning".*nft insert rule inet fw4' "$WORK/said" || fail "JSON: $(cat "$WORK/said")"

looks
sed -n 's/.*right is: \(nft insert .*\); and, to last, .*$/\1/p' "$WORK/said" >"$WORK/mend"
sed -n "s|.* && echo '\\(.*\\)' >/usr/share/nftables.d/chain-pre/input/lwgate.nft\$|\\1|p" "$WORK/said" >"$WORK/lwgate.nft"
[ "$(wc -l <"$WORK/mend")" = 2 ] || fail "two commands: $(cat "$WORK/mend")"
while read -r command; do
	left=$(warns)
	at gw sh -c "$command" || fail "$command"
	looks
	[ "$(warns)" = $((left - 1)) ] || fail "after $command: $(cat "$WORK/said")"
done <"$WORK/mend"

[ "$(wc -l <"$WORK/lwgate.nft")" = 1 ] || fail "no line to last: $(cat "$WORK/said")"
at gw nft -f - <<RULES || fail 'the line to last is none'
delete table ip filter
delete table inet fw4
table inet fw4 {
	chain input {
		type filter hook input priority filter; policy drop;
		include "$WORK/lwgate.nft"
		reject
	}
}
RULES
looks
[ "$(warns)" = 0 ] || fail "after a restart of the firewall: $(cat "$WORK/said")"

pass
