#!/bin/sh
# The load tools work in every scenario, and notice what they must notice: lost, double, late, foreign
# and wrong messages, at both ends, and a wrong key. Half a minute; no figure is judged here.
here=$(dirname "$0")
# shellcheck source=tests/load/lib.sh
. "$here/lib.sh"

passed=0 failed=0
COAP=$((PORT + 10)) COAPS=$((PORT + 11)) LAN=$((PORT + 12)) FAULTY=$((PORT + 13)) CONTROL=$((PORT + 14))
FAULTY_CONTROL=$((PORT + 15))
KEY=${SEED_KEY}00000000

# load OPTION...: runs the generator; sets line and rc. Nothing that comes is given up on a slow machine.
load() {
	line=$(timeout 60 "$LOAD/coapload" --devices 50 --count 2000 --warmup 0 --timeout 5 \
		"$@" 2>"$work/load.log")
	rc=$?
}

# expect WHAT RC KEY=VALUE...: the line must hold the pairs; >0 stands for any number above that.
expect() {
	what=$1 wrong=
	[ "$rc" -eq "$2" ] || wrong="exit $rc"
	shift 2
	for pair in "$@"; do
		got=$(value "${pair%%[=>]*}" "$line")
		case $pair in
		*'>'*) [ "${got:-0}" -gt "${pair#*>}" ] || wrong="$wrong ${pair%%>*}=$got" ;;
		*) [ "$got" = "${pair#*=}" ] || wrong="$wrong ${pair%%=*}=$got" ;;
		esac
	done
	if [ -z "$wrong" ]; then
		passed=$((passed + 1))
		echo "ok   $what"
	else
		failed=$((failed + 1))
		echo "FAIL $what: $wrong"
		printf '%s\n' "$line" | cat - "$work/load.log"
	fi
}

# clean WHAT: every exchange was answered once, by the right one.
clean() {
	expect "$1" 0 unregistered=0 sent=2000 ok=2000 lost=0 late=0 dup=0 foreign=0 bad=0 errors=0 disorder=0
}

# whole WHAT: the same where the server asks or counts, so that what was sent is not what was seen.
whole() {
	expect "$1" 0 unregistered=0 'ok>0' lost=0 late=0 dup=0 foreign=0 bad=0 errors=0 \
		disorder=0
}

start echo 0 "$LOAD/coapecho" --coap $COAP --coaps $COAPS --control $CONTROL --key "$KEY" --derive --cid 8
start forward 0 "$LOAD/forward" 127.0.0.1:$LAN 127.0.0.1:$COAP
load --target 127.0.0.1:$COAP
clean "direct"
load --target 127.0.0.1:$LAN
clean "through the forwarder"
load --target 127.0.0.1:$LAN --window 8 --inflight 400 --payload 1024
clean "through the forwarder, 400 in flight, 1,024 bytes"
load --target 127.0.0.1:$LAN --rate 20000
clean "through the forwarder, at a rate"
load --target 127.0.0.1:$LAN --turns
clean "through the forwarder, each device by turns"
expect "then all have their share" 0 dev_min=40 dev_max=40
load --target 127.0.0.1:$LAN --window 256 --rate 5000 --greedy 50
expect "a greedy device has more than others" 0 foreign=0 bad=0 'greedy>300' 'dev_min>0'
load --target 127.0.0.1:$COAPS --key "$KEY" --derive
clean "direct, DTLS with a key for each device"
load --target 127.0.0.1:$COAPS --key "$KEY" --derive --window 8 --inflight 400 --payload 1024
clean "direct, DTLS, 400 in flight, 1,024 bytes"
load --target 127.0.0.1:$COAPS --key ffffffffffffffffffffffffffffffff --count 1 --devices 1 --timeout 0.2
expect "a wrong key is noticed" 1 unregistered=1 ok=0
load --target 127.0.0.1:$FAULTY --count 1 --devices 1 --timeout 0.2
expect "a server that is not there is noticed" 1 unregistered=1 ok=0

for kind in get block notify down push mixed; do
	set -- --control 127.0.0.1:$CONTROL --kind $kind
	load "$@" --target 127.0.0.1:$LAN
	whole "$kind, through the forwarder"
	load "$@" --target 127.0.0.1:$COAPS --key "$KEY" --derive --window 8 --inflight 100
	whole "$kind, DTLS, 100 in flight"
	load "$@" --target 127.0.0.1:$LAN --count 500 --rate 5000
	whole "$kind, at a rate"
done

# The server does wrong, devices notice; with down, one end or the other.
for fault in drop twice misdeliver wrong late; do
	start $fault 0 "$LOAD/coapecho" --coap $FAULTY --control $FAULTY_CONTROL --$fault 50
	timeout=0.05
	case $fault in twice) timeout=5 ;; wrong) timeout=0.2 ;; esac
	for kind in post get block down push; do
		# What is confirmed only late is lost to the server.
		case $fault-$kind in late-push) timeout=5 ;; esac
		load --target 127.0.0.1:$FAULTY --control 127.0.0.1:$FAULTY_CONTROL --kind $kind \
			--timeout $timeout --rate 20000
		case $fault-$kind in
		late-push) expect "$kind: what newer ones overtook is counted" 0 'dup>0' lost=0 foreign=0 ;;
		drop-*) expect "$kind: lost messages are counted" 0 'lost>0' foreign=0 dup=0 ;;
		twice-*) expect "$kind: double messages are counted" 0 'dup>0' lost=0 foreign=0 ;;
		misdeliver-*) expect "$kind: foreign messages are a failure" 1 'foreign>0' foreign_by_server=0 ;;
		wrong-*) expect "$kind: wrong messages are a failure" 1 'bad>0' foreign=0 ;;
		late-*) expect "$kind: late messages are counted" 0 'late>0' foreign=0 ;;
		esac
	done
	stop "$pid"
