#!/bin/bash
# Claim: no state file keeps the relay from starting: a broken one is set aside under another name,
# named in the log with the fault, and nothing of it is used; a folder that can not be made or
# written is said, and the relay relays; rows that the configuration no longer wants are left out.
#   dev (lwm2m-device) ---- gw (relay) ---- srv (lwm2m-server, NoSec)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

STATE=

rows() { lwgate --json routes | grep -o '{"endpoint"' | wc -l; }

# carries: a device registers through the relay, and is read.
carries() {
	mark server
	tell one register
	want server '^registered one /rd/'
	asks server 'read one /3/0/2' '^read one /3/0/2 2\.05 "one"'
}

# breaks NAME COMMAND..: the command mends a good file into a bad one.
breaks() {
	local text=$1 aside
	shift
	relay_stop
	cp "$WORK/good" "$STATE"
	"$@" || fail "$*"
	cp "$STATE" "$WORK/bad"
	relay_start
	seen relay "state: $STATE:[0-9]+: .*; the file is set aside as ${STATE}[^ ]* and nothing" ||
		fail "$text: the log does not name file, line and new name"
	aside=${SEEN##*set aside as }
	aside=${aside%% and *}
	cmp -s "$WORK/bad" "$aside" || fail "$text: what was set aside is not what was there"
	same "$(rows)" 0 "$text: rows"
	SEEN=${SEEN#*routes.json:}
	echo "     $text: line ${SEEN%%; the file is set aside*}"
	rm -f "$aside"
}

broken() {
	relay_stop
	[ -s "$STATE" ] || fail 'there is no state file after an orderly stop'
	cp "$STATE" "$WORK/good"
	relay_start
	want relay 'state: 1 flows are restored'
	same "$(route one endpoint)" one 'the row of the good file'
	breaks 'cut short' truncate -s -20 "$STATE"
	breaks 'empty' truncate -s 0 "$STATE"
	breaks 'noise' openssl rand -out "$STATE" 5000
	breaks 'a line lost' sed -i 2d "$STATE"
	breaks 'a line twice' sed -i '2{p}' "$STATE"
	breaks 'another version' sed -i 's/"lwgate_routes": *1/"lwgate_routes":99/' "$STATE"
	breaks 'a port out of range' sed -i 's/"port": *[0-9]*/"port":70000/' "$STATE"
	breaks 'an address that is none' sed -i 's/192\.0\.2\.11/192.0.2.999/' "$STATE"
	carries
}

# A row of an endpoint that is not configured any more ends with the restart.
unwanted() {
	relay_stop
	cp "$WORK/good" "$STATE"
	sed -i "s/'one'/'two'/" "$WORK/lwgate.conf"
	relay_start
	want relay 'state: 0 flows are restored, 0 source ports remembered, 1 rows of no use'
	same "$(rows)" 0 'rows of endpoints that are not configured'
	sed -i "s/'two'/'one'/" "$WORK/lwgate.conf"
	relay_stop
}

# unwritable FOLDER [SETUP]: the relay starts with such a folder, says so, and relays.
unwritable() {
	mark relay
	# shellcheck disable=SC2016 # the inner shell expands it
	run gw relay sh -c "$2"' exec "$0" "$@"' "$BUILD/lwgated" -c "$WORK/lwgate.conf" \
		-s "$WORK/lwgate.sock" -S "$1"
	want relay 'gateway: ready'
	carries
	want relay 'state: can not '
	echo "     ${SEEN##*/lwgate-state-file.??????/}"
	lwgate status >"$WORK/status" || fail 'no status'
	relay_stop
}

netns_begin state-file
netns_three
STATE=$WORK/state/routes.json
server_start server notls
cloud coap://$SERVER
section endpoint - name one server cloud
relay_start
device one 192.0.2.11:40001 --lifetime 600
want server '^registered one /rd/'
broken
unwanted
touch "$WORK/file"
mkdir "$WORK/readonly"
unwritable "$WORK/file/state" ''
# shellcheck disable=SC2016 # the inner shell expands it
unwritable "$WORK/readonly" "mount -t tmpfs -o ro none '$WORK/readonly';"
unwritable "$WORK/readonly" "mount -t tmpfs -o size=4k none '$WORK/readonly';
	head -c 8000 /dev/zero >'$WORK/readonly/full' 2>/dev/null;"
pass
