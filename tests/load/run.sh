#!/bin/sh
# Measures what a relayed exchange costs: the relay beside a bare forwarder, in alternating runs.
# Generator and echo server share one CPU, what is measured has the other. README.md explains.
# usage: tests/load/run.sh [--kinds "direct forward nosec psk pskpsk"] [--rounds N] [--devices N]
#        [--payload N] [--seconds N] [--inflight N] [--window N] [--rate N] [--cid BYTES] [--save]
#        [--workers N]  (more than one have all CPUs, and say how they shared the work)
#        tests/load/run.sh --memory [N] [--kind psk|pskpsk]
# Kinds name what is spoken on the LAN and the WAN side: nosec, psk (plain to DTLS), pskpsk (DTLS to DTLS).
here=$(dirname "$0")
# shellcheck source=tests/load/lib.sh
. "$here/lib.sh"

kinds="direct forward nosec psk pskpsk"
rounds=5 devices=100 payload=64 seconds=2 inflight=64 window=1 rate='' cid=0 workers=1 save='' memory='' kind=psk
LOAD_CPU=0 RELAY_CPU=1
ECHO_COAP=$PORT ECHO_COAPS=$((PORT + 1)) LAN=$((PORT + 2)) LANS=$((PORT + 3))

usage() { sed -n '4,8s/^# //p' "$0" >&2; exit 2; }

while [ $# -gt 0 ]; do
	case $1 in
	--kinds | --rounds | --devices | --payload | --seconds | --inflight | --window | --rate | --cid | --kind | --workers)
		[ $# -ge 2 ] || usage
		eval "${1#--}=\$2"
		shift
		;;
	--save) save=1 ;;
	--memory)
		memory=1 devices=1000
		case ${2:-} in [1-9]*) devices=$2; shift ;; esac
		;;
	*) usage ;;
	esac
	shift
done
[ "$workers" = 1 ] || RELAY_CPU=0-$(($(nproc) - 1))
[ "$(nproc)" -ge 2 ] || die "two CPUs are needed: one for the load, one for what is measured"
for p in coapload coapecho forward; do
	[ -x "$LOAD/$p" ] || die "$LOAD/$p is missing: make load builds it"
done
case "$kinds $memory" in
*nosec* | *psk* | *1) [ -x "$BUILD/lwgated" ] ||
	die "$BUILD/lwgated is missing: build it, or choose --kinds 'direct forward'" ;;
esac

# ---- what the relay is told ----------------------------------------------------------------------

# config KIND: writes the relay's configuration and its endpoints.
config() {
	case $1 in
	psk | pskpsk) uri=coaps://127.0.0.1:$ECHO_COAPS ;;
	*) uri=coap://127.0.0.1:$ECHO_COAP ;;
	esac
	cat >"$work/lwgate" <<-END
		config gateway 'main'
			option max_endpoints '$((devices + 100))'
			option workers '$workers'
			option endpoints_file '$work/endpoints.csv'

		config server 'echo'
			option uri '$uri'

		config listen 'lan'
			list address '127.0.0.1'
			option coap '$LAN'
			option coaps '$([ "$1" = pskpsk ] && echo "$LANS" || echo 0)'
			option cid '$([ "$cid" = 0 ] && echo 0 || echo 1)'
	END
	awk -v n="$devices" -v kind="$1" -v seed="$SEED_KEY" 'BEGIN {
		head["psk"] = ",identity,key"
		head["pskpsk"] = ",identity,key,lan_identity,lan_key"
		print "name,server" head[kind]
		for (i = 0; i < n; i++) {
			name = sprintf("dev%04d", i)
			if (kind == "psk")
				printf "%s,echo,%s,%s%08x\n", name, name, seed, i
			else if (kind == "pskpsk")
				printf "%s,echo,%s,%s%08x,%s,%s%08x\n", name, name, seed, i, name, seed, i
			else
				printf "%s,echo\n", name
		}
	}' >"$work/endpoints.csv"
	chmod 600 "$work/lwgate" "$work/endpoints.csv"
}

# start_kind KIND: starts what is measured; sets pid and target.
start_kind() {
	target=127.0.0.1:$LAN
	case $1 in
	direct) pid=$echo target=127.0.0.1:$ECHO_COAP ;;
	forward) start forward $RELAY_CPU "$LOAD/forward" "$target" "127.0.0.1:$ECHO_COAP" ;;
	nosec | psk | pskpsk)
		[ "$1" != pskpsk ] || target=127.0.0.1:$LANS
		config "$1"
		rm -rf "$work/state" && mkdir "$work/state"
		start "$1" $RELAY_CPU "$BUILD/lwgated" -c "$work/lwgate" -s "$work/sock" \
			-S "$work/state" -l stderr
		;;
	*) die "unknown kind: $1" ;;
	esac
}

stop_kind() {
	[ "$pid" = "$echo" ] || stop "$pid"
}

start_echo() {
	start echo $LOAD_CPU "$LOAD/coapecho" --coap "$ECHO_COAP" --coaps "$ECHO_COAPS" \
		--key "${SEED_KEY}00000000" --derive --cid "$cid"
	echo=$pid
}

# memory_of PID FIELD: KiB.
memory_of() { sed -n "s/^$2:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$1/status"; }

# ---- runs ------------------------------------------------------------------------------------------

# load SECONDS OPTION...: one run of the generator; its line on stdout. Bounded in time.
load() {
	bound=$(($1 + 120))
	shift
	[ "$target" != "127.0.0.1:$LANS" ] || set -- --key "${SEED_KEY}00000000" --derive "$@"
	timeout "$bound" taskset -c $LOAD_CPU "$LOAD/coapload" --target "$target" \
		--devices "$devices" "$@" 2>"$work/load.log"
}

