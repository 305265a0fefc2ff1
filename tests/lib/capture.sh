# shellcheck shell=bash
# Shell functions for tests of capture: lwgate-net in the namespace gw, driven by netdriver, which
# echoes what is captured; sourced behind netns.sh.
#
# capture_begin NAME             netns_three with forwarding on; raw ends "server" (198.51.100.10) and
#                                "server6" that print what reaches them, and answer nothing
# driver_sleeps                  netdriver as program "driver"; its lwgate-net has no worker yet
# driver_start                   that, woken, ready when it returns
# want_set LINE..                sends lines to it (listen .., bless ..) and `set`; waits for done 0
# sockets PORT..                 opens sockets of both families, and has them made transparent
# calls DEV FROM TO              a raw end DEV at FROM (ADDRESS:PORT); it sends a new datagram to TO
# captured DEV FROM TO TEXT      that comes back from TO, and the driver saw FROM and TO
# forwarded DEV FROM TO TEXT     that reaches the server as it is, or behind NAT, and not the driver
# lost_on_way DEV FROM TO TEXT   that reaches neither
# net_pids                       guard and worker of lwgate-net, one a line; NET_PARENT is the program that
#                                started it, where that is not driver
# table                          our table as nft lists it
# claim TEXT                     prints what was just shown

CLAIMS=0
SERIAL=4096
declare -gA CAPTURE_ENDS=()

claim() {
	CLAIMS=$((CLAIMS + 1))
	echo "     $*"
}

capture_begin() {
	netns_begin "$1"
	netns_three
	at gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 || fail 'no forwarding'
	run srv server "$BUILD/tests/rawudp" 198.51.100.10:5683
	run srv server6 "$BUILD/tests/rawudp" '[2001:db8:2::10]:5683'
	want server '^ready'
	want server6 '^ready'
	run srv serverb "$BUILD/tests/rawudp" 198.51.100.10:6000
	run srv server6b "$BUILD/tests/rawudp" '[2001:db8:2::10]:6000'
	want serverb '^ready'
	want server6b '^ready'
}

driver_sleeps() {
	run gw driver "$BUILD/tests/netdriver" "${NET:-$BUILD/lwgate-net}"
}

driver_start() {
	mark driver
	driver_sleeps
	tell driver wake
	want driver '^ready$'
}

sockets() {
	local port
	for port in "$@"; do
		tell driver "open $port 4" "open $port 6" "bless $port"
	done
}

want_set() {
	mark driver
	tell driver "$@" set || fail 'the driver has ended'
	await driver '^done ' 10 || fail "no answer to: $*"
	case $SEEN in
	*' 0 ') ;;
	*) fail "refused: $SEEN" ;;
	esac
}

calls() {
	local key="$2"
	if [ "${CAPTURE_ENDS[$1]:-}" != "$key" ]; then
		stop "$1"
		mark "$1"
		run dev "$1" "$BUILD/tests/rawudp" "$2"
		want "$1" '^ready'
		CAPTURE_ENDS[$1]=$key
	fi
	SERIAL=$((SERIAL + 1))
	HEX=$(printf '5001%04x' "$SERIAL")${MORE:-}
	mark "$1" driver server server6
	tell "$1" "$3 $HEX" || fail "$1 has ended"
}

escaped() {
	local text=${1//./\\.}
	text=${text//[/\\[}
	echo "${text//]/\\]}"
}

captured() {
	calls "$@"
	await driver "^got $(escaped "$2") called $(escaped "$3") " 5 || fail "$4: the driver got nothing"
	await "$1" "^$(escaped "$3") $HEX\$" 5 || fail "$4: no answer from $3"
	absent server . || fail "$4: something reached the server: $SEEN"
	absent server6 . || fail "$4: something reached the server: $SEEN"
	claim "$4"
}

reached() { seen server " $1\$" || seen server6 " $1\$"; }

forwarded() {
	calls "$@"
	eventually 5 reached "$HEX" || fail "$4: nothing reached the server"
	absent driver '^got ' || fail "$4: the driver got it too"
	claim "$4"
}

# The probe was sent later on the same way, to a port that nobody captures: it has come, so this has not.
lost_on_way() {
	calls "$@"
	local lost=$HEX name=server
	case $3 in *]:*) name=server6b ;; *) name=serverb ;; esac
	SERIAL=$((SERIAL + 1))
	HEX=$(printf '5001%04x' "$SERIAL")
	mark $name
	case $name in
	serverb) tell "$1" "198.51.100.10:6000 $HEX" ;;
	*) tell "$1" "[2001:db8:2::10]:6000 $HEX" ;;
	esac
	want $name " $HEX\$"
	if reached "$lost"; then fail "$4: it reached the server"; fi
	absent driver '^got ' || fail "$4: the driver got it"
	claim "$4"
}

# The child of whoever started it, and its child.
net_pids() {
	local pid=${NETNS_PID[${NET_PARENT:-driver}]:-0}
	pid=$(pgrep -P "$pid" -x lwgate-net) || return 1
	echo "$pid"
	pgrep -P "$pid" -x lwgate-net
}
net_guard() { net_pids | sed -n 1p; }
net_worker() { net_pids | sed -n 2p; }

table() { at gw nft list table inet lwgate 2>/dev/null; }
rules4() { at gw ip -4 rule show | grep -c 'lookup 5683'; }
rules6() { at gw ip -6 rule show | grep -c 'lookup 5683'; }
route4() { at gw ip -4 route show table 5683 2>/dev/null; }
route6() { at gw ip -6 route show table 5683 2>/dev/null; }

is_gone_table() { [ -z "$(table)" ]; }

# nothing_is_left TEXT
nothing_is_left() {
	[ -z "$(table)" ] || fail "$1: the table is there"
	[ "$(rules4)$(rules6)" = 00 ] || fail "$1: a policy rule is there"
	[ -z "$(route4)$(route6)" ] || fail "$1: a route is there"
	claim "$1"
}
