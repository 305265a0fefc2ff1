#!/bin/sh
# The whole table: every kind, scenario, size and load, the bars, and drawings, in a folder of results/.
# About 35 minutes; SHORT=1 runs through everything in 6, for a look at the scripts, not at figures.
# usage: tests/load/table.sh
set -u
here=$(dirname "$0")
BUILD=${BUILD:-build}
export BUILD
out=$here/results/$(date -u +%Y-%m-%dT%H%M%SZ)
mkdir -p "$out" || exit 2
rounds=5 few=3 seconds=2
few_bars=''
[ -z "${SHORT:-}" ] || rounds=1 few=1 seconds=0.4 few_bars='--rounds 1 --seconds 0.4 --exchanges 300000'
failures=0

# part OPTION...: more rows of the same table.
part() {
	"$here/run.sh" --append "$out" --seconds "$seconds" "$@" >"$out/part.log" 2>&1 ||
		{ failures=$((failures + 1)); cat "$out/part.log"; }
	grep -v '^[|*]' "$out/part.log" | grep . | grep -v '^#'
	rm "$out/part.log"
}

relay='forward nosec psk pskpsk opaque'
part --rounds $rounds --kinds "direct $relay nginx pen socat coap coap-psk"
part --rounds $few --kinds "$relay nginx" --devices '1 1000 10000'
part --rounds $few --kinds "$relay" --payloads '256 1024'
part --rounds $few --kinds "$relay nginx" --scenarios 'get notify block down mixed'
part --rounds $few --kinds "$relay nginx" --loads 'full half'
part --rounds $few --kinds "direct $relay nginx pen coap coap-psk" --loads 2000
# Rounds of several parts are told apart by their case, so the rows of all can be one table.
{
	echo "# The whole table"
	echo
	sed -n 3p "$out/table.md"
	echo "Alternating runs of $seconds s, $rounds of the first case, $few of the others. least / **median** / most."
	echo
	awk -f "$here/table.awk" "$out/summary.tsv"
	echo
	echo "**Devices that call the gateway, and devices that call their server and are intercepted**"
	echo
} >"$out/whole"
"$here/intercept.sh" --scenarios 'post down' --rounds $few --seconds "$seconds" >>"$out/whole" || failures=$((failures + 1))
mv "$out/whole" "$out/table.md"
# shellcheck disable=SC2086 # a list of words
"$here/bars.sh" $few_bars --into "$out" || failures=$((failures + 1))
"$here/plot.sh" "$out" || failures=$((failures + 1))
rm -rf "$out/percentiles"
cat "$out/table.md" "$out/bars.md"
echo "saved in $out" >&2
[ "$failures" -eq 0 ]
