#!/bin/sh
# Measures what a relayed exchange costs: the relay beside a bare forwarder and peers, in alternating runs.
# Generator and echo server share one CPU, what is measured has the other. README.md explains.
# usage: tests/load/run.sh [--kinds "direct forward nosec psk pskpsk opaque nginx pen socat coap coap-psk"]
#        [--scenarios "post get notify push block down mixed"] [--devices "N.."] [--payloads "N.."]
#        [--loads "full half RATE.."] [--inflights "N.."] [--rounds N] [--seconds N] [--window N]
#        [--transfer N] [--cid BYTES] [--workers N] [--ipv6] [--save] [--append FOLDER]
# Kinds name what is spoken on the LAN and the WAN side: nosec, psk (plain to DTLS), pskpsk (DTLS to DTLS).
# Lists are run through in every round. --save makes a folder in results/.
here=$(dirname "$0")
command_line="$0 $*"
# shellcheck source=tests/load/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/load/kinds.sh
. "$here/kinds.sh"
# shellcheck source=tests/load/measure.sh
. "$here/measure.sh"

kinds="direct forward nosec psk pskpsk" scenarios=post rounds=5 many=100 payloads=64 loads=full
inflights=64 out=''

usage() { sed -n '4,9s/^# //p' "$0" >&2; exit 2; }

while [ $# -gt 0 ]; do
	case $1 in
	--kinds | --scenarios | --payloads | --loads | --inflights | --rounds | --seconds | --window | \
		--transfer | --cid | --workers)
		[ $# -ge 2 ] || usage
		eval "${1#--}=\$2"
		shift
		;;
	--devices) many=${2:?} && shift ;;
	--append) out=${2:?} && shift ;;
	--ipv6) ipv6 ;;
	--save) place '' ;;
	*) usage ;;
	esac
	shift
done
# shellcheck disable=SC2086 # a list of words
need $kinds
[ -z "$out" ] || { raw=$out/raw percentiles=$out/percentiles && mkdir -p "$percentiles"; }
touch "$raw"

# round_of N: every case once; the kinds of a case stand beside each other.
round_of() {
	for devices in $many; do for payload in $payloads; do for scenario in $scenarios; do
		for inflight in $inflights; do for how in $loads; do for kind in $kinds; do
			! supports "$kind" "$scenario" ||
				run_once "$kind" "$scenario" "$devices" "$payload" "$how" "$inflight" "$1"
		done; done; done
	done; done; done
}

start_echo
# Rounds of an earlier part in the same folder are others.
round=$(awk '$7 > last { last = $7 } END { print last + 1 }' "$raw")
rounds_end=$((round + rounds))
while [ "$round" -lt "$rounds_end" ]; do
	round_of "$round"
	round=$((round + 1))
done
awk -f "$here/summary.awk" "$raw" >"$work/summary"
{
	describe "Load: $rounds alternating runs of $seconds s"
	awk -f "$here/table.awk" "$work/summary"
} >"$work/report"
cat "$work/report"
if [ -n "$out" ]; then
	cp "$work/summary" "$out/summary.tsv"
	cp "$work/report" "$out/table.md"
	say "saved in $out"
fi
[ "$failures" -eq 0 ]
