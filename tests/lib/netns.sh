# shellcheck shell=bash
# Shell functions for tests in network namespaces of their own. bash only; source it first thing,
# which also goes to the root of the tree:
#
#   . "$(dirname "$0")/../lib/netns.sh"
#   netns_begin contested-move       # needs root, or gets a user namespace of its own
#   netns_three                      # devices - gateway - server, as drawn below
#   run srv server "$BUILD/tests/lwm2m-server-openssl" --psk "$WORK/psk"
#   await server '^ready$' 5 || fail "the server does not start"
#   tell server 'read meter-1 /3/0/0'
#   await server '^read meter-1 /3/0/0 2\.05 ' 5 || fail "no answer"
#   stop server KILL
#   pass
#
#   dev  lan 192.0.2.11 .12 .13/24       gw  lan0 192.0.2.1/24        srv
#            2001:db8:1::11 ..13/64  ----         2001:db8:1::1/64
#                                            wan0 198.51.100.1/24  ---- wan 198.51.100.10/24
#                                                 2001:db8:2::1/64          2001:db8:2::10/64
#
# netns_begin NAME       makes WORK, a temporary folder, and sees to it that netns_end runs at exit. The
#                        machine has a user lwgate for it (NETNS_ID), whose group may read what is made
#                        in WORK; keys have NETNS_KEY_MODE. In a user namespace of one user it has not
# netns_add NS..         makes namespaces with lo up; NS is a short name, "$(ns NS)" the real one
# netns_link A IF B IF   a veth pair between two of them, both ends up
# netns_address NS IF ADDRESS/LEN..   gives addresses, IPv6 ones usable at once
# netns_three            the topology above, with routes between devices and server
# at NS CMD..            runs a command there and waits for it
# run NS NAME CMD..      starts a program there; its input is the FIFO WORK/NAME.in, its output goes
#                        to WORK/NAME.log and WORK/NAME.err; a NAME may be started again: both grow
# run_with_hosts FILE NS NAME CMD..   the same with FILE as its /etc/hosts
# tell NAME LINE..       writes a line to that input
# alive NAME             true while it runs
# stop NAME [SIGNAL]     ends it (TERM) and waits; the result is its exit status
# mark NAME.., mark_all  from now on await sees only newer lines of these logs, or of all
# await NAME ERE SECONDS waits until a line of its log or error log matches; SEEN is that line
# seen NAME ERE          true when such a line is there now
# absent NAME ERE        true when none is there now; first await what comes after it
# count NAME ERE         prints how many such lines are there now
# want NAME ERE [SECONDS]   await (10 s), or the test has failed
# eventually SECONDS CMD..  runs the command until it succeeds
# tails                  shows the ends of all logs
# fail TEXT, pass        end the test with 1 or 0, saying so
# netns_end              ends what run started (by pid), deletes the namespaces and WORK

# Whoever sources this works from the root of the tree from now on.
NETNS_SELF=$(realpath "$0")
NETNS_ARGS=("$@")
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

BUILD=${BUILD:-build}
WORK=
SEEN=
declare -gA NETNS_PID=() NETNS_MARK=()
declare -ga NETNS_NAMES=()
NETNS_TEST=
# The user lwgate and its group.
NETNS_ID=964
# Files with keys are closed to all others.
NETNS_UMASK=077
# shellcheck disable=SC2034 # for the scripts that source this
NETNS_KEY_MODE=600

# Starts the script again in a user namespace where the caller is not root. ip keeps its names
# under /run.
# Mounts of the script are its own, too.
netns_need_root() {
	if [ "$(id -u)" -eq 0 ]; then
		[ -n "${NETNS_OWN:-}" ] || NETNS_OWN=1 exec unshare -m bash "$NETNS_SELF" "${NETNS_ARGS[@]}"
		return
	fi
	if unshare -mrn true 2>/dev/null; then
		# shellcheck disable=SC2016  # the inner shell expands it
		NETNS_OWN=1 exec unshare -mrn bash -c \
			'mount -t tmpfs none /run && exec bash "$0" "$@"' "$NETNS_SELF" "${NETNS_ARGS[@]}"
	fi
	echo "$0: needs root for network namespaces (or a kernel that lets users make them)" >&2
	exit 1
}

netns_begin() {
	NETNS_TEST=$1
	netns_need_root
	WORK=$(mktemp -d "/tmp/lwgate-$1.XXXXXX") || exit 1
	trap netns_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	netns_user
}

# netns_with_user: as on a machine where the package is installed, for this script alone.
netns_with_user() {
	local file
	printf 'lwgate:x:%s:%s::/nonexistent:/usr/sbin/nologin\n' "$NETNS_ID" "$NETNS_ID" >"$WORK/passwd"
	printf 'lwgate:x:%s:\n' "$NETNS_ID" >"$WORK/group"
	for file in passwd group; do
		grep -v '^lwgate:' "/etc/$file" >>"$WORK/$file"
		chmod 644 "$WORK/$file"
		mount --bind "$WORK/$file" "/etc/$file" || exit 1
	done
	rm -f "$WORK/passwd" "$WORK/group"
}

# The relay becomes the user lwgate, whose group may read what is made in WORK. In a user namespace of
# one user it stays root, and files are root's.
netns_user() {
	chgrp "$NETNS_ID" "$WORK" 2>/dev/null || return 0
	netns_with_user
	chmod 2750 "$WORK"
	NETNS_UMASK=027
	# shellcheck disable=SC2034 # the same
	NETNS_KEY_MODE=640
	umask "$NETNS_UMASK"
}

