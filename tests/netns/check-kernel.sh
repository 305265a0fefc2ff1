#!/bin/bash
# Claim: `lwgate check` asks the kernel, through nft, for what interception needs, and changes nothing; it
# names what is missing and the package that has it, and says what it may not look at. An nft that never ends,
# or never stops talking, keeps it for seconds only, and is ended.
#   gw: nft as it is, and programs in its place; no traffic
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
set -u

netns_begin check-kernel
netns_add gw
conf=$WORK/lwgate.conf
printf '%s\n' "config server 'cloud'" "	option uri 'coap://198.51.100.10'" "config listen 'lan'" \
	"	list interface 'br-lan'" "	option intercept '1'" >"$conf"

says() { grep -q -- "$1" "$WORK/said" || fail "no '$1' in: $(cat "$WORK/said")"; }
says_not() { ! grep -q -- "$1" "$WORK/said" || fail "'$1' in: $(cat "$WORK/said")"; }

at gw "$BUILD/lwgate" check "$conf" >"$WORK/said" 2>&1 || fail "$(cat "$WORK/said")"
says_not warning
[ -z "$(at gw nft list ruleset)" ] || fail "it left rules: $(at gw nft list ruleset)"

# Without any right.
at gw setpriv --bounding-set=-all --inh-caps=-all "$BUILD/lwgate" check "$conf" >"$WORK/said" 2>&1 ||
	fail "$(cat "$WORK/said")"
says 'so they were not looked at; right is lwgate check as root$'

# in_place_of_nft LINE..: what is said where nft is this shell script; its calls are in WORK/calls.
in_place_of_nft() {
	printf '%s\n' '#!/bin/sh' "echo \"\$\$ \$*\" >>'$WORK/calls'" "$@" >"$WORK/nft"
	chmod 755 "$WORK/nft"
	: >"$WORK/calls"
	# shellcheck disable=SC2016 # the inner shell expands it
	at gw sh -c 'mount --bind "$0" "$1" && shift && exec "$@"' "$WORK/nft" "$(command -v nft)" \
		"$BUILD/lwgate" check "$conf" >"$WORK/said" 2>&1 || fail "$(cat "$WORK/said")"
}
# ended: none of them is there any more.
ended() {
	local pid
	while read -r pid _; do
		! kill -0 "$pid" 2>/dev/null || fail "nft is still there: $pid"
	done <"$WORK/calls"
}
empty='echo "{\"nftables\":[]}"'

in_place_of_nft 'case "$*" in *tproxy*) exit 1 ;; esac' "$empty"
says "^$conf:3: warning: on this machine, the kernel lacks nft_tproxy, .*(OpenWrt: kmod-nft-tproxy; "
[ "$(grep -c 'the kernel lacks' "$WORK/said")" = 1 ] || fail "more is missing: $(cat "$WORK/said")"

in_place_of_nft 'case "$*" in *"fib "* | *notrack*) exit 1 ;; esac' "$empty"
says 'the kernel lacks nft_fib_inet, '
says 'the kernel lacks nft_ct, '
[ "$(grep -c 'the kernel lacks' "$WORK/said")" = 2 ] || fail "more is missing: $(cat "$WORK/said")"

in_place_of_nft 'exec sleep 1000'
says 'nft did not list the rules of nftables in time'
ended
in_place_of_nft "$empty" 'exec >&-' 'exec sleep 1000'
says 'nft did not list the rules of nftables in time'
ended
in_place_of_nft 'exec cat /dev/zero'
says 'there are too many rules of nftables'
ended
# It is not asked again and again.
in_place_of_nft 'case "$*" in *-c*) exec sleep 1000 ;; esac' "$empty"
[ "$(wc -l <"$WORK/calls")" = 2 ] || fail "calls: $(cat "$WORK/calls")"
ended

# No nft at all.
# shellcheck disable=SC2016 # the inner shell expands it
at gw sh -c 'mount -t tmpfs none "$0" && exec "$@"' "$(dirname "$(realpath "$(command -v nft)")")" \
	"$BUILD/lwgate" check "$conf" >"$WORK/said" 2>&1 || fail "$(cat "$WORK/said")"
says 'there is no nft'

pass
