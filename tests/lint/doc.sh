#!/bin/sh
# Each file says its purpose on top; each function and each field of a struct that a header shows has
# a comment, above it or behind it. Private headers (*_int.h) need the purpose only.
# usage: tests/lint/doc.sh ROOT
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 1
files=$("$here/files" . | grep -E '^(relay|dtls|netfilter|conf)/.*\.[ch]$')
[ -n "$files" ] || exit 0
# shellcheck disable=SC2086 # a list of words
awk '
function say(line, what) { print FILENAME ":" line ": " what; bad = 1 }
# A statement ends here; it is one field, or one prototype, or the head of an inline function.
function judge(    name) {
	name = statement
	gsub(/[ \t]+/, " ", name)
	if (kind ~ /struct/ && kind !~ /enum/) {
		if (!documented)
			say(began, "no comment for the field: " name)
	} else if (depth == 0 && statement ~ /\(/ && statement !~ /^(typedef|_Static_assert|extern "C")/ &&
		statement !~ /=/ && !documented)
		say(began, "no comment for: " name)
	statement = ""
	documented = 0
}
FNR == 1 {
	comment = 0; depth = 0; kind = ""; above = 0; statement = ""; documented = 0; macro = 0
	head = FILENAME ~ /\.h$/ && FILENAME !~ /_int\.h$/
	n = split($0, w, " ")
	if ($0 !~ /^\/\* [A-Z"]/ || n < 4)
		say(1, "the first line does not say what the file is for: /* Purpose. */")
}
!head { next }
{
	text = $0
	note = 0
	# Takes the comments out, and remembers that there was one.
	while (1) {
		if (comment) {
			note = 1
			if (!(i = index(text, "*/"))) {
				text = ""
				break
			}
			text = substr(text, i + 2)
			comment = 0
		}
		if (!(i = index(text, "/*")))
			break
		kept = substr(text, 1, i - 1)
		rest = substr(text, i + 2)
		note = 1
		if (j = index(rest, "*/"))
			text = kept substr(rest, j + 2)
		else {
			text = kept
			comment = 1
			break
		}
	}
	if (macro || text ~ /^[ \t]*#/) {
		macro = text ~ /\\$/
		above = 0
		next
	}
	if (text ~ /^[ \t]*$/) {
		above = note
		next
	}
	if (statement == "") {
		began = FNR
		documented = above
	}
	if (note)
		documented = 1
	above = 0
	sub(/^[ \t]+/, "", text)
	statement = statement (statement == "" ? "" : " ") text
	opens = gsub(/{/, "{", text)
	closes = gsub(/}/, "}", text)
	if (opens > closes) {
		# Inside a function nothing is shown; a struct in a struct is a field with fields.
		if (statement ~ /^(typedef )?(struct|union)[^()]*{$/)
			inner = "struct"
		else if (statement ~ /^(typedef )?enum/)
			inner = "enum"
		else {
			inner = "code"
			if (depth == 0)
				judge()
		}
		kinds[depth++] = kind
		kind = inner
		statement = ""
		documented = 0
	} else if (closes > opens) {
		depth -= closes - opens
		kind = depth >= 0 ? kinds[depth] : ""
		statement = ""
		documented = 0
	} else if (text ~ /;[ \t]*$/) {
		if (kind == "" || kind == "struct")
			judge()
		statement = ""
		documented = 0
	} else if (kind == "code" || kind == "enum")
		statement = ""
}
END { exit bad }' $files
