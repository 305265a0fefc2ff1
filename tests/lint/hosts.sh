#!/bin/sh
# Refuses the names of package registries and mirrors, which belong to the machine's configuration,
# and paths that exist on one machine only.
# usage: tests/lint/hosts.sh ROOT
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 1
# What this machine itself is configured with, and what such names look like anywhere.
own=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
	sed -n 's,.*[a-z]://\([^/ ]*\)/.*,\1,p' | sed 's/.*@//; s/:.*//; s/\./\\./g' | sort -u |
	paste -s -d '|' -)
looks='(^|[^a-z0-9.-])(deb|ftp|archive|security|snapshot|registry|mirrors?|packages|pypi|crates)'
looks="$looks\\.[a-z0-9-]+\\.(org|net|com|io|dev)"
paths='(^|[^A-Za-z0-9_./-])/(wor[k]|home/[a-z]+)/'
found=$("$here/files" . | xargs -r grep -nIE -e "$looks" -e "$paths" ${own:+-e "$own"} /dev/null)
[ -n "$found" ] || exit 0
printf '%s\n' "$found" | sed 's/^\([^:]*:[0-9]*:\)/\1 a registry or a path of one machine: /'
exit 1
