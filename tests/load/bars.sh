#!/bin/sh
# The bars that the relay is held to, each by one command: prints figure, wish and verdict of each.
# usage: tests/load/bars.sh [BAR..] [--rounds N] [--seconds N] [--endpoints N] [--exchanges N]
#        [--memory N] [--workers N] [--save | --into FOLDER]
# Bars: forward many nginx libcoap inflight latency foreign memory cold restart workers overload control
# A figure that misses its wish is printed as missed; the exit is 1 only where something could not be
# measured, or where there were foreign or lost answers and the bar says none.
here=$(dirname "$0")
command_line="$0 $*"
# shellcheck source=tests/load/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/load/kinds.sh
. "$here/kinds.sh"
# shellcheck source=tests/load/measure.sh
. "$here/measure.sh"

# Wishes; an empty one is shown and not judged.
FORWARD_NOSEC=1.15 FORWARD_PSK=1.30 FORWARD_PSKPSK=1.55 FORWARD_OPAQUE=''
MANY=1.3 NGINX=1.0 LIBCOAP=5 INFLIGHT=0.9 LATENCY=2 COLD=3 CONTROL_MS=1000
# KiB with DTLS 1.3 compiled in; 6 without.
MEMORY=9

ALL_BARS='forward many nginx libcoap inflight latency foreign memory cold restart workers overload control'
names='' rounds=5 endpoints=10000 exchanges=10000000 memory=1000 many_workers=2 out=''

usage() { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }

while [ $# -gt 0 ]; do
	case $1 in
	--rounds | --seconds | --endpoints | --exchanges | --memory)
		[ $# -ge 2 ] || usage
		eval "${1#--}=\$2"
		shift
		;;
	--workers) many_workers=${2:?} && shift ;;
	--into) out=${2:?} && shift ;;
	--save) place -bars ;;
	-*) usage ;;
	*) names="$names $1" ;;
	esac
	shift
done
names=${names:-$ALL_BARS}

# ---- rows ----------------------------------------------------------------------------------------

# row BAR WHAT FIGURE VERDICT
row() {
	printf '| %s | %s | %s | %s |\n' "$@" >>"$work/bars"
	say "$1: $2: $3 $4"
}

# shown BAR WHAT FIGURE: nothing is asked of it here.
shown() { row "$1" "$2" "$3" ''; }

# measured BAR WHAT FIGURE: the same, but "-" is a failure.
measured() {
	if [ "${3:--}" = - ]; then
		wish "$1" "$2" - '<=' 0
	else
		shown "$1" "$2" "$3"
	fi
}

# wish BAR WHAT FIGURE OP LIMIT: OP is <= or >=; a figure of "-" was not measured.
wish() {
	case $3 in
	- | '')
		failures=$((failures + 1))
		row "$1" "$2" "not measured" "FAILED"
		;;
	*)
		verdict=$(awk -v v="$3" -v op="$4" -v limit="$5" 'BEGIN {
			print (op == "<=" ? v <= limit : v >= limit) ? "met" : "missed"
		}')
		row "$1" "$2" "$3" "$verdict: $4 $5 wanted"
		;;
	esac
}

# none BAR WHAT COUNT: anything but 0 is a failure.
none() {
	if [ "${3:-x}" = 0 ]; then
		row "$1" "$2" 0 "met: none wanted"
	else
		failures=$((failures + 1))
		row "$1" "$2" "${3:-not measured}" "FAILED: none wanted"
	fi
}

# spread_text LEAST MEDIAN MOST: as the tables have it.
spread_text() {
	printf '%.2f / **%.2f** / %.2f' "$1" "$2" "$3" 2>/dev/null || echo '-'
}

# compare BAR WHAT WORDS WORDS KEY OP LIMIT: the median of a ratio of two cases. No limit, no verdict.
compare() {
	# shellcheck disable=SC2046 # three words
	set -- "$1" "$2" "$6" "$7" $(ratios "$3" "$4" "$5")
	if [ -z "$4" ] && [ "$6" != - ]; then
		shown "$1" "$2" "$(spread_text "$5" "$6" "$7")"
		return
	fi
	wish "$1" "$2" "$6" "$3" "${4:-0}"
	[ "$6" = - ] || shown "$1" "$2, all rounds" "$(spread_text "$5" "$6" "$7")"
}

