#!/bin/bash
# Measures what interception costs: devices behind a router of their own namespace call the gateway, and
# then their server's own address, in alternating runs of the same relay. README.md explains.
# usage: tests/load/intercept.sh [--kinds "nosec psk pskpsk"] [--scenarios "post down .."]
#        [--rounds N] [--devices N] [--seconds N]
#        tests/load/intercept.sh --starts N    # how long it takes from a start until capture
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

KINDS='nosec psk pskpsk' SCENARIOS=post ROUNDS=5 DEVICES=100 SECONDS_EACH=2 LAUNCHES=0
SEED_KEY=a1b2c3d4e5f60718293a4b5c
while [ $# -gt 1 ]; do
	case $1 in
	--kinds) KINDS=$2 ;;
	--scenarios) SCENARIOS=$2 ;;
	--rounds) ROUNDS=$2 ;;
	--devices) DEVICES=$2 ;;
	--seconds) SECONDS_EACH=$2 ;;
	--starts) LAUNCHES=$2 ;;
	*) break ;;
	esac
	shift 2
done
if [ $# -gt 0 ]; then
	sed -n '4,6s/^# //p' "$0" >&2
	exit 2
fi
[ "$(nproc)" -ge 2 ] || { echo 'two CPUs are needed: one for the load, one for the relay' >&2; exit 2; }

# configure KIND
configure() {
	local scheme=coaps
	[ "$1" = nosec ] && scheme=coap
	relay_conf
	section gateway main endpoints_file "$WORK/endpoints.csv"
	section server echo uri "$scheme://198.51.100.10"
	section listen lan interface lan0 intercept 1
	awk -v n="$DEVICES" -v kind="$1" -v seed="$SEED_KEY" 'BEGIN {
		head["psk"] = ",identity,key"
		head["pskpsk"] = ",identity,key,lan_identity,lan_key"
		print "name,server" head[kind]
		for (i = 0; i < n; i++) {
			name = sprintf("dev%04d", i)
			line = name ",echo"
			if (kind != "nosec")
				line = line sprintf(",%s,%s%08x", name, seed, i)
			if (kind == "pskpsk")
				line = line sprintf(",%s,%s%08x", name, seed, i)
			print line
		}
	}' >"$WORK/endpoints.csv"
}

# once KIND WAY ROUND SCENARIO: one line of results: KIND-SCENARIO WAY cpu_us
once() {
	local target=192.0.2.1 port=5683 line
	[ "$2" = intercepted ] && target=198.51.100.10
	local -a key=()
	[ "$1" = pskpsk ] && port=5684 key=(--key "${SEED_KEY}00000000" --derive)
	rm -rf "$WORK/state"
	relay_start
	want relay 'is captured'
	taskset -pc 1 "${NETNS_PID[relay]}" >/dev/null
	line=$(at dev timeout 120 taskset -c 0 "$BUILD/tests/load/coapload" --target "$target:$port" \
		--control 198.51.100.10:5999 --kind "$4" --transfer 1024 \
		--devices "$DEVICES" --payload 64 --seconds "$SECONDS_EACH" --inflight 64 --window 1 \
		--cpu-of "${NETNS_PID[relay]}" "${key[@]}" 2>>"$WORK/load.err") ||
		fail "the generator is not content: $line $(tail -n 3 "$WORK/load.err")"
	relay_stop
	echo "$1-$4 $2 $3 $line" | tee -a "$WORK/results" |
		sed -E 's/^(\S+ \S+ \S+) .*cpu_us=(\S+).*/\1: \2 us/' >&2
}

# since TEXT: ms from BEGAN until the relay says so.
since() {
	until grep -q "$1" "$WORK/relay.err" 2>/dev/null; do
		alive relay || fail "the relay ended: $(tail -n 3 "$WORK/relay.err")"
		sleep 0.001
	done
	echo $(((${EPOCHREALTIME/./} - BEGAN) / 1000))
}

# Reading the log costs some ms, which are in the figures.
starts() {
	local i
	configure psk
	for ((i = 1; i <= LAUNCHES; i++)); do
		rm -rf "$WORK/state" "$WORK/relay.err"
		mkdir "$WORK/state"
		BEGAN=${EPOCHREALTIME/./}
		run gw relay "$BUILD/lwgated" -c "$WORK/lwgate.conf" -s "$WORK/lwgate.sock" -S "$WORK/state"
		echo "start $i: ready $(since ready) ms, captured $(since 'is captured') ms"
		relay_stop
	done
}

intercept_begin load-intercept
if [ "$LAUNCHES" -gt 0 ]; then
	starts
	exit 0
fi
run srv echo taskset -c 0 "$BUILD/tests/load/coapecho" --address 198.51.100.10 --coap 5683 --coaps 5684 \
	--control 5999 --key "${SEED_KEY}00000000" --derive
want echo ready
: >"$WORK/results"
for kind in $KINDS; do
	configure "$kind"
	for ((round = 1; round <= ROUNDS; round++)); do
		for scenario in $SCENARIOS; do
			once "$kind" called "$round" "$scenario"
			once "$kind" intercepted "$round" "$scenario"
		done
	done
done
echo '| | called, CPU us | intercepted, CPU us | ratio | lost | wrong |'
echo '|---|---|---|---|---|---|'
awk '
function get(key, i, a) {
	for (i = 4; i <= NF; i++)
		if (split($i, a, "=") == 2 && a[1] == key)
			return a[2]
}
function three(key, format, n, i, j, t, v) {
	n = count[key]
	for (i = 1; i <= n; i++)
		v[i] = all[key, i]
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
	return sprintf(format " / **" format "** / " format, v[1], v[int((n + 1) / 2)], v[n])
}
{
	if (!($1 in seen)) { seen[$1] = 1; order[++kinds] = $1 }
	cpu = get("cpu_us")
	all[$1 $2, ++count[$1 $2]] = cpu
	lost[$1] += get("lost"); wrong[$1] += get("foreign") + get("bad")
	if ($2 == "called") before = cpu
	else if (before > 0) all[$1 "ratio", ++count[$1 "ratio"]] = cpu / before
}
END {
	for (k = 1; k <= kinds; k++)
		printf "| %s | %s | %s | %s | %d | %d |\n", order[k], three(order[k] "called", "%.2f"),
			three(order[k] "intercepted", "%.2f"), three(order[k] "ratio", "%.2f"), lost[order[k]],
			wrong[order[k]]
}' "$WORK/results"
