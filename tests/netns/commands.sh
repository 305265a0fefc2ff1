#!/bin/bash
# Claim: each command of lwgate answers from the running relay, as a table for people and as JSON for
# programs; metrics are Prometheus text; exit codes are as said; names that strangers chose do no
# harm; no key and no whole identity is shown; without a daemon it says so.
#   dev (lwm2m-device x2, rawudp) ---- gw (relay, asked by lwgate) ---- srv (lwm2m-server: DTLS, NoSec)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

ASKING='status routes endpoints metrics reload'

# exits STATUS ARGS..: runs lwgate; what it says is in WORK/out and WORK/told.
exits() {
	local wanted=$1 got
	shift
	lwgate "$@" >"$WORK/out" 2>"$WORK/told"
	got=$?
	[ $got = "$wanted" ] || fail "lwgate $*: status $got, not $wanted: $(cat "$WORK/out" "$WORK/told")"
}

out_has() {
	local ere
	for ere in "$@"; do grep -qE -- "$ere" "$WORK/out" || fail "no $ere in: $(cat "$WORK/out")"; done
}

# json ARGS.. -- FILTER..: the answer is JSON, and each filter of it is true.
json() {
	local args=()
	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	exits 0 --json "${args[@]}"
	for filter in "${@:2}"; do
		jq -e "$filter" <"$WORK/out" >/dev/null || fail "${args[*]}: not $filter: $(cat "$WORK/out")"
	done
}

without_daemon() {
	local word
	for word in $ASKING top; do
		exits 3 "$word"
		grep -q "no daemon answers at $WORK/lwgate.sock: No such file" "$WORK/told" || fail "$word"
		grep -q 'is lwgated running?' "$WORK/told" || fail "$word does not ask after lwgated"
		[ -s "$WORK/out" ] && fail "$word prints without a daemon"
	done
	exits 0 check "$WORK/lwgate.conf"
	exits 0 --version
	exits 0 --help
}

wrong_usage() {
	exits 2
	exits 2 statsu
	exits 2 status now
	exits 2 --jso=1 status
	exits 2 --json top
	exits 2 --print status
	exits 2 check a b
	exits 1 check "$WORK/none"
}

tables() {
	local word
	exits 0 status
	out_has '^cloud +1 +1 +198\.51\.100\.10:5684 ' '^plain +1 +1 ' '^lan +coap +no +lan0 +0\.0\.0\.0:5683' '2 live'
	exits 0 routes
	out_has 'up .*AES_128_CCM_8 .*/rd/.*cloud.*192\.0\.2\.11:[0-9]+ +one$' \
		'up +- .*/rd/.*plain.*192\.0\.2\.11:[0-9]+ +two$'
	exits 0 endpoints
	out_has '\bone\b' '\btwo\b' '\bidle\b' 'no flow'
	exits 0 reload
	out_has '^the configuration is in use$'
	exits 0 check "$WORK/lwgate.conf"
	exits 0 check --print "$WORK/lwgate.conf"
	out_has "option name 'idle'"
	run gw top "$BUILD/lwgate" -s "$WORK/lwgate.sock" top
	want top 'messages a second: [0-9.]+ up'
	want top ' one$'
	stop top
	for word in status routes endpoints; do
		exits 0 "$word"
		grep -q '[[:cntrl:]]' "$WORK/out" && fail "$word prints control characters"
		grep -qE '(id-one-with|[0-9a-f]{32})' "$WORK/out" && fail "$word shows a secret"
	done
}

programs() {
	json status -- '.error == null' '.totals.up_messages >= 2' '.uptime_ms > 0'
	json routes -- '.routes | length == 2' \
		'.routes[] | select(.endpoint == "one") | .state == "up" and .live and .port > 0
			and .suite == "TLS_PSK_WITH_AES_128_CCM_8" and .up.messages >= 1
			and (.location | startswith("/rd/")) and .lifetime_s == 600 and .drops == {}' \
		'.routes[] | select(.endpoint == "two") | .suite == null and .identity == null'
	json endpoints -- '.endpoints | length == 3' \
		'.endpoints[] | select(.endpoint == "idle") | .state == "no flow"'
	json metrics -- '.metrics | length > 1000'
	json reload -- '.error == null'
	# Root's, and the group's of the relay where there is one.
	case $NETNS_KEY_MODE in
	640) same "$(stat -c '%a %u:%g' "$WORK/lwgate.sock")" "660 0:$NETNS_ID" 'rights of the socket' ;;
	*) same "$(stat -c %a "$WORK/lwgate.sock")" 600 'rights of the socket' ;;
	esac
}