# unwanted BAR WORDS KEY..: none of these may be above 0.
unwanted() {
	bar=$1 words=$2
	shift 2
	for key in "$@"; do
		none "$bar" "$key, ${words%% *}" "$(total "$words" "$key")"
	done
}

# rounds_of "WORDS" ...: each case "KIND SCENARIO DEVICES PAYLOAD LOAD INFLIGHT" once a round.
rounds_of() {
	turn=1
	while [ "$turn" -le "$rounds" ]; do
		for words in "$@"; do
			# shellcheck disable=SC2086 # a list of words
			run_once $words "$turn"
		done
		turn=$((turn + 1))
	done
}

# number KEY LINE: 0 where there is none.
number() { value "$1" "$2" | grep . || echo 0; }

# ---- ratios --------------------------------------------------------------------------------------

# to_forward KIND LIMIT
to_forward() {
	compare forward "CPU of $1 to the forwarder" "$1 $full" "forward $full" cpu_us '<=' "$2"
}

bar_forward() {
	full='post 100 64 full 64'
	rounds_of "forward $full" "nosec $full" "psk $full" "pskpsk $full" "opaque $full"
	to_forward nosec "$FORWARD_NOSEC"
	to_forward psk "$FORWARD_PSK"
	to_forward pskpsk "$FORWARD_PSKPSK"
	to_forward opaque "$FORWARD_OPAQUE"
}

bar_many() {
	few='post 100 64 full 64' lots="post $endpoints 64 full 64"
	rounds_of "forward $few" "forward $lots" "nosec $few" "nosec $lots" "psk $few" "psk $lots" \
		"pskpsk $few" "pskpsk $lots"
	for kind in forward nosec psk pskpsk; do
		compare many "CPU of $kind at $endpoints endpoints to 100" "$kind $lots" "$kind $few" \
			cpu_us '<=' "$MANY"
	done
}

bar_nginx() {
	full='post 100 64 full 64'
	rounds_of "psk $full" "nginx $full"
	compare nginx "CPU of psk to nginx, plain" "psk $full" "nginx $full" cpu_us '<=' "$NGINX"
}

bar_libcoap() {
	full='post 100 64 full 64'
	rounds_of "psk $full" "coap-psk $full"
	compare libcoap "exchanges a second of psk to libcoap's proxy with PSK" "psk $full" \
		"coap-psk $full" rate '>=' "$LIBCOAP"
}

bar_inflight() {
	few='post 1024 64 full 64' lots='post 1024 64 full 4096'
	rounds_of "nosec $few" "nosec $lots" "psk $few" "psk $lots" "pskpsk $few" "pskpsk $lots"
	for kind in nosec psk pskpsk; do
		compare inflight "exchanges a second of $kind, 4096 in flight to 64" "$kind $lots" \
			"$kind $few" rate '>=' "$INFLIGHT"
		unwanted inflight "$kind $lots" lost foreign
	done
}

# echo_on CPU: the server goes there.
echo_on() {
	stop "$echo"
	ECHO_CPU=$1
	start_echo
}

# Server and relay share a CPU: so devices are a CPU away from the server with and without a relay. Where the
# devices share theirs with the server, any relay adds two ways to a CPU that sleeps, which is all one sees.
bar_latency() {
	rated='post 100 64 2000 64'
	kept_cpu=$ECHO_CPU
	echo_on "$RELAY_CPU"
	rounds_of "direct $rated" "forward $rated" "nosec $rated" "psk $rated" "pskpsk $rated"
	echo_on "$kept_cpu"
	for kind in forward nosec psk pskpsk; do
		for key in p50_us p99_us; do
			compare latency "$key of $kind to direct at 2,000 a second" "$kind $rated" \
				"direct $rated" $key '<=' "$LATENCY"
		done
	done
}

bar_foreign() {
	each=$((exchanges / 3)) kept=$seconds
	seconds=1800 # at most
	for kind in nosec psk pskpsk; do
		run_once $kind post 1000 64 full 256 1 --count "$each"
		unwanted foreign "$kind post 1000 64 full 256" foreign bad
		shown foreign "exchanges of $kind" "$(total "$kind post 1000 64 full 256" ok)"
	done
	seconds=$kept
}

# ---- memory --------------------------------------------------------------------------------------

