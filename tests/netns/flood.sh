#!/bin/bash
# Claim: floods, half-open handshakes and junk cost devices nothing: whoever is new, or begins anew on
# its old port, is served at once; live sessions lose no exchange and none ends; strangers get no
# answer that is longer than what they said; memory does not grow with their number; counters say
# what was dropped. Junk that bears the address of a device, or of the server, ends nothing either.
#   bad (flood, 10.64.0.0/16) ----+
#   dev (coapload, DTLS) --------- gw (relay) ---- srv (coapecho, DTLS)
# tests/load/flood.sh runs it longer, with the relay as it is installed:
#   FLOOD_COUNTS   hellos of each flood; a list      FLOOD_JUNK     datagrams of junk
#   FLOOD_SECONDS  that each lasts                   FLOOD_SERVED   ms until a device is served
#   FLOOD_MEMORY   KiB that the relay may grow by    FLOOD_COST     hellos to measure their cost by
# shellcheck source-path=SCRIPTDIR disable=SC2317 # "under" calls what it is given
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/load.sh"
set -u
SECONDS_EACH=${FLOOD_SECONDS:-2}
COUNTS=${FLOOD_COUNTS:-3000}
JUNK=${FLOOD_JUNK:-3000}
MEMORY=${FLOOD_MEMORY:-65536}
SERVED=${FLOOD_SERVED:-5000}
COST=${FLOOD_COST:-0}
COAPS=$GATEWAY:5684
DEVICES=8
# A sanitizer would keep what is freed for long; that is not what is measured.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1

# ---- the parts ------------------------------------------------------------------------------

lab() {
	netns_three
	netns_add bad
	netns_link bad eth gw lan1
	netns_address bad eth 203.0.113.2/24
	netns_address gw lan1 203.0.113.1/24
	at bad ip route add default via 203.0.113.1
	at bad ip route add local 10.64.0.0/16 dev lo
	at gw ip route add 10.64.0.0/16 via 203.0.113.2
}

# raw_key NAME: a key for those that prove themselves without a secret in common.
raw_key() {
	openssl ecparam -name prime256v1 -genkey -noout -out "$WORK/$1.key" || fail 'no key'
	openssl pkey -in "$WORK/$1.key" -pubout -out "$WORK/$1.pub" || fail 'no public key'
}