# Text format 0.0.4: each sample has a good name, labels and number, HELP and TYPE stand before it
# once, no sample comes twice.
prometheus() {
	awk '
	function wrong(why) { print why ": " $0; bad = 1 }
	/^# HELP / { if (help[$3]++) wrong("HELP twice"); next }
	/^# TYPE / {
		if (type[$3]++ || !help[$3]) wrong("TYPE twice or without HELP")
		if ($4 != "counter" && $4 != "gauge") wrong("unknown type")
		kind[$3] = $4
		next
	}
	!/^[a-z_]+(\{[a-z_]+="([^"\\]|\\["\\n])*"(,[a-z_]+="([^"\\]|\\["\\n])*")*\})? [0-9]+(\.[0-9]+)?$/ {
		wrong("no sample")
	}
	{
		name = $0
		sub(/[ {].*/, "", name)
		if (!type[name]) wrong("no TYPE before")
		if (kind[name] == "counter" && name !~ /_total$/) wrong("a counter not named _total")
		sub(/ [^ ]*$/, "")
		if (seen[$0]++) wrong("twice")
		samples++
	}
	END { if (samples < 50) wrong("only " samples " samples"); exit bad }' "$WORK/out" ||
		fail 'metrics are no Prometheus text'
	echo "     $(grep -vc '^#' "$WORK/out") samples"
}

metrics() {
	local first
	exits 0 metrics
	prometheus
	first=$(counted up_messages)
	tell two update
	want two '^updated'
	soon 'a counter grows' is 'counted up_messages' -eq $((first + 1))
}

# A stranger's endpoint name may hold anything that is printable.
odd_names() {
	cloud_again coap://$SERVER unknown_endpoints accept
	relay_reload
	raw odd 192.0.2.12:40001
	says odd con 0.02 1 a1 '/rd?ep=a"b\c{}%s<x>&lt=60' '</1>'
	hears odd ack 2.01 1 a1
	raw odd2 192.0.2.12:40002
	# A C1 control character in UTF-8 and a lone byte of it: e p = x 9b c2 9b.
	tell odd2 "$(coap con 0.02 2 a1 /rd)4865703d789bc29b7a056c743d3630ff3c2f313e"
	want odd2 "^$GATEWAY:5683 61" 5
	exits 0 routes
	LC_ALL=C grep -q "$(printf '\x9b')" "$WORK/out" && fail 'routes prints a terminal control byte'
	out_has 'a"b'
	json routes -- '.routes | length >= 1' \
		'[.routes[].endpoint] | index("a\"b\\c{}%s<x>") != null'
	json endpoints -- '.endpoints | length >= 1'
	exits 0 metrics
	prometheus
}

netns_begin commands
netns_three
echo "id-one-with-a-long-tail $(key_of one) one" >"$WORK/psk"
server_start server openssl --psk "$WORK/psk" --coap '[::]:5683' --coaps '[::]:5684'
cloud coaps://$SERVER
section server plain uri coap://$SERVER
section endpoint - name one server cloud identity id-one-with-a-long-tail key "$(key_of one)"
section endpoint - name two server plain
endpoint idle
without_daemon
relay_start
for name in one two; do
	device "$name" 192.0.2.11 --lifetime 600
	want "$name" '^registered /rd/'
done
wrong_usage
tables
programs
metrics
odd_names
grep -qE '(one-with-a|[0-9a-f]{32})' "$WORK/relay.err" && fail 'the log shows a secret'
relay_stop
exits 3 status
pass
