# Runs of the generator, and what is made of their lines. Sourced by run.sh and bars.sh after kinds.sh.
# A raw line is a run: KIND SCENARIO DEVICES PAYLOAD LOAD INFLIGHT ROUND KEY=VALUE...
# LOAD is full (a closed loop), half (an open loop at half the rate of the same round's full), or
# requests a second. The six words before ROUND are what is compared.
# shellcheck shell=sh disable=SC2034,SC2154

seconds=2 window=1 transfer='' failures=0 raw=$work/raw percentiles='' label=''

# memory_of PID FIELD: KiB.
memory_of() { sed -n "s/^$2:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$1/status"; }

# threads_of PID: CPU ticks of each thread, as "12,13".
threads_of() {
	cat "/proc/$1/task/"*/stat 2>/dev/null | sed 's/.*) //' |
		awk '{ printf "%s%d", (NR > 1 ? "," : ""), $12 + $13 }'
}

# load BOUND OPTION...: one run of the generator against what start_kind began, bounded in time. Its line
# on stdout.
load() {
	bound=$1
	shift
	# shellcheck disable=SC2086 # a list of words
	timeout "$bound" taskset -c "$LOAD_CPU" "$LOAD/coapload" --target "$target" $speak "$@" \
		2>"$work/load.log"
}

# window_for DEVICES INFLIGHT: what one device must have outstanding for that.
window_for() { echo $((window > ($2 + $1 - 1) / $1 ? window : ($2 + $1 - 1) / $1)); }

# transfer_for SCENARIO: long transfers where nothing else is measured.
transfer_for() {
	case $1 in
	block) echo "${transfer:-8192}" ;;
	*) echo "${transfer:-1024}" ;;
	esac
}

# KIND has its label here.
# rate_of KIND SCENARIO DEVICES PAYLOAD LOAD INFLIGHT ROUND: requests a second, of blocks transfers;
# nothing for full.
rate_of() {
	exchanges_of "$@" | awk -v scenario="$2" -v size="$4" -v transfer="$(transfer_for "$2")" '
		{ print (scenario == "block" ? $1 * size / transfer : $1) }'
}

exchanges_of() {
	case $5 in
	full) ;;
	half) awk -v wanted="$1 $2 $3 $4 full $6 $7" '
		$1 " " $2 " " $3 " " $4 " " $5 " " $6 " " $7 == wanted &&
			match($0, / rate=[0-9]+/) { rate = substr($0, RSTART + 6, RLENGTH - 6) / 2 }
		END { print (rate > 1 ? rate : 1000) }' "$raw" ;;
	*) echo "$5" ;;
	esac
}

# complain KIND LINE: what the generator did not like. Of a peer that answers it is a finding; of one that
# answers nothing, and of ours, a failure, which is shown with what both said.
complain() {
	say "$1: the generator is not content: $2"
	case $1 in
	nginx | pen | socat | coap*) [ "$(number ok "$2")" = 0 ] || return 0 ;;
	esac
	failures=$((failures + 1))
	for log in load "$1"; do
		[ ! -s "$work/$log.log" ] || tail -n 15 "$work/$log.log" | sed "s/^/    $log: /" >&2
	done
}

# run_once KIND SCENARIO DEVICES PAYLOAD LOAD INFLIGHT ROUND [OPTION...]: one raw line; sets line.
run_once() {
	kind=$1 scenario=$2 devices=$3 payload=$4 how=$5 inflight=$6 round=$7
	shift 7
	rate=$(rate_of "$kind$label" "$scenario" "$devices" "$payload" "$how" "$inflight" "$round")
	start_kind "$kind" "$devices"
	line=$(load $((${seconds%.*} + 150)) --kind "$scenario" --devices "$devices" \
		--payload "$payload" --seconds "$seconds" --inflight "$inflight" \
		--window "$(window_for "$devices" "$inflight")" --transfer "$(transfer_for "$scenario")" \
		${rate:+--rate "$rate"} ${percentiles:+--percentiles "$percentiles/$kind-$scenario-$how"} \
		--cpu-of "$pid" "$@") || complain "$kind" "$line"
	printf '%s%s %s %s %s %s %s %s %s rss_kb=%s threads=%s\n' "$kind" "$label" "$scenario" \
		"$devices" "$payload" "$how" "$inflight" "$round" "$line" "$(memory_of "$pid" VmRSS)" \
		"$(threads_of "$pid")" >>"$raw"
	say "$round $kind, $scenario, $devices of $payload bytes, $how:" \
		"$(value cpu_us "$line") us, $(value rate "$line") /s"
	stop_kind
}

# three WORDS KEY: least, median and most of a key over the rounds of the raw lines that begin with the
# words "KIND SCENARIO DEVICES PAYLOAD LOAD INFLIGHT".
three() {
	awk -v wanted="$1" -v key="$2" '
	$1 " " $2 " " $3 " " $4 " " $5 " " $6 == wanted {
		for (i = 8; i <= NF; i++)
			if (split($i, a, "=") == 2 && a[1] == key)
				print a[2]
	}' "$raw" | spread
}

# ratios WORDS WORDS KEY: the same of the first's by the second's, within each round.
ratios() {
	awk -v one="$1" -v other="$2" -v key="$3" '
	{
		words = $1 " " $2 " " $3 " " $4 " " $5 " " $6
		for (i = 8; i <= NF; i++)
			if (split($i, a, "=") == 2 && a[1] == key)
				v[words, $7] = a[2]
		rounds[$7]
	}
	END {
		for (r in rounds)
			if (v[one, r] > 0 && v[other, r] > 0)
				printf "%.4f\n", v[one, r] / v[other, r]
	}' "$raw" | spread
}

# total WORDS KEY: the sum over the rounds.
total() {
	awk -v wanted="$1" -v key="$2" '
	$1 " " $2 " " $3 " " $4 " " $5 " " $6 == wanted {
		for (i = 8; i <= NF; i++)
			if (split($i, a, "=") == 2 && a[1] == key)
				sum += a[2]
	}
	END { printf "%.0f\n", sum }' "$raw"
}

# spread: least, median and most of the numbers on stdin; "- - -" when there are none.
spread() {
	sort -g | awk '{ v[NR] = $1 }
		END { if (NR == 0) print "- - -"; else print v[1], v[int((NR + 1) / 2)], v[NR] }'
}

# describe WHAT: the machine and the commit, above a table.
describe() {
	echo "# $1"
	echo
	echo "$(date -u +%Y-%m-%dT%H:%MZ), commit $(git -C "$here" describe --always --dirty 2>/dev/null)," \
		"$(uname -s) $(uname -r) $(uname -m), $(nproc) CPUs," \
		"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
		"$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) KiB," \
		"load average at the end $(cut -d' ' -f1 /proc/loadavg)."
	echo "Load on CPU $LOAD_CPU, what is measured on CPU $RELAY_CPU. least / **median** / most."
	echo "\`$command_line\`"
	echo
}

# place: a folder of its own for a run's results. Sets out.
place() {
	out=$here/results/$(date -u +%Y-%m-%dT%H%M%SZ)$1
	mkdir -p "$out" || die "cannot write $out"
}