# Caches that a socket, its descriptor and what waits in it live in.
kernel_memory() {
	awk '$1 ~ /^(UDP|UDPv6|sock_inode_cache|filp|dentry|eventpoll_|ep_head|skbuff_)/ { sum += $2 * $4 }
		END { printf "%.0f\n", sum / 1024 }' /proc/slabinfo 2>/dev/null
}

socket_pages() { sed -n 's/^UDP: .*mem \([0-9]*\).*/\1/p' /proc/net/sockstat; }

# each_endpoint BEFORE AFTER: KiB.
each_endpoint() { awk -v a="$1" -v b="$2" -v n="$memory" 'BEGIN { printf "%.2f\n", (b - a) / n }'; }

# The devices' own sockets are open before the first look, so what is added is the relay's.
bar_memory() {
	for kind in psk pskpsk; do
		start_kind "$kind" "$memory"
		relay=$pid
		# shellcheck disable=SC2086 # a list of words
		begin load "$LOAD_CPU" "$LOAD/coapload" --target "$target" $speak --devices "$memory" --wait \
			--turns --count "$memory" --warmup 0 --stay
		await load grep -qw ready "$work/load.log"
		rss=$(memory_of "$relay" VmRSS) slab=$(kernel_memory) pages=$(socket_pages)
		kill -USR1 "$pid"
		await load grep -q '^kind=' "$work/load.log"
		line=$(grep '^kind=' "$work/load.log")
		shown memory "RSS of the relay with $memory endpoints on $kind, one exchange each, KiB" \
			"$rss to $(memory_of "$relay" VmRSS)"
		wish memory "RSS an endpoint on $kind, KiB" \
			"$(each_endpoint "$rss" "$(memory_of "$relay" VmRSS)")" '<=' "$MEMORY"
		[ -z "$slab" ] || shown memory "kernel's objects for sockets, an endpoint on $kind, KiB" \
			"$(each_endpoint "$slab" "$(kernel_memory)")"
		shown memory "pages charged to UDP sockets, the devices' too, $kind" "$pages to $(socket_pages)"
		none memory "lost on $kind" "$(value lost "$line")"
		stop "$pid"
		stop "$relay"
	done
}

# ---- storms --------------------------------------------------------------------------------------

# Every device has an address of its own, since a relay rightly bounds what one address may begin.
bar_cold() {
	label=-cold
	turn=1
	while [ "$turn" -le "$rounds" ]; do
		for kind in nosec psk pskpsk; do
			at_once=1000
			# Fewer than a relay may have half-open.
			[ $kind != pskpsk ] || at_once=256
			run_once $kind post "$endpoints" 64 full 64 "$turn" --count 100 --from $FIXED \
				--spread --register-inflight $at_once
		done
		turn=$((turn + 1))
	done
	label=''
	for kind in nosec psk pskpsk; do
		words="$kind-cold post $endpoints 64 full 64"
		figure=$(three "$words" up_cpu_s | cut -d' ' -f2)
		wish cold "CPU seconds until $endpoints endpoints on $kind are registered" "$figure" '<=' "$COLD"
		shown cold "seconds until then, $kind" "$(three "$words" up_s | tr ' ' /)"
		none cold "endpoints not registered, $kind" "$(total "$words" unregistered)"
	done
}

# The server dies under live flows, and another one takes its place that knows nobody.
restart_once() {
	kind=$1
	start_kind "$kind" "$endpoints"
	relay=$pid
	# shellcheck disable=SC2086 # a list of words
	begin load "$LOAD_CPU" "$LOAD/coapload" --target "$target" $speak --devices "$endpoints" --turns \
		--rate 2000 --retries 5 --seconds 60 --from $FIXED --spread \
		--register-inflight 256 --cpu-of "$relay"
	load=$pid
	await load grep -q '^registered' "$work/load.log"
	sleep 2
	stop "$echo"
	kill -USR1 "$load"
	start_echo
	tries=0
	until grep -q '^all were answered' "$work/load.log" || [ "$tries" -gt 60 ]; do
		sleep 1
		tries=$((tries + 1))
	done
	stop "$load"
	line=$(grep '^kind=' "$work/load.log")
	again=$(number again_s "$line")
	[ "$again" != 0.000 ] && [ "$again" != 0 ] || again=-
	measured restart "seconds until all $endpoints answer again, $kind" "$again"
	shown restart "CPU seconds of the relay until then, $kind" "$(value again_cpu_s "$line")"
	shown restart "lost, sent again, $kind" "$(value lost "$line"), $(value resent "$line")"
	none restart "foreign, $kind" "$(value foreign "$line")"
	stop "$relay"
}