done

# Devices do wrong, the server notices.
for kind in notify down; do
	for fault in drop twice misdeliver wrong; do
		timeout=0.05
		[ $fault != twice ] || timeout=5
		load --target 127.0.0.1:$LAN --control 127.0.0.1:$CONTROL --kind $kind \
			--timeout $timeout --$fault 50
		case $fault in
		drop) expect "$kind: the server misses what is lost" 0 'lost>0' foreign=0 dup=0 ;;
		twice) expect "$kind: the server sees what is double" 0 'dup>0' lost=0 foreign=0 ;;
		misdeliver) expect "$kind: the server sees what is foreign" 1 'foreign>0' ;;
		wrong) expect "$kind: the server sees what is wrong" 1 'bad>0' ;;
		esac
	done
done
load --target 127.0.0.1:$LAN --control 127.0.0.1:$CONTROL --kind block --skip 50 --timeout 0.05
expect "block: the server sees blocks that are not in their order" 1 'disorder>0' 'bad>0' foreign=0
for kind in post get block; do
	load --target 127.0.0.1:$LAN --control 127.0.0.1:$CONTROL --kind $kind --misdeliver 50 \
		--timeout 0.05
	expect "$kind: the server sees a request by another's path" 1 'foreign_by_server>0'
done
load --target 127.0.0.1:$LAN --control 127.0.0.1:$CONTROL
clean "what others did wrong is forgotten"

(start_bound other 0 $LAN sleep 1) 2>"$work/load.log"
rc=$?
grep -q "$LAN is still another's" "$work/load.log" || rc=1
expect "a port that another one has is nobody's start" 2

# A server dies, and one that knows no session takes its place.
start_forgetful() { start forgetful 0 "$LOAD/coapecho" --coaps $FAULTY --key "$KEY" --derive; }
start_forgetful
server=$pid
begin again 0 "$LOAD/coapload" --target 127.0.0.1:$FAULTY --key "$KEY" --derive --devices 50 --turns --rate 500 \
	--timeout 0.2 --retries 5 --anew 2 --warmup 0 --seconds 60
devices=$pid
await again grep -q '^registered' "$work/again.log"
stop "$server"
kill -USR1 "$devices"
start_forgetful
server=$pid pid=$devices rc=0
(await again grep -q '^all were answered' "$work/again.log") 2>"$work/load.log" || rc=1
stop "$devices"
stop "$server"
line=$(grep '^kind=' "$work/again.log")
expect "devices begin sessions anew that the server forgot" 0 'resent>0' 'ok>0' lost=0 foreign=0 bad=0

# In a subshell, which ends what it starts.
stop_with_children() (
	start parent 0 sh -c 'sh -c "trap \"sleep 0.3; exit\" TERM; echo ready; while :; do sleep 0.05; done" & wait'
	child=$(pgrep -P "$pid")
	stop "$pid"
	! is_alive "$child"
)
line='' rc=0
stop_with_children 2>"$work/load.log" || rc=1
expect "what a program began is gone when it was stopped" 0

# The measurement itself, in a subshell, since its names are these.
# A peer that answers nothing; its log is what the forwarder says.
silent_peer() (
	# shellcheck source=tests/load/kinds.sh
	. "$here/kinds.sh"
	# shellcheck source=tests/load/measure.sh
	. "$here/measure.sh"
	start_peer() { start "$1" 0 "$LOAD/forward" "127.0.0.1:$LAN" "127.0.0.1:$FAULTY"; }
	seconds=0.1
	run_once coap post 2 64 full 2 1 --timeout 0.1 --warmup 0
	[ "$failures" = 1 ] && complain coap ok=1 && [ "$failures" = 1 ]
)
rc=0
silent_peer 2>"$work/load.log" || rc=1
grep -q 'coap: forward ready' "$work/load.log" || rc=1
expect "a peer that answers nothing is a failure, and its log is shown" 0

# What the table makes of three rounds: least, median, most, ratios within a round, sums.
raw() {
	for round in 1 2 3; do
		echo "forward post 100 64 full 64 $round cpu_us=$((round * 2)) rate=100 lost=0 foreign=0 bad=0 ok=10"
		echo "psk post 100 64 full 64 $round cpu_us=$((round * round * 2)) rate=50 lost=$round late=1 dup=2 foreign=1 bad=1 ok=10"
	done
}
line=$(raw | awk -f "$here/summary.awk" | tail -n 1 | tr '\t' ' ')
rc=0
[ "$line" = "post 100 64 full 64 psk 2 8 18 1 2 3 50 50 50 - - - 6 6 30 - 3 6" ] || rc=1
expect "the table takes medians, and ratios within a round" 0
line=$(raw | awk -f "$here/summary.awk" | awk -f "$here/table.awk" | tail -n 1)
[ "$line" = "| psk | 2.00 / **8.00** / 18.00 | 1.00 / **2.00** / 3.00 | - | 50 / **50** / 50 | - / - | 6 | 3 | 6 | 6 | 30 | - |" ] || rc=1
expect "the table is written" 0

echo "load-smoke: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
