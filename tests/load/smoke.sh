#!/bin/sh
# The load tools work, and notice what they must notice: lost, double, foreign answers, a wrong key.
# A few seconds; no figure is judged here.
here=$(dirname "$0")
# shellcheck source=tests/load/lib.sh
. "$here/lib.sh"

passed=0 failed=0
COAP=$((PORT + 10)) COAPS=$((PORT + 11)) LAN=$((PORT + 12)) FAULTY=$((PORT + 13))
KEY=${SEED_KEY}00000000

# load OPTION...: runs the generator; sets line and rc.
load() {
	line=$(timeout 60 "$LOAD/coapload" --devices 50 --count 2000 --warmup 0 --timeout 0.2 \
		"$@" 2>"$work/load.log")
	rc=$?
}

# expect WHAT RC KEY=VALUE...: the line must hold the pairs; >0 stands for any number above zero.
expect() {
	what=$1 wrong=
	[ "$rc" -eq "$2" ] || wrong="exit $rc"
	shift 2
	for pair in "$@"; do
		got=$(value "${pair%%[=>]*}" "$line")
		case $pair in
		*'>0') [ "${got:-0}" -gt 0 ] || wrong="$wrong ${pair%>0}=$got" ;;
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
	expect "$1" 0 unregistered=0 sent=2000 ok=2000 lost=0 late=0 dup=0 foreign=0 bad=0 errors=0
}

start echo 0 "$LOAD/coapecho" --coap $COAP --coaps $COAPS --key "$KEY" --derive --cid 8
start forward 0 "$LOAD/forward" 127.0.0.1:$LAN 127.0.0.1:$COAP
load --target 127.0.0.1:$COAP
clean "direct"
load --target 127.0.0.1:$LAN
clean "through the forwarder"
load --target 127.0.0.1:$LAN --window 8 --inflight 400 --payload 1024
clean "through the forwarder, 400 in flight, 1,024 bytes"
load --target 127.0.0.1:$LAN --rate 20000
clean "through the forwarder, at a rate"
load --target 127.0.0.1:$COAPS --key "$KEY" --derive
clean "direct, DTLS with a key for each device"
load --target 127.0.0.1:$COAPS --key "$KEY" --derive --window 8 --inflight 400 --payload 1024
clean "direct, DTLS, 400 in flight, 1,024 bytes"
load --target 127.0.0.1:$COAPS --key ffffffffffffffffffffffffffffffff --count 1 --devices 1
expect "a wrong key is noticed" 1 unregistered=1 ok=0
load --target 127.0.0.1:$FAULTY --count 1 --devices 1
expect "a server that is not there is noticed" 1 unregistered=1 ok=0

for fault in drop twice misdeliver; do
	start $fault 0 "$LOAD/coapecho" --coap $FAULTY --$fault 100
	load --target 127.0.0.1:$FAULTY
	case $fault in
	drop) expect "lost answers are counted" 0 'lost>0' foreign=0 dup=0 ;;
	twice) expect "double answers are counted" 0 ok=2000 'dup>0' lost=0 foreign=0 ;;
	misdeliver) expect "foreign answers are a failure" 1 'foreign>0' ;;
	esac
	stop "$pid"
done

echo "load-smoke: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