bar_restart() {
	restart_once nosec
	restart_once psk
	restart_once pskpsk
}

# ---- workers -------------------------------------------------------------------------------------

# balance PATTERN: the least busy thread's share of the busiest one's, of those that did anything.
balance() {
	grep "$1" "$raw" | sed -n 's/.* threads=\([0-9,]*\).*/\1/p' | tail -n 1 | tr ',' '\n' |
		awk '$1 > 5 { n++; if (n == 1 || $1 < least) least = $1; if ($1 > most) most = $1 }
			END { printf "%d threads, least to busiest %.2f\n", n, (most > 0 ? least / most : 0) }'
}

bar_workers() {
	full='post 1000 64 full 256'
	one_cpu=$RELAY_CPU
	turn=1
	while [ "$turn" -le "$rounds" ]; do
		for workers in 1 "$many_workers"; do
			RELAY_CPU=0-$(($(nproc) - 1)) label=-w$workers
			for kind in nosec psk; do
				# shellcheck disable=SC2086 # a list of words
				run_once $kind $full "$turn"
			done
		done
		turn=$((turn + 1))
	done
	workers=1 label='' RELAY_CPU=$one_cpu
	for kind in nosec psk; do
		compare workers "exchanges a second of $kind, $many_workers workers to 1, all CPUs shared" \
			"$kind-w$many_workers $full" "$kind-w1 $full" rate '>=' ''
		compare workers "CPU of $kind, $many_workers workers to 1" "$kind-w$many_workers $full" \
			"$kind-w1 $full" cpu_us '<=' ''
		shown workers "threads of $kind with $many_workers workers" \
			"$(balance "^$kind-w$many_workers ")"
		unwanted workers "$kind-w$many_workers $full" foreign
	done
}

# ---- overload ------------------------------------------------------------------------------------

# drops: what the relay dropped or refused, as "reason count" lines.
drops() {
	"$BUILD/lwgate" -s "$work/sock" metrics |
		sed -n 's/^lwgate_\([a-z_]*\(drop\|over\|shed\|refus\)[^ ]* [0-9]*\)$/\1/p'
}

# since BEFORE AFTER: what grew, "reason: n, ...".
since() {
	awk 'NR == FNR { before[$1] = $2; next }
		$2 > before[$1] { printf "%s%s: %d", (n++ ? ", " : ""), $1, $2 - before[$1] }
		END { if (!n) printf "none" }' "$1" "$2"
}

# watch PID: RSS and the time that status takes, while the generator lives.
watch() {
	: >"$work/watched"
	while is_alive "$1"; do
		began=$(date +%s%N)
		timeout 10 "$BUILD/lwgate" -s "$work/sock" status >/dev/null 2>&1 && rc=0 || rc=1
		ended=$(date +%s%N)
		echo "$(memory_of "$relay" VmRSS) $(((ended - began) / 1000000)) $rc" >>"$work/watched"
		sleep 0.3
	done
}

# A neighbour takes half of the relay's CPU, so that the generator can offer more than it carries.
overload_once() {
	kind=$1
	begin neighbour "$RELAY_CPU" sh -c 'while :; do :; done'
	neighbour=$pid
	run_once "$kind" post 1000 64 full 256 1
	carried=$(number rate "$line")
	start_kind "$kind" 1000
	relay=$pid
	# shellcheck disable=SC2086 # a list of words
	begin load "$LOAD_CPU" "$LOAD/coapload" --target "$target" $speak --devices 1000 --window 128 \
		--timeout 2 --rate $((carried * 2)) --greedy 50 --warmup 1 --seconds $((seconds * 2)) \
		--cpu-of "$relay"
	load=$pid
	await load grep -q '^registered' "$work/load.log"
	drops >"$work/before"
	watch "$load"
	drops >"$work/after"
	line=$(grep '^kind=' "$work/load.log")
	stop "$load"
	stop "$relay"
	stop "$neighbour"
	overload_rows
}