# balance PID: CPU time of each thread, hundredths of a second.
balance() {
	[ "$workers" = 1 ] || for task in "/proc/$1"/task/*/stat; do
		sed 's/.*) //' "$task" | awk '{ printf " %d", $12 + $13 }'
	done
}

# run_once KIND ROUND: one line of results.
run_once() {
	start_kind "$1"
	line=$(load "$seconds" --payload "$payload" --seconds "$seconds" --inflight "$inflight" \
		--window "$window" ${rate:+--rate "$rate"} --cpu-of "$pid") || {
		failures=$((failures + 1))
		say "$1, round $2: the generator is not content: $line"
		cat "$work/load.log" >&2
		[ "$pid" = "$echo" ] || tail -n 5 "$work/$1.log" >&2
	}
	printf '%s %s %s rss_kb=%s\n' "$1" "$2" "$line" "$(memory_of "$pid" VmRSS)" >>"$work/results"
	say "$2 $1: $(value cpu_us "$line") us, $(value rate "$line") /s$(balance "$pid")"
	stop_kind
}

# The table: medians with the least and the most beside them; ratios within each round.
table() {
	awk '
	function get(key, i, a) {
		for (i = 3; i <= NF; i++)
			if (split($i, a, "=") == 2 && a[1] == key)
				return a[2]
		return ""
	}
	function sorted(key, n, v, i, j, t) {
		for (i = 1; i <= n; i++)
			v[i] = all[key, i]
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) {
				t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
			}
	}
	function three(key, format, v, n) {
		n = count[key]
		if (n == 0)
			return "-"
		sorted(key, n, v)
		return sprintf(format " / **" format "** / " format, v[1], v[int((n + 1) / 2)], v[n])
	}
	function middle(key, format, v, n) {
		n = count[key]
		if (n == 0)
			return "-"
		sorted(key, n, v)
		return sprintf(format, v[int((n + 1) / 2)])
	}
	function keep(key, v) { if (v != "") all[key, ++count[key]] = v }
	{
		kind = $1
		if (!(kind in seen)) { seen[kind] = 1; order[++kinds] = kind }
		cpu[kind, $2] = get("cpu_us")
		rounds = $2
		keep(kind "cpu", get("cpu_us")); keep(kind "rate", get("rate"))
		keep(kind "p50", get("p50_us")); keep(kind "p99", get("p99_us"))
		keep(kind "busy", get("busy")); keep(kind "rss", get("rss_kb"))
		lost[kind] += get("lost"); wrong[kind] += get("foreign") + get("bad")
		ok[kind] += get("ok")
	}
	END {
		for (k = 1; k <= kinds; k++)
			for (r = 1; r <= rounds; r++)
				if (order[k] != "direct" && cpu["forward", r] > 0 && cpu[order[k], r] != "")
					keep(order[k] "ratio", cpu[order[k], r] / cpu["forward", r])
		print "| | CPU us an exchange | to forward | busy | exchanges/s | p50 / p99 us | lost | wrong | of | RSS KiB |"
		print "|---|---|---|---|---|---|---|---|---|---|"
		for (k = 1; k <= kinds; k++) {
			x = order[k]
			printf "| %s | %s | %s | %s | %s | %s / %s | %d | %d | %d | %s |\n", x,
				three(x "cpu", "%.2f"), three(x "ratio", "%.2f"), middle(x "busy", "%.2f"),
				three(x "rate", "%.0f"), middle(x "p50", "%.0f"), middle(x "p99", "%.0f"),
				lost[x], wrong[x], ok[x], middle(x "rss", "%d")
		}
	}' "$work/results"
}

measure() {
	failures=0
	: >"$work/results"
	start_echo
	round=1
	while [ "$round" -le "$rounds" ]; do
		for kind in $kinds; do
			run_once "$kind" "$round"
		done
		round=$((round + 1))
	done
	describe >"$work/report"
	table >>"$work/report"
	cat "$work/report"
	[ -z "$save" ] || keep_report
	[ "$failures" -eq 0 ]
}

describe() {
	how="$inflight in flight"
	[ -z "$rate" ] || how="$rate a second"
	echo "# Load: $devices devices, $payload bytes, $how"
	echo
	echo "$(date -u +%Y-%m-%dT%H:%MZ), commit $(git -C "$here" describe --always --dirty 2>/dev/null)," \
		"$(uname -s) $(uname -r), $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo |
			head -n 1), load average at the end $(cut -d' ' -f1 /proc/loadavg)."
	echo "$rounds alternating runs of $seconds s, window $window; load on CPU $LOAD_CPU," \
		"what is measured on CPU $RELAY_CPU. least / **median** / most."
	echo
}

keep_report() {
	mkdir -p "$here/results"
	file=$here/results/$(date -u +%Y-%m-%d).md
	[ ! -s "$file" ] || echo >>"$file"
	cat "$work/report" >>"$file"
	say "saved in $file"
}

# Resident memory of the relay with endpoints on PSK sessions, none of which says a word.
measure_memory() {
	start_echo
	start_kind "$kind"
	before=$(memory_of "$pid" VmRSS)
	line=$(load 60 --count 1 --idle 1 --warmup 0) || die "not all endpoints registered: $line"
	after=$(memory_of "$pid" VmRSS)
	echo "| endpoints on $kind | RSS before KiB | RSS after KiB | KiB an endpoint |"
	echo "|---|---|---|---|"
	echo "| $devices | $before | $after | $(awk "BEGIN { printf \"%.2f\", ($after - $before) / $devices }") |"
	stop_kind
}

if [ -n "$memory" ]; then
	measure_memory
else
	measure
fi