# An endpoint for each device that coapload will play.
people() {
	local name i
	for name in live new again; do
		for ((i = 0; i < (${#name} == 4 ? DEVICES : 1); i++)); do
			printf -v key '%s%08x' $SEED_KEY "$i"
			printf -v ep '%s%04u' "$name" "$i"
			section endpoint - name "$ep" server cloud identity "$ep" key "$key" \
				lan_identity "$ep" lan_key "$key"
		done
	done
}

relay_up() {
	relay_conf
	section gateway main log_level info
	section server cloud uri coaps://$SERVER
	raw_key gateway
	raw_key device
	section listen lan +interface lan0 +interface lan1 server cloud \
		private_key_file "$WORK/gateway.key"
	people
	section endpoint - name raw server cloud identity raw key "$KEY" \
		lan_public_key_file "$WORK/device.pub"
	echo_start
	relay_start
}

claim() { echo "     $*"; }

# devices NAME PROGRAM ARGS..: coapload, over DTLS.
devices() {
	local name=$1 program=$2
	shift 2
	run dev "$program" "$LOAD/coapload" --target "$COAPS" --name "$name" \
		--key ${SEED_KEY}00000000 --derive --warmup 0 "$@"
}

# The live ones exchange messages, until they are told to end or for so many seconds.
live_start() {
	mark live
	devices live live --devices $DEVICES --seconds "$1" --inflight 4 --retries 3 --timeout 1
	want live '^registered: 8 of 8'
}

# live_end RC: how they ended. Sets rate.
live_end() {
	local line
	line=$(tail -n 1 "$WORK/live.log")
	[ "$1" -eq 0 ] || fail "the live devices are not content: $line"
	same "$(value lost live)" 0 "exchanges that were lost: $line"
	rate=$(value rate live)
	rate=${rate%.*}
}

quiet() {
	live_start 2
	wait "${NETNS_PID[live]}"
	live_end $?
	unset 'NETNS_PID[live]'
	quiet=$rate
	claim "quiet: $quiet exchanges/s"
	first_rss=$(resident)
}

# within TEXT MS FILE: the two phases of a device took less.
within() {
	local ms
	ms=$(sed -nE 's/^(sessions|registered): 1 of 1 in ([0-9.]+) s.*/\2/p' "$3" | tail -n 2 |
		awk '{ s += $1 } END { printf "%d", s * 1000 + 0.5 }')
	[ "$ms" -le "$2" ] || fail "$1 took $ms ms"
	claim "$1 in $ms ms"
}

# A device that is new, and one that begins anew on the port that it had, without a farewell.
newcomers() {
	mark new again
	devices new new --devices 1 --count 1
	devices again again --devices 1 --count 1 --from 192.0.2.12:40000
	want new '^registered: 1 of 1' 20
	want again '^registered: 1 of 1' 20
	within "  a new device is served" "$SERVED" "$WORK/new.err"
	within "  a device that begins anew on its old port is served" "$SERVED" "$WORK/again.err"
	wait "${NETNS_PID[new]}" "${NETNS_PID[again]}"
	unset 'NETNS_PID[new]' 'NETNS_PID[again]'
}

# The device that will begin anew: killed in mid-session.
live_once() {
	mark again
	devices again again --devices 1 --idle 60 --from 192.0.2.12:40000
	want again '^registered: 1 of 1'
	stop again KILL
}

# ---- what must hold while something bad goes on -----------------------------------------------

ended() { echo $(($(counted device_closed) + $(counted device_idle) + $(counted server_closed))); }

secured() { lwgate --json routes | grep -a '"endpoint":"live' | grep -ac '"lan_suite":"TLS_PSK'; }

dropped() {
	lwgate metrics | sed -nE 's/^lwgate_(drops_total\{reason="([a-z_]+)"\}|(hellos_answered|device_[a-z_]+)_total) ([0-9]+)$/\2\3 \4/p'
}

# What was counted since, in one line.
counters() {
	dropped | awk -v old="$1" 'NR == FNR { n[$1] = $2; next } $2 > n[$1] {
		printf "%s%s %d", s, $1, $2 - n[$1]; s = ", " }' "$1" -
}

# under TEXT NEWCOMERS PROGRAM..: runs the live devices beside it.
under() {
	local text=$1 with=$2 closed before base_rss
	shift 2
	[ "$with" = 0 ] || live_once
	dropped >"$WORK/before"
	before=$(counted lan_overflows)
	base_rss=$(resident)
	live_start 600
	closed=$(ended)
	: >"$WORK/flood.log"
	"$@"
	[ "$with" = 0 ] || newcomers
	wait "${NETNS_PID[flood]}" || fail 'the flood failed'
	unset 'NETNS_PID[flood]'
	claim "$text: $(tail -n 1 "$WORK/flood.log")"
	# Those newcomers that took their leave are two.
	same $(($(ended) - closed)) $((with * 2)) 'sessions that ended'
	same "$(secured)" $DEVICES 'live devices that have a session'
	memory=$(resident)
	stop live
	live_end $?
	claim "  live: $rate exchanges/s, $(awk "BEGIN { printf \"%.2f\", $rate / $quiet }") of the quiet rate;" \
		"none lost, $(value resent live) repeated; no session ended"
	[ $((rate * 20)) -ge "$quiet" ] || fail "the live devices stand still: $rate a second"
	claim "  memory: $base_rss KiB before, $memory after"
	[ $((memory - first_rss)) -le "$MEMORY" ] || fail "the relay grew from $first_rss KiB to $memory"
	claim "  counted: $(counters "$WORK/before"), lan_overflows $(($(counted lan_overflows) - before))"
}

# strangers MODE COUNT SECONDS [PORT [OPTION..]]: a flood from many addresses.
strangers() {
	local mode=$1 count=$2 seconds=$3 port=${4:-5684}
	shift $(($# > 4 ? 4 : $#))
	run bad flood "$LOAD/flood" "$mode" --to "203.0.113.1:$port" --from 10.64.0.0 \
		--sources 60000 --count "$count" --rate $((count / seconds)) \
		--seconds $((seconds * 5)) "$@"
}

# The same by clients with raw keys: each costs the relay a signature.
raw_strangers() {
	strangers half "$1" "$SECONDS_EACH" 5684 --raw-key "$WORK/device.key" --trust "$WORK/gateway.pub"
}

no_larger() {
	same "$(value larger flood)" 0 'answers longer than their question'
	[ "$(value answered flood)" -gt 0 ] || fail 'nobody was answered'
}

floods() {
	local count mode port
	for count in $COUNTS; do
		for mode in hello cookie half; do
			under "$mode, $count" 1 strangers $mode "$count" "$SECONDS_EACH"
			no_larger
		done
	done
	under "half by raw keys, $JUNK" 1 raw_strangers "$JUNK"
	no_larger
	for port in 5684 5683; do
		under "junk to port $port" 0 strangers junk "$JUNK" "$SECONDS_EACH" $port
		no_larger
	done
}

# liar NS MODE IF LIE TO: junk with the address of somebody else, also heard from the wire.
liar() {
	run "$1" flood "$LOAD/flood" "$2" --capture "$3" --lie "$4" --to "$5" --count "$JUNK" \
		--rate $((JUNK / SECONDS_EACH)) --seconds $((SECONDS_EACH * 5))
}

as_device() { liar dev "$1" lan "$(route live0001 device)" "$COAPS"; }
as_server() { liar srv "$1" wan "$SERVER:5684" "198.51.100.1:$(route live0001 port)"; }

lies() {
	local mode
	for mode in junk again; do
		under "$mode, as if of a live device" 0 as_device $mode
		[ "$(value heard flood)" -gt 0 ] || fail 'nothing was heard on the wire'
		under "$mode, as if of the server" 0 as_server $mode
		[ "$(value heard flood)" -gt 0 ] || fail 'nothing was heard on the wire'
	done
}

# All that a device said and heard since it began is said again in its name, cookie and all.
beginnings() {
	mark again
	run dev flood "$LOAD/flood" again --capture lan --lie 192.0.2.12:40000 --to "$COAPS" \
		--count "$JUNK" --rate $((JUNK / SECONDS_EACH)) --seconds $((SECONDS_EACH * 5))
	dropped >"$WORK/before"
	want flood '^listening'
	devices again again --devices 1 --seconds 600 --rate 10 --retries 3 --timeout 1 --from 192.0.2.12:40000
	want again '^registered: 1 of 1'
	wait "${NETNS_PID[flood]}" || fail 'the flood failed'
	unset 'NETNS_PID[flood]'
	stop again || fail "the device is not content: $(tail -n 1 "$WORK/again.log")"
	same "$(value lost again)" 0 "exchanges that were lost: $(tail -n 1 "$WORK/again.log")"
	claim "a device's own beginning said again: $(tail -n 1 "$WORK/flood.log")"
	claim "  it lost nothing, $(value resent again) repeated; counted: $(counters "$WORK/before")"
}

# ticks: user and system time of the relay, 10 ms each.
ticks() { awk '{ print $14 + $15 }' "/proc/${NETNS_PID[relay]}/stat"; }

# costs TEXT PROGRAM..: the relay's CPU by the hellos that it answered.
costs() {
	local text=$1 before hellos ns
	shift
	before=$(ticks)
	hellos=$(counted hellos_answered)
	"$@"
	wait "${NETNS_PID[flood]}" || fail 'the flood failed'
	unset 'NETNS_PID[flood]'
	hellos=$(($(counted hellos_answered) - hellos))
	ns=$((($(ticks) - before) * 10000000 / hellos))
	claim "cost: $text $((ns / 1000)).$((ns % 1000 / 100)) us of CPU" \
		"(fields 14 and 15 of /proc/PID/stat, $hellos of them)"
}

cost() {
	costs 'a refused hello' strangers hello "$COST" 2
	costs 'a refused cookie' strangers cookie "$COST" 2
	costs 'a half-open handshake' strangers half "$COST" 4
	costs 'a half-open handshake by raw keys' raw_strangers $((COST / 4))
}

netns_begin flood
lab
relay_up
quiet
floods
lies
beginnings
[ "$COST" = 0 ] || cost
lost | sed 's/^/     /'
relay_stop
pass
