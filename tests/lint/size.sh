#!/bin/sh
# Functions of at most 60 lines and a complexity of at most 15 (a switch counts as one), files of at
# most 600 lines; exceptions.txt has the exceptions, and none that is not needed.
# usage: tests/lint/size.sh ROOT
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 1
exceptions=tests/lint/exceptions.txt
[ -f "$exceptions" ] || exceptions=/dev/null
files=$("$here/files" . | grep -E '^(relay|dtls|netfilter|conf|packaging)/.*\.[ch]$')
[ -n "$files" ] || exit 0
# shellcheck disable=SC2086 # a list of words
measured=$(pmccabe $files) || exit 1
{
	printf '%s\n' "$measured"
	# shellcheck disable=SC2086
	wc -l $files | awk '$2 != "total" { print "file", $1, $2 }'
} | awk -v exceptions="$exceptions" '
function over(file, line, name, what) {
	if ((file, name) in reason)
		used[file, name] = 1
	else {
		print file ":" line ": " what
		bad = 1
	}
}
BEGIN {
	while ((getline row < exceptions) > 0) {
		n++
		if (row ~ /^#/ || row ~ /^[ \t]*$/)
			continue
		words = split(row, w, " ")
		if (words < 4) {
			print exceptions ":" n ": FILE FUNCTION REASON is wanted"
			bad = 1
			continue
		}
		reason[w[1], w[2]] = n
	}
}
$1 == "file" {
	if ($2 > 600)
		over($3, 600, "-", "the file has " $2 " lines, 600 are allowed")
	next
}
NF >= 7 {
	file = $6
	sub(/\([0-9]*\):$/, "", file)
	if ($5 > 60)
		over(file, $4, $7, $7 " has " $5 " lines, 60 are allowed")
	if ($1 > 15)
		over(file, $4, $7, $7 " has a complexity of " $1 ", 15 is allowed")
}
END {
	for (key in reason)
		if (!(key in used)) {
			print exceptions ":" reason[key] ": nothing needs this exception"
			bad = 1
		}
	exit bad
}'
