#!/bin/sh
# Draws what a run left: tests/load/plot.sh FOLDER reads summary.tsv and percentiles/ there, and writes
# cpu.svg (CPU an exchange by kind), endpoints.svg (by number of endpoints), bytes.svg, scenarios.svg and
# latency.svg. A drawing for which there is nothing is left out.
set -eu
out=$1
BUILD=${BUILD:-build}
PEERS=${LOAD_PEERS:-$BUILD/deps/load}
gnuplot=$PEERS/usr/bin/gnuplot-nox
[ -x "$gnuplot" ] || gnuplot=$(command -v gnuplot)
LD_LIBRARY_PATH=$(realpath -m "$PEERS")/usr/lib/$(uname -m)-linux-gnu
export LD_LIBRARY_PATH
data=$(mktemp -d "${TMPDIR:-/tmp}/lwgate-plot.XXXXXX")
trap 'rm -rf "$data"' EXIT

# cases SCENARIO DEVICES PAYLOAD LOAD: rows of one case; a dot stands for any.
cases() {
	awk -F '\t' -v s="$1" -v d="$2" -v p="$3" -v l="$4" '!/^#/ && $8 != "-" &&
		(s == "." || $1 == s) && (d == "." || $2 == d) && (p == "." || $3 == p) &&
		(l == "." || $4 == l)' "$out/summary.tsv"
}

# draw NAME TITLE XLABEL YLABEL COMMANDS
draw() {
	"$gnuplot" <<-END
		set terminal svg size 900,500 font 'sans,13' background 'white'
		set output '$out/$1.svg'
		set title '$2' noenhanced
		set xlabel '$3'
		set ylabel '$4'
		set grid y
		set key outside right noenhanced
		set datafile separator '\t'
		set xtics noenhanced
		$5
	END
}

# bars NAME TITLE: CPU by kind with whiskers; rows on stdin.
bars() {
	cut -f 6-9 >"$data/$1"
	[ -s "$data/$1" ] || return 0
	draw "$1" "$2" '' 'CPU us an exchange' "
		set yrange [0:*]
		set boxwidth 0.6
		set style fill solid 0.4
		plot '$data/$1' using 0:3:xtic(1) with boxes lc rgb '#3465a4' notitle, \\
			'' using 0:3:2:4 with yerrorbars lc rgb 'black' pt 0 notitle"
}

# lines NAME TITLE XLABEL COLUMN: CPU of each kind over a column; rows on stdin.
lines() {
	cat >"$data/$1"
	[ "$(cut -f "$4" "$data/$1" | sort -u | wc -l)" -gt 1 ] || return 0
	plots=
	kinds=$(cut -f 6 "$data/$1" | sort -u)
	for kind in $kinds; do
		awk -F '\t' -v k="$kind" '$6 == k' "$data/$1" | sort -g -k "$4,$4" >"$data/$1-$kind"
		plots="$plots${plots:+, }'$data/$1-$kind' using $4:8:7:9 with yerrorlines title '$kind'"
	done
	draw "$1" "$2" "$3" 'CPU us an exchange' "
		set yrange [0:*]
		set logscale x
		plot $plots"
}

# One cluster for each scenario, one box for each kind.
clusters() {
	cases . 100 64 full >"$data/scenarios"
	kinds=$(cut -f 6 "$data/scenarios" | sort -u)
	names=$(cut -f 1 "$data/scenarios" | awk '!seen[$0]++')
	[ "$(printf '%s\n' "$names" | wc -l)" -gt 1 ] || return 0
	plots=
	for kind in $kinds; do
		for s in $names; do
			awk -F '\t' -v k="$kind" -v s="$s" '$1 == s && $6 == k { print s "\t" $8; found = 1 }
				END { if (!found) print s "\t" 0 }' "$data/scenarios"
		done >"$data/scenarios-$kind"
		plots="$plots${plots:+, }'$data/scenarios-$kind' using 2:xtic(1) title '$kind'"
	done
	draw scenarios 'CPU by scenario, 100 endpoints, 64 bytes' '' 'CPU us an exchange' "
		set yrange [0:*]
		set style data histogram
		set style histogram clustered gap 1
		set style fill solid 0.5
		plot $plots"
}

# Latency over the share of exchanges, of the last run of each kind at that rate.
latency() {
	plots=
	for file in "$out/percentiles"/*-post-"$1"; do
		[ -s "$file" ] || continue
		kind=$(basename "$file" "-post-$1")
		plots="$plots${plots:+, }'$file' using (100 / (100 - \$1)):2 with lines lw 2 title '$kind'"
	done
	[ -n "$plots" ] || return 0
	draw latency "Latency at $1 exchanges a second" 'percentile' 'us' "
		set datafile separator ' '
		set logscale xy
		set xtics ('50' 2, '90' 10, '99' 100, '99.9' 1000, '99.99' 10000)
		set xrange [1:10000]
		plot $plots"
}

cases post 100 64 full | bars cpu 'CPU by kind, 100 endpoints, 64 bytes, saturation'
cases post . 64 full | lines endpoints 'CPU by number of endpoints, in random order' endpoints 2
cases post 100 . full | lines bytes 'CPU by size of the payload, 100 endpoints' bytes 3
clusters
latency 2000
