#!/bin/bash
# Claim: while one device sends three times what the relay can carry, others lose nothing; what the greedy one
# sends beyond its share is dropped, counted by reason and on its flow, and told in the log; the relay's memory
# stays; it answers `lwgate status` and reloads. Afterwards the limits are gone. It leaves in order under flood.
# First in plain CoAP, then with DTLS.
#   dev (coapload: greedy, modest) ---- gw (relay) ---- srv (coapecho, DTLS)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/load.sh"
set -u
MODEST=10
# KiB that the relay may grow by under flood.
MEMORY=8192
# A sanitizer would keep what is freed for long; that is not what is measured.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1

# endpoints NAME COUNT: as coapload plays them, with DTLS or without.
endpoints() {
	local i key ep
	for ((i = 0; i < $2; i++)); do
		printf -v key '%s%08x' $SEED_KEY "$i"
		printf -v ep '%s%04u' "$1" "$i"
		case $1 in
		*s) section endpoint - name "$ep" server cloud identity "$ep" key "$key" lan_identity "$ep" lan_key "$key" ;;
		*) section endpoint - name "$ep" server cloud identity "$ep" key "$key" ;;
		esac
	done
}

relay_up() {
	local kind
	relay_conf
	section gateway main log_level info
	section server cloud uri coaps://$SERVER
	section listen lan interface lan0 server cloud
	for kind in '' s; do
		endpoints "quiet$kind" 8
		endpoints "modest$kind" $MODEST
		endpoints "greedy$kind" 1
	done
	echo_start
	relay_start
}

# devices NAME ARGS..: coapload in the background, by DTLS where the name ends so.
devices() {
	local name=$1 way=(--target "$GATEWAY:5683")
	shift
	[ "${name%s}" = "$name" ] || way=(--target "$GATEWAY:5684" --key "${SEED_KEY}00000000" --derive)
	run dev "$name" "$LOAD/coapload" "${way[@]}" --name "$name" --warmup 0 "$@"
}

# ended NAME: waits for it.
ended() {
	wait "${NETNS_PID[$1]}" || fail "$1 is not content: $(tail -n 1 "$WORK/$1.log")"
	unset "NETNS_PID[$1]"
}

# greedy NAME SECONDS RATE: one device that does not wait for answers, from the same port each time.
greedy() {
	devices "$1" --devices 1 --from 192.0.2.12:40000 --window 256 --timeout 0.002 --rate "$3" --seconds "$2"
}

# in_time CMD..: control answers at once; the bound is for a sanitizer on a busy machine.
in_time() { timeout 5 "$BUILD/lwgate" -s "$WORK/lwgate.sock" "$@" >"$WORK/control.out" 2>&1 ||
	fail "lwgate $* under overload: $(tail -n 2 "$WORK/control.out")"; }

# overload SUFFIX: "" in plain CoAP, "s" with DTLS.
overload() {
	local quiet=quiet$1 modest=modest$1 greedy=greedy$1 rate before
	devices "$quiet" --devices 8 --window 8 --inflight 64 --seconds 1
	ended "$quiet"
	rate=$(value rate "$quiet")
	before=$(resident)
	mark relay
	greedy "$greedy" 5 $((${rate%.*} * 3))
	devices "$modest" --devices $MODEST --rate 100 --timeout 0.5 --retries 4 --seconds 4
	eventually 4 is "route_drops ${greedy}0000 overload" -gt 0 || fail 'nothing is dropped by share'
	in_time status
	in_time reload
	in_time metrics
	grep -q '^lwgate_drops_total{reason="overload"} [1-9]' "$WORK/control.out" || fail 'metrics do not tell'
	same "$(resident | awk -v most=$((before + MEMORY)) '{ print ($1 <= most) }')" 1 \
		"memory is bounded: $before KiB before, $(resident) under flood"
	ended "$modest"
	ended "$greedy"
	echo "     ${1:+DTLS: }carries $rate/s; greedy: $(value sent "$greedy") in 5 s," \
		"$(($(value ok "$greedy") + $(value late "$greedy"))) answered;" \
		"modest: $(tail -n 1 "$WORK/$modest.log" | cut -d ' ' -f 4-7); memory $before KiB, then $(resident)"
	same "$(value lost "$modest")" 0 'exchanges that modest devices lost'
	[ $(($(value resent "$modest") * 5)) -le "$(value sent "$modest")" ] || fail 'modest devices are not served'
	same "$(route_drops "${modest}0000" overload)" 0 'messages of a modest device that were dropped'
	want relay "overload: devices send more than can be carried.*${greedy}0000 sends most"
	want relay 'overload is over'
	before=$(drops overload)
	devices "$greedy" --devices 1 --from 192.0.2.12:40000 --count 300
	ended "$greedy"
	same "$(value lost "$greedy")" 0 'exchanges that are lost afterwards'
	same "$(drops overload)" "$before" 'messages dropped before and after'
}

netns_begin overload
netns_three
relay_up
overload ''
overload s
lost | sed 's/^/     /'
greedy greedy 5 30000
eventually 5 is 'counted up_messages' -gt 0
relay_stop
stop greedy
pass
