#!/bin/sh
# All shell scripts, with or without an ending, pass shellcheck.
# usage: tests/lint/scripts.sh ROOT
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 1
scripts=$("$here/files" . | while read -r f; do
	head -n 3 "$f" | tr -d '\000' | grep -qE '^#!.*[/ ](ba|da)?sh( |$)|^# shellcheck shell=' &&
		printf '%s\n' "$f"
done)
[ -n "$scripts" ] || exit 0
printf '%s\n' "$scripts" | xargs -P "$(nproc)" -n 4 shellcheck -x -f gcc
