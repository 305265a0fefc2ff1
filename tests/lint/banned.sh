#!/bin/sh
# Refuses the calls of banned.txt, anywhere, or outside the files that may.
# usage: tests/lint/banned.sh ROOT
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 1
files=$("$here/files" . | grep -E '^(relay|dtls|netfilter|conf)/.*\.[ch]$')
[ -n "$files" ] || exit 0
# shellcheck disable=SC2086 # a list of words
awk -f "$here/strip.awk" $files | awk -v rules="$here/banned.txt" '
# The files that a datagram of a known flow passes.
function is_path(file) {
	return file ~ /^relay\/(lan|wan|forward|datapath|classify|msg|udp)\.c$/
}
function allowed(call) {
	if (where[call] == "@")
		return !is_path(file) || within ~ /_(create|open|init)$/
	return file == where[call]
}
BEGIN {
	while ((getline row < rules) > 0) {
		if (row ~ /^#/ || split(row, w, " ") < 3)
			continue
		where[w[1]] = w[2]
		sub(/^[^ ]+ +[^ ]+ +/, "", row)
		why[w[1]] = row
		calls++
	}
	if (calls == 0) {
		print rules ":1: no rules"
		exit bad = 1
	}
}
{
	split($0, part, ":")
	file = part[1]
	line = part[2]
	text = substr($0, length(file) + length(line) + 3)
	# A definition or declaration stands at the left edge; so it says where we are.
	if (match(text, /^[A-Za-z_][A-Za-z0-9_ *]*[ *][A-Za-z_0-9]+\(/)) {
		within = substr(text, 1, RLENGTH - 1)
		sub(/.*[ *]/, "", within)
	} else if (text ~ /^}/)
		within = ""
	rest = text
	while (match(rest, /[A-Za-z_][A-Za-z0-9_]* *\(/)) {
		call = substr(rest, RSTART, RLENGTH)
		before = RSTART > 1 ? substr(rest, RSTART - 1, 1) : ""
		rest = substr(rest, RSTART + RLENGTH)
		sub(/ *\($/, "", call)
		# A member of that name is not the function.
		if (!(call in where) || before == "." || before == ">" || allowed(call))
			continue
		print file ":" line ": " call "(): " why[call]
		bad = 1
	}
}
END { exit bad }'
