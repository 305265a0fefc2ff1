# What run.sh and smoke.sh share: start, await and end programs, one folder for what they leave.
# Sourced. Ends only what it started, by process id, also after Ctrl-C.
# shellcheck shell=sh disable=SC2034

BUILD=${BUILD:-build}
LOAD=$BUILD/tests/load
# Ports of ours on loopback, below those that the kernel gives away.
PORT=${LOAD_PORT:-25683}
SEED_KEY=a1b2c3d4e5f60718293a4b5c
work=$(mktemp -d "${TMPDIR:-/tmp}/lwgate-load.XXXXXX")
started=

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

# start NAME CPU COMMAND...: runs it in the background, waits until it says that it is ready.
# Sets pid.
start() {
	name=$1 cpu=$2
	shift 2
	: >"$work/$name.log"
	taskset -c "$cpu" "$@" >>"$work/$name.log" 2>&1 &
	pid=$!
	started="$started $pid"
	tries=0
	until grep -qw ready "$work/$name.log"; do # the word: "already in use" is none
		tries=$((tries + 1))
		if ! kill -0 "$pid" 2>/dev/null || [ "$tries" -gt 200 ]; then
			sed 's/^/    /' "$work/$name.log" >&2
			die "$name did not get ready"
		fi
		sleep 0.05
	done
}

# end PID: asks it to leave; one that does not within 10 s is killed, and that is said.
end() {
	kill "$1" 2>/dev/null
	tries=0
	while grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null; do
		tries=$((tries + 1))
		if [ "$tries" -gt 200 ]; then
			say "process $1 does not leave: killed"
			kill -9 "$1"
			break
		fi
		sleep 0.05
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
