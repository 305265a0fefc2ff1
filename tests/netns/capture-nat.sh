#!/bin/bash
# Claim: a flow that was forwarded before, with masquerading, is taken over: the device's own address is
# seen at once, its old conntrack entry is gone, other entries and the router's own are not. When all of
# us is killed it is masqueraded again at its next packet, as if we had never been.
#   dev (rawudp) ---- gw (masquerades on wan0; netdriver, lwgate-net) ---- srv (rawudp)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/capture.sh"
set -u

# behind_nat DEV FROM TO TEXT: as forwarded, and the server sees the router's address.
behind_nat() {
	forwarded "$@"
	seen server '^198\.51\.100\.1:' || fail "$4: the server sees no masqueraded address: $SEEN"
}
entries() { at gw cat /proc/net/nf_conntrack | grep -c "$1"; }
# one_entry TEXT ERE: is it there?
one_entry() { [ "$(entries "$2")" = 1 ] || fail "$1: $(at gw cat /proc/net/nf_conntrack)"; }

capture_begin capture-nat
at gw nft -f - <<'END' || fail 'no masquerading'
table ip nat {
	chain post {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan0" masquerade
	}
}
END
behind_nat d1 192.0.2.11:40001 198.51.100.10:5683 'before: masqueraded'
calls d2 192.0.2.12:40002 198.51.100.10:6000
want serverb " $HEX\$"
run gw own "$BUILD/tests/rawudp" 198.51.100.1:40003 198.51.100.10:5683
want own '^ready'
mark server
tell own 5001aaaa
want server '^198\.51\.100\.1:40003 5001aaaa'
one_entry 'the flow is not tracked' 'src=192.0.2.11 .* dport=5683 '
one_entry "the router's own is not tracked" 'src=198.51.100.1 .* sport=40003 dport=5683 '
driver_start
sockets 5683
want_set 'listen lan0 5683'
want driver 'counts .* flows=1$'
claim 'one entry was deleted'
one_entry "the router's own flow lost its entry" 'src=198.51.100.1 .* sport=40003 dport=5683 '
one_entry 'a flow beside it lost its entry' 'src=192.0.2.12 .* dport=6000 '
claim "the router's own towards the server, and one beside it, are there"
captured d1 192.0.2.11:40001 198.51.100.10:5683 "the device's address is seen, not the router's"
captured d1 192.0.2.11:40001 198.51.100.10:5683 'again'
[ "$(entries 'src=192.0.2.11 .* dport=5683 ')" = 0 ] || fail 'a captured flow is tracked'
claim 'a captured flow has no entry'
pids=$(net_pids)
# shellcheck disable=SC2086 # words
kill -KILL "${NETNS_PID[driver]}" $pids
stop driver KILL
eventually 5 is_gone_table || fail 'the table is still there'
behind_nat d1 192.0.2.11:40001 198.51.100.10:5683 'all killed: masqueraded again'
pass
