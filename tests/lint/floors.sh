#!/bin/sh
# Holds the #include lines against the floors: ours look down only, private headers (*_int.h) stay in
# their folder, and foreign headers are named at their door only. Tests may look anywhere; a door that names
# a test holds among tests too.
# usage: tests/lint/floors.sh ROOT
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 1
files=$("$here/files" . | grep -E '^(relay|dtls|netfilter|conf|packaging|tests)/.*\.[ch]$')
[ -n "$files" ] || exit 0
# shellcheck disable=SC2086 # a list of words
awk -v rules="$here/floors.txt" '
function fits(name, words,    i, n, w, re, found) {
	found = 0
	n = split(words, w, " ")
	for (i = 1; i <= n; i++) {
		re = w[i]
		sub(/^!/, "", re)
		gsub(/\./, "\\.", re)
		gsub(/\*/, "[^/]*", re)
		if (name ~ "^" re "$")
			found = w[i] !~ /^!/
	}
	return found
}
function say(what) { print FILENAME ":" FNR ": " what; bad = 1 }
function is_file(name,    line, rc) {
	if (!(name in known)) {
		rc = (getline line < name)
		close(name)
		known[name] = rc >= 0
	}
	return known[name]
}
# As the compiler looks: beside the file, from the root, from relay/.
function whole(name,    folder) {
	folder = FILENAME
	sub(/[^\/]*$/, "", folder)
	if (is_file(folder name))
		return folder name
	if (is_file(name))
		return name
	return is_file("relay/" name) ? "relay/" name : ""
}
function ours(name,    path, a, b) {
	path = whole(name)
	if (path == "") {
		say("\"" name "\" is no header of ours; a foreign one is written <" name ">")
		return
	}
	a = path
	b = FILENAME
	sub(/[^\/]*$/, "", a)
	sub(/[^\/]*$/, "", b)
	if (path ~ /_int\.h$/ && a != b)
		say(path " is private to " a)
	if (!fits(path, allowed))
		say(path " is not below this file")
}
function foreign(name,    i) {
	for (i = 1; i <= doors; i++)
		if ((!is_test || who[i] ~ / tests\//) && fits(name, door[i]) && !fits(FILENAME, who[i]))
			say("<" name "> may be named only in: " (who[i] ~ /[^ ]/ ? who[i] : "no file"))
}
BEGIN {
	while ((getline line < rules) > 0) {
		if (line !~ /^(floor|door) /)
			continue
		colon = index(line, " :")
		left = substr(line, 6, colon - 6)
		right = substr(line, colon + 2)
		if (line ~ /^floor/) {
			floor[++floors] = left
			may[floors] = right
		} else {
			door[++doors] = left
			who[doors] = right
		}
	}
	if (floors == 0 || doors == 0) {
		print rules ":1: no rules"
		exit bad = 1
	}
}
FNR == 1 {
	allowed = ""
	is_test = FILENAME ~ /^tests\//
	for (f = 1; f <= floors && !fits(FILENAME, floor[f]); f++)
		;
	if (f > floors && !is_test)
		say("no floor for this file in floors.txt")
	else if (f <= floors)
		allowed = may[f]
}
!is_test && /^[ \t]*#[ \t]*include[ \t]*"/ { split($0, part, "\""); ours(part[2]) }
/^[ \t]*#[ \t]*include[ \t]*</ { split($0, part, /[<>]/); foreign(part[2]) }
END { exit bad }' $files
