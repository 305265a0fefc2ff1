#!/bin/sh
# The whole table: every kind, scenario, size and load, the bars, and drawings, in a folder of results/.
# About 40 minutes; SHORT=1 runs through everything in 10, for a look at the scripts, not at figures. EVERY=1 has
# every combination of scenario, endpoints, payload and load in place of every pair: 2 hours and a half more.
# usage: tests/load/table.sh
set -u
here=$(dirname "$0")
BUILD=${BUILD:-build}
export BUILD
out=$here/results/$(date -u +%Y-%m-%dT%H%M%SZ)
mkdir -p "$out" || exit 2
rounds=5 few=3 seconds=2 brief=1
few_bars=''
[ -z "${SHORT:-}" ] || rounds=1 few=1 seconds=0.4 brief=0.4 few_bars='--rounds 1 --seconds 0.4 --exchanges 300000'
failures=0

# part OPTION...: more rows of the same table.
part() {
	if "$here/run.sh" --append "$out" --seconds "$seconds" "$@" >"$out/part.log" 2>&1; then
		grep -v '^[|*]' "$out/part.log" | grep . | grep -v '^#'
	else
		failures=$((failures + 1))
		cat "$out/part.log"
	fi
	rm "$out/part.log"
}

relay='forward nosec psk pskpsk opaque'
part --rounds $rounds --kinds "direct $relay nginx pen socat coap coap-psk"
part --rounds $few --kinds "$relay nginx" --devices '1 1000 10000'
part --rounds $few --kinds "$relay" --payloads '256 1024'
part --rounds $few --kinds "$relay nginx" --scenarios 'get notify push block down mixed'
part --rounds $few --kinds "$relay nginx" --loads 'full half'
part --rounds $few --kinds "direct $relay nginx pen coap coap-psk" --loads 2000
part --rounds $few --kinds "forward nosec psk pskpsk" --ipv6

# cross DEVICES PAYLOAD SCENARIOS [LOADS]
cross() { part --rounds 1 --seconds "$brief" --kinds "$relay" --devices "$1" --payloads "$2" --scenarios "$3" --loads "${4:-full}"; }

# Above one thing differs from the first case. Here every pair of scenario, endpoints, payload and load is in a row.
if [ -z "${EVERY:-}" ]; then
	cross 1 256 'get down' 'full half'
	cross 1 1024 'notify push mixed'
	cross 1 64 block
	cross 1000 1024 'get down'
	cross 1000 64 'notify push'
	cross 1000 256 'block mixed' 'full half'
	cross 10000 64 'get down mixed'
	cross 10000 256 'notify push' 'full half'
	cross 10000 1024 'post block' 'full half'
else
	part --rounds $few --kinds "$relay" --devices '1 100 1000 10000' --payloads '64 256 1024' \
		--scenarios 'post get notify push block down mixed' --loads 'full half'
fi
# Rounds of several parts are told apart by their case, so the rows of all can be one table.
{
	echo "# The whole table"
	echo
	sed -n 3p "$out/table.md"
	echo "Alternating runs of $seconds s, $rounds of the first case, $few where one thing differs from it, one of" \
		"$brief s where more do. least / **median** / most."
	echo
	awk -f "$here/table.awk" "$out/summary.tsv"
	echo
	echo "**Devices that call the gateway, and devices that call their server and are intercepted**"
	echo
} >"$out/whole"
intercepted() { "$here/intercept.sh" "$@" >>"$out/whole" || failures=$((failures + 1)); }
intercepted --kinds 'nosec psk pskpsk opaque' --scenarios 'post down' --rounds $few --seconds "$seconds"
printf '\nThe same in one round of %s s:\n\n' "$brief" >>"$out/whole"
intercepted --scenarios 'get notify push block mixed' --rounds 1 --seconds "$brief"
echo >>"$out/whole"
intercepted --loads 'full half' --rounds 1 --seconds "$brief"
echo >>"$out/whole"
intercepted --devices '1 1000 10000' --payloads '256 1024' --rounds 1 --seconds "$brief"
mv "$out/whole" "$out/table.md"
# shellcheck disable=SC2086 # a list of words
"$here/bars.sh" $few_bars --into "$out" || failures=$((failures + 1))
"$here/plot.sh" "$out" || failures=$((failures + 1))
rm -rf "$out/percentiles"
cat "$out/table.md" "$out/bars.md"
echo "saved in $out" >&2
[ "$failures" -eq 0 ]