# The real name of a namespace: the pid keeps tests that run at once apart.
ns() { echo "lwgate-$$-$1"; }

at() {
	local name
	name=$(ns "$1")
	shift
	ip netns exec "$name" "$@"
}

netns_add() {
	local short
	for short in "$@"; do
		ip netns add "$(ns "$short")" || exit 1
		NETNS_NAMES+=("$(ns "$short")")
		at "$short" ip link set lo up
		at "$short" sysctl -qw net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.accept_dad=0 || exit 1
	done
}

netns_link() {
	ip -n "$(ns "$1")" link add "$2" type veth peer name "$4" netns "$(ns "$3")" || exit 1
	ip -n "$(ns "$1")" link set "$2" up || exit 1
	ip -n "$(ns "$3")" link set "$4" up || exit 1
}

netns_address() {
	local short=$1 interface=$2 address
	shift 2
	for address in "$@"; do
		case $address in
		*:*) ip -n "$(ns "$short")" addr add "$address" dev "$interface" nodad ;;
		*) ip -n "$(ns "$short")" addr add "$address" dev "$interface" ;;
		esac || exit 1
	done
}

netns_three() {
	netns_add dev gw srv
	netns_link dev lan gw lan0
	netns_link gw wan0 srv wan
	netns_address dev lan 192.0.2.11/24 192.0.2.12/24 192.0.2.13/24 \
		2001:db8:1::11/64 2001:db8:1::12/64 2001:db8:1::13/64
	netns_address gw lan0 192.0.2.1/24 2001:db8:1::1/64
	netns_address gw wan0 198.51.100.1/24 2001:db8:2::1/64
	netns_address srv wan 198.51.100.10/24 2001:db8:2::10/64
	at dev ip route add default via 192.0.2.1
	at dev ip route add default via 2001:db8:1::1
	at srv ip route add default via 198.51.100.1
	at srv ip route add default via 2001:db8:2::1
}

run_with_hosts() {
	local hosts=$1 short=$2 name=$3
	shift 3
	# shellcheck disable=SC2016  # the inner shell expands these
	run "$short" "$name" sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$hosts" "$@"
}

run() {
	local short=$1 name=$2
	shift 2
	[ -p "$WORK/$name.in" ] || mkfifo "$WORK/$name.in" || exit 1
	# Opened for reading and writing, the FIFO never ends for the program.
	ip netns exec "$(ns "$short")" "$@" 0<>"$WORK/$name.in" >>"$WORK/$name.log" \
		2>>"$WORK/$name.err" &
	NETNS_PID[$name]=$!
}

tell() {
	local name=$1
	shift
	alive "$name" || return 1
	printf '%s\n' "$@" >"$WORK/$name.in"
}

alive() { [ -n "${NETNS_PID[$1]:-}" ] && kill -0 "${NETNS_PID[$1]}" 2>/dev/null; }

stop() {
	local name=$1 signal=${2:-TERM} pid=${NETNS_PID[$1]:-} status
	[ -n "$pid" ] || return 0
	kill -"$signal" "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	status=$?
	unset "NETNS_PID[$name]"
	return $status
}

netns_lines() { if [ -f "$1" ]; then wc -l <"$1"; else echo 0; fi; }

mark() {
	local file name
	for name in "$@"; do
		for file in "$WORK/$name.log" "$WORK/$name.err"; do
			NETNS_MARK[$file]=$(netns_lines "$file")
		done
	done
}

mark_all() {
	local file
	for file in "$WORK"/*.log "$WORK"/*.err; do
		NETNS_MARK[$file]=$(netns_lines "$file")
	done
}

seen() {
	local file
	for file in "$WORK/$1.log" "$WORK/$1.err"; do
		[ -f "$file" ] || continue
		# shellcheck disable=SC2034  # for the scripts that source this
		SEEN=$(tail -n "+$((${NETNS_MARK[$file]:-0} + 1))" "$file" |
			grep -m 1 -aE -- "$2") && return 0
	done
	return 1
}

absent() { ! seen "$@"; }

await() {
	local end=$((${EPOCHREALTIME/./} + $3 * 1000000))
	until seen "$1" "$2"; do
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
		sleep 0.05
	done
}

count() {
	local file
	for file in "$WORK/$1.log" "$WORK/$1.err"; do
		[ -f "$file" ] && tail -n "+$((${NETNS_MARK[$file]:-0} + 1))" "$file"
	done | grep -caE -- "$2"
}

want() { await "$1" "$2" "${3:-10}" || fail "$1 does not say: $2"; }

eventually() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
		sleep 0.05
	done
}

tails() {
	local file
	for file in "$WORK"/*.log "$WORK"/*.err; do
		[ -s "$file" ] || continue
		echo "---- the end of ${file##*/}"
		tail -n 15 "$file" | cut -c 1-200
	done
}

fail() {
	echo "FAIL $NETNS_TEST: $*" >&2
	tails >&2
	exit 1
}

pass() {
	echo "ok   $NETNS_TEST"
	exit 0
}

netns_end() {
	local name pid
	trap '' INT TERM HUP
	for name in "${!NETNS_PID[@]}"; do
		kill -TERM "${NETNS_PID[$name]}" 2>/dev/null
	done
	for name in "${!NETNS_PID[@]}"; do
		pid=${NETNS_PID[$name]}
		# A program that does not leave in 5 s is ended.
		timeout 5 tail -s 0.1 --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	for name in "${NETNS_NAMES[@]}"; do
		ip netns del "$name" 2>/dev/null
	done
	NETNS_PID=()
	NETNS_NAMES=()
	[ -n "$WORK" ] && rm -rf "$WORK"
}
