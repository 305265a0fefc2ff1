# What run.sh and smoke.sh share: start, await and end programs, one folder for what they leave.
# Sourced. Ends only what it started, by process id, also after Ctrl-C.
# shellcheck shell=sh disable=SC2034

BUILD=${BUILD:-build}
LOAD=$BUILD/tests/load
# Ports of ours on loopback, below those that the kernel gives away.
PORT=${LOAD_PORT:-25683}
# The same in hex. Four bytes behind it make a key.
SEED_TEXT='lwgate-load!' SEED_KEY=6c77676174652d6c6f616421
work=$(mktemp -d "${TMPDIR:-/tmp}/lwgate-load.XXXXXX")
started=

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

# await_for SECONDS NAME COMMAND...: waits until the command is content, while $pid lives, no longer than that.
await_for() {
	most=$(($1 * 20)) name=$2
	shift 2
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		if ! kill -0 "$pid" 2>/dev/null || [ "$tries" -gt "$most" ]; then
			sed 's/^/    /' "$work/$name.log" >&2
			die "$name did not get ready"
		fi
		sleep 0.05
	done
}

await() { await_for 10 "$@"; }

# begin NAME CPU COMMAND...: runs it in the background. Sets pid.
begin() {
	name=$1 cpu=$2
	shift 2
	: >"$work/$name.log"
	taskset -c "$cpu" "$@" >>"$work/$name.log" 2>&1 &
	pid=$!
	started="$started $pid"
}

# start NAME CPU COMMAND...: begins it and waits until it says that it is ready. Sets pid.
start() {
	begin "$@"
	await "$1" grep -qw ready "$work/$1.log" # the word: "already in use" is none
}

# sockets_at PORT: inodes of the UDP sockets of IPv4 and IPv6 that have it.
sockets_at() {
	cat /proc/net/udp /proc/net/udp6 2>/dev/null |
		awk -v port=":$(printf %04X "$1")\$" '$2 ~ port { print $10 }'
}

is_free() { [ -z "$(sockets_at "$1")" ]; }

# holds PID PORT: one of them is that process's.
holds() {
	for inode in $(sockets_at "$2"); do
		find "/proc/$1/fd" -lname "socket:\[$inode\]" 2>/dev/null | grep -q . && return
	done
	return 1
}

# start_bound NAME CPU PORT COMMAND...: the same for a program that says nothing but listens. What is left of
# another one is not taken for it, and does not take what is meant for it.
start_bound() {
	name=$1 cpu=$2 port=$3
	shift 3
	is_free "$port" || die "$name: port $port is still another's"
	begin "$name" "$cpu" "$@"
	await "$name" holds "$pid" "$port"
}

is_alive() { grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null; }

# await_end PID: one that does not leave within 10 s is killed, and that is said.
await_end() {
	tries=0
	while is_alive "$1"; do
		tries=$((tries + 1))
		if [ "$tries" -gt 200 ]; then
			say "process $1 does not leave: killed"
			kill -9 "$1"
			break
		fi
		sleep 0.05
	done
}

# end PID: asks it and then its children to leave, and waits until all are gone, with their sockets.
end() {
	children=$(pgrep -P "$1")
	kill "$1" 2>/dev/null
	await_end "$1"
	for child in $children; do
		kill "$child" 2>/dev/null
	done
	for child in $children; do
		await_end "$child"
	done
	wait "$1" 2>/dev/null
}

# stop PID: ends one that start began, and waits for its end.
stop() {
	rest=
	for p in $started; do
		[ "$p" = "$1" ] || rest="$rest $p"
	done
	started=$rest
	end "$1"
}

clean_up() {
	for p in $started; do
		end "$p"
	done
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# value KEY LINE: what stands behind KEY= in a line of pairs.
value() {
	printf '%s\n' "$2" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

# number KEY LINE: 0 where there is none.
number() { value "$1" "$2" | grep . || echo 0; }
