#!/bin/bash
# Measures what interception costs: devices behind a router of their own namespace call the gateway, and
# then their server's own address, in alternating runs of the same relay. README.md explains.
# usage: tests/load/intercept.sh [--kinds "nosec psk pskpsk opaque"] [--scenarios "post get notify push block down mixed"]
#        [--devices "N.."] [--payloads "N.."] [--loads "full half RATE.."] [--rounds N] [--seconds N]
#        tests/load/intercept.sh --starts N    # how long it takes from a start until capture
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

KINDS='nosec psk pskpsk' SCENARIOS=post ROUNDS=5 DEVICES_LIST=100 PAYLOADS=64 LOADS=full SECONDS_EACH=2 LAUNCHES=0
SEED_KEY=a1b2c3d4e5f60718293a4b5c
# Where opaque devices live: at ports of their own.
HOME_OF_DEVICES=192.0.2.11 FIRST_PORT=20001
while [ $# -gt 1 ]; do
	case $1 in
	--kinds) KINDS=$2 ;;
	--scenarios) SCENARIOS=$2 ;;
	--rounds) ROUNDS=$2 ;;
	--devices) DEVICES_LIST=$2 ;;
	--payloads) PAYLOADS=$2 ;;
	--loads) LOADS=$2 ;;
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

# configure KIND DEVICES
configure() {
	local scheme=coaps
	[ "$1" = nosec ] && scheme=coap
	relay_conf
	section gateway main endpoints_file "$WORK/endpoints.csv" max_endpoints $(($2 + 100))
	section server echo uri "$scheme://198.51.100.10"
	section listen lan interface lan0 intercept 1
	awk -v n="$2" -v kind="$1" -v seed="$SEED_KEY" -v host="$HOME_OF_DEVICES" -v port="$FIRST_PORT" 'BEGIN {
		head["psk"] = ",identity,key"
		head["pskpsk"] = ",identity,key,lan_identity,lan_key"
		head["opaque"] = ",mode,address"
		print "name,server" head[kind]
		for (i = 0; i < n; i++) {
			name = sprintf("dev%04d", i)
			line = name ",echo"
			if (kind == "opaque")
				line = line sprintf(",opaque,%s:%d", host, port + i)
			else if (kind != "nosec")
				line = line sprintf(",%s,%s%08x", name, seed, i)
			if (kind == "pskpsk")
				line = line sprintf(",%s,%s%08x", name, seed, i)
			print line
		}
	}' >"$WORK/endpoints.csv"
}

# rate_for LOAD CASE: requests a second; nothing for full. Half is half of what the round's full had where the
# gateway was called, for both ways.
rate_for() {
	case $1 in
	full) ;;
	half) sed -n "s/^$2 called .* rate=\([0-9]*\) .*/\1/p" "$WORK/results" | tail -n 1 |
		awk '{ r = $1 / 2 } END { print (r > 1 ? r : 1000) }' ;;
	*) echo "$1" ;;
	esac
}

# once KIND WAY ROUND SCENARIO DEVICES PAYLOAD LOAD: one line of results: CASE WAY ROUND and what the generator says.
once() {
	local target=192.0.2.1 port=5683 line rate case="$1-$4-$5-$6" transfer=1024
	[ "$2" = intercepted ] && target=198.51.100.10
	local -a more=()
	case $1 in
	pskpsk | opaque) port=5684 more=(--key "${SEED_KEY}00000000" --derive) ;;
	esac
	[ "$1" = opaque ] && more+=(--from "$HOME_OF_DEVICES:$FIRST_PORT")
	[ "$4" = block ] && transfer=8192
	rate=$(rate_for "$7" "$case-full")
	[ "$4" = block ] && [ -n "$rate" ] && rate=$(awk -v r="$rate" -v p="$6" 'BEGIN { print r * p / 8192 }')
	[ -n "$rate" ] && more+=(--rate "$rate")
	rm -rf "$WORK/state"
	relay_start
	want relay 'is captured'
	taskset -pc 1 "${NETNS_PID[relay]}" >/dev/null
	line=$(at dev timeout 180 taskset -c 0 "$BUILD/tests/load/coapload" --target "$target:$port" \
		--control 198.51.100.10:5999 --kind "$4" --transfer "$transfer" \
		--devices "$5" --payload "$6" --seconds "$SECONDS_EACH" --inflight 64 --window $(((63 + $5) / $5)) \
		--cpu-of "${NETNS_PID[relay]}" "${more[@]}" 2>>"$WORK/load.err") ||
		fail "the generator is not content: $line $(tail -n 3 "$WORK/load.err")"
	relay_stop
	echo "$case-$7 $2 $3 $line" | tee -a "$WORK/results" |
		sed -E 's/^(\S+ \S+ \S+) .*cpu_us=(\S+).*/\1: \2 us/' >&2
}

# round_of KIND DEVICES ROUND
round_of() {
	local scenario payload how way
	for scenario in $SCENARIOS; do for payload in $PAYLOADS; do for how in $LOADS; do
		for way in called intercepted; do
			once "$1" $way "$3" "$scenario" "$2" "$payload" "$how"
		done
	done; done; done
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
	configure psk 100
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
	for devices in $DEVICES_LIST; do
		configure "$kind" "$devices"
		for ((round = 1; round <= ROUNDS; round++)); do
			round_of "$kind" "$devices" "$round"
		done
	done
done
echo '| kind, scenario, devices, bytes, load | called, CPU us | intercepted, CPU us | ratio | lost | wrong |'
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