overload_rows() {
	measured overload "answered of what it carries, offered twice as much, $kind" \
		"$(awk -v a="$(number rate "$line")" -v b="$carried" 'BEGIN {
			if (b > 0) printf "%.2f\n", a / b; else print "-" }')"
	shown overload "offered, sent and carried a second, $kind" \
		"$((carried * 2)), $(awk -v s="$(number sent "$line")" -v t="$(number secs "$line")" \
			'BEGIN { printf "%.0f", (t > 0 ? s / t : 0) }'), $carried"
	shown overload "answers of a device, least / median / most, $kind" \
		"$(value dev_min "$line") / $(value dev_median "$line") / $(value dev_max "$line")"
	shown overload "answers of the greedy device, $kind" "$(value greedy "$line")"
	shown overload "lost, late, $kind" "$(value lost "$line"), $(value late "$line")"
	shown overload "drops by reason, $kind" "$(since "$work/before" "$work/after")"
	shown overload "RSS of the relay, KiB, $kind" \
		"$(awk 'NR == 1 { a = $1 } { b = $1 } END { print a " to " b }' "$work/watched")"
	wish overload "longest time of lwgate status, ms, $kind" \
		"$(awk '$3 { bad = 1 } $2 > most { most = $2 }
			END { print (bad || !NR ? "-" : most + 0) }' "$work/watched")" '<=' "$CONTROL_MS"
	none overload "foreign, $kind" "$(value foreign "$line")"
}

bar_overload() {
	case $seconds in *.*) whole=1 ;; *) whole=$seconds ;; esac
	kept=$seconds seconds=$whole
	overload_once nosec
	overload_once psk
	seconds=$kept
}

# ---- control -------------------------------------------------------------------------------------

# asked COMMAND: the longest time of five answers, ms; "-" where one is missing.
asked() {
	for _ in 1 2 3 4 5; do
		began=$(date +%s%N)
		timeout 30 "$BUILD/lwgate" -s "$work/sock" "$1" >"$work/asked" 2>&1 && rc=0 || rc=1
		echo "$((($(date +%s%N) - began) / 1000000)) $rc"
	done | awk '$2 { bad = 1 } $1 > most { most = $1 } END { print (bad ? "-" : most + 0) }'
}

# control_once WORKERS: all that control can be asked of a large relay that has more to do than it can.
control_once() {
	workers=$1
	begin neighbour "$RELAY_CPU" sh -c 'while :; do :; done'
	neighbour=$pid
	start_kind psk "$endpoints"
	relay=$pid
	# shellcheck disable=SC2086 # a list of words
	begin load "$LOAD_CPU" "$LOAD/coapload" --target "$target" $speak --devices "$endpoints" --window 16 \
		--timeout 2 --rate 1000000 --warmup 0 --seconds 120
	load=$pid
	await load grep -q '^registered' "$work/load.log"
	for command in status routes endpoints metrics; do
		wish control "longest time of lwgate $command under overload, ms, $endpoints endpoints, $1 workers" \
			"$(asked "$command")" '<=' "$CONTROL_MS"
	done
	is_alive "$load" || wish control "load with $1 workers" - '<=' 0
	stop "$load"
	stop "$relay"
	stop "$neighbour"
}

bar_control() {
	one_cpu=$RELAY_CPU
	control_once 1
	RELAY_CPU=0-$(($(nproc) - 1))
	control_once "$many_workers"
	workers=1 RELAY_CPU=$one_cpu
}

# ---- all -----------------------------------------------------------------------------------------

for name in $names; do
	case " $ALL_BARS " in
	*" $name "*) ;;
	*) die "no such bar: $name; there are $ALL_BARS" ;;
	esac
done
wanted=nosec
case " $names " in *' forward '* | *' many '* | *' latency '*) wanted="$wanted forward" ;; esac
case " $names " in *' nginx '*) wanted="$wanted nginx" ;; esac
case " $names " in *' libcoap '*) wanted="$wanted coap-psk" ;; esac
# shellcheck disable=SC2086 # a list of words
need $wanted
: >"$work/bars"
[ -z "$out" ] || raw=$out/raw-bars
: >"$raw"
start_echo
for name in $names; do
	"bar_$name"
done
{
	describe "Bars: $rounds rounds of $seconds s"
	echo '| bar | what | figure | |'
	echo '|---|---|---|---|'
	cat "$work/bars"
} >"$work/report"
cat "$work/report"
[ -z "$out" ] || cp "$work/report" "$out/bars.md"
say "$(grep -c 'met:' "$work/bars") met, $(grep -c 'missed:' "$work/bars") missed, $failures failed"
[ "$failures" -eq 0 ]
