#!/bin/sh
# What floods of hellos, half-open handshakes and junk do to the relay, longer than the tests do it:
# tests/netns/flood.sh, with the relay as it is installed, in namespaces of its own.
# usage: tests/load/flood.sh [--seconds N, of each flood (5)] [--counts 'N..', hellos of each flood]
#                            [--junk N, datagrams] [--memory KIB, that the relay may grow by]
#                            [--served MS, until a device is served]
cd "$(dirname "$0")/../.." || exit 1
FLOOD_SECONDS=5 FLOOD_COUNTS='3000 30000' FLOOD_JUNK=30000 FLOOD_MEMORY=16384 FLOOD_SERVED=1000
FLOOD_COST=40000
while [ $# -gt 1 ]; do
	case $1 in
	--seconds) FLOOD_SECONDS=$2 ;;
	--counts) FLOOD_COUNTS=$2 ;;
	--junk) FLOOD_JUNK=$2 ;;
	--memory) FLOOD_MEMORY=$2 ;;
	--served) FLOOD_SERVED=$2 ;;
	*) break ;;
	esac
	shift 2
done
if [ $# -gt 0 ]; then
	sed -n '4,6s/^# //p' "$0" >&2
	exit 2
fi
export FLOOD_SECONDS FLOOD_COUNTS FLOOD_JUNK FLOOD_MEMORY FLOOD_SERVED FLOOD_COST
BUILD=$(realpath "${BUILD:-build}")
export BUILD RELAY="$BUILD/lwgated"
space='unshare --mount --net --pid --fork --kill-child --mount-proc'
[ "$(id -u)" -eq 0 ] || space='unshare --map-root-user --net --mount --pid --fork --kill-child --mount-proc'
# shellcheck disable=SC2086,SC2016 # a list of words; $0 is the inner shell's
exec $space sh -c 'mount -t tmpfs -o mode=755 tmpfs /run && ip link set lo up && exec "$0"' \
	"$PWD/tests/netns/flood.sh"
