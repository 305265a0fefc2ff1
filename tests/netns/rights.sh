#!/bin/bash
# Claim: lwgated, as it is shipped and started by root, serves as the user lwgate (or nobody where there is
# none) without one capability, under a filter of system calls. Keys that only root can read are read
# before; a reload that can not read them any more says which, and the command that mends it, and changes
# nothing. State file and control socket work on, over a stop, a kill and a new start; the group lwgate may
# ask it. Where a right is missing at the start, it says which one and how to grant it.
#   dev (lwm2m-device) ---- gw (lwgated, looked at) ---- srv (lwm2m-server, DTLS)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

# The sanitizer's own calls are on nobody's list.
case ${RELAY:-} in */strict/*) ;; *) RELAY=$BUILD/lwgated ;; esac
CONF='' SOCK='' STATE=''

lwgate() { "$BUILD/lwgate" -s "$SOCK" "$@"; }

# start [CMD..]: the relay, by way of a command; with RUN and STATE of this script.
start() {
	mark relay
	run gw relay "$@" "$RELAY" -c "$CONF" -s "$SOCK" -S "$STATE"
}

started_ready() {
	start "$@"
	want relay 'gateway: ready'
}

# is_now FIELD VALUE: a line of what the kernel says of the relay.
is_now() {
	same "$(sed -n "s/^$1:[[:space:]]*//p" "/proc/${NETNS_PID[relay]}/status" | tr -s '\t ' ' ' |
		sed 's/ $//')" "$2" "$1 of the relay"
}

# powerless UID GROUPS: no right is left, and none can come back.
powerless() {
	local set
	is_now Uid "$1 $1 $1 $1"
	is_now Gid "$1 $1 $1 $1"
	is_now Groups "$2"
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do is_now $set 0000000000000000; done
	is_now NoNewPrivs 1
	is_now Seccomp 2
	echo "     user $1, no capability in any set, no new rights, filtered"
}

# refused TEXT ERE: a reload fails, says this, and the device is served as before.
refused() {
	mark relay
	lwgate reload >"$WORK/told" 2>&1 && fail "$1: the reload says that it is in use"
	grep -qE "$2" "$WORK/told" || fail "$1: $(cat "$WORK/told")"
	seen relay "$2" || fail "$1: the log does not tell"
	seen relay 'is not used .*, everything stays as it was' || fail "$1: something may have changed"
	asks server 'read one /3/0/2' '^read one /3/0/2 2\.05 "one"'
	echo "     $1: said, and served as before"
}

# registers: the device, once more.
registers() {
	mark server
	tell one register
	want server '^registered one '
}

# mended: does what the relay says is right.
mended() {
	local command
	command=$(sed -n 's/.*; right is: \(ch.*\)$/\1/p' "$WORK/told" | head -n 1)
	[ -n "$command" ] || fail "no command in: $(cat "$WORK/told")"
	sh -c "$command" || fail "it does not work: $command"
}

# roots_own: all that the relay reads is for root alone.
roots_own() {
	chgrp 0 "$CONF" "$WORK/keys" "$WORK/keys/one"
	chmod 600 "$CONF" "$WORK/keys/one"
	chmod 700 "$WORK/keys"
}

configure() {
	rm -f "$CONF"
	section server cloud uri coaps://$SERVER
	section listen lan interface lan0 coaps 0 coap "${1:-5683}"
	section endpoint - name one server cloud identity id-one key_file "$WORK/keys/one"
}

# ---- started by root, with a user for it ----

keys_before_rights() {
	configure
	roots_own
	started_ready
	seen relay 'a reload would be refused: .*lwgate\.conf: .*user 964 may not read ' ||
		fail 'no warning of what can not be read any more'
	device one 192.0.2.11
	want server '^registered one '
	powerless "$NETNS_ID" "$NETNS_ID"
	refused 'a configuration of root' 'lwgate\.conf.* user 964 may not read [^ ]*; right is: chgrp lwgate '
	mended
	refused 'a folder of root' "user 964 may not pass $WORK/keys; right is: chgrp lwgate "
	mended
	refused 'a key of root' 'keys/one is not to be had: user 964 may not read [^ ]*; right is: chgrp lwgate '
	mended
	relay_reload
	asks server 'read one /3/0/2' '^read one /3/0/2 2\.05 "one"'
	"$BUILD/lwgate" check "$CONF" >"$WORK/told" 2>&1 || fail "check: $(cat "$WORK/told")"
	echo '     mended by what was said: in use'
	chgrp 1234 "$WORK/keys/one"
	chmod 644 "$CONF"
	"$BUILD/lwgate" check "$CONF" >"$WORK/told" 2>&1 && fail 'a key of another group is taken'
	grep -qF '(mode 0640); right is: chmod 600' "$WORK/told" || fail "$(cat "$WORK/told")"
	chgrp lwgate "$WORK/keys/one"
	chmod 660 "$WORK/keys/one"
	refused 'a key that the relay could write' '\(mode 0660\); right is: chmod 600'
	chmod 640 "$WORK/keys/one"
}

# as USER CMD..: somebody without rights, in that group alone.
as() { setpriv --reuid="$1" --regid="$1" --clear-groups --bounding-set=-all --inh-caps=-all "${@:2}"; }

who_may_ask() {
	as "$NETNS_ID" "$BUILD/lwgate" -s "$SOCK" status >"$WORK/told" 2>&1 ||
		fail "the group lwgate may not ask: $(cat "$WORK/told")"
	setpriv --reuid=1234 --regid=1234 --groups "$NETNS_ID" "$BUILD/lwgate" -s "$SOCK" status \
		>"$WORK/told" 2>&1 || fail "a member may not ask: $(cat "$WORK/told")"
	as 1234 "$BUILD/lwgate" -s "$SOCK" status >"$WORK/told" 2>&1 && fail 'anybody may ask'
	echo '     the group lwgate may ask, others not'
}

# Of a start that knows no right of root's: what is there belongs to the user.
outlives() {
	local port
	port=$(route one port)
	relay_stop
	same "$(stat -c '%u %a' "$STATE/routes.json")" "$NETNS_ID 600" 'owner of the state file'
	same "$(stat -c %u "$STATE")" "$NETNS_ID" 'owner of the state folder'
	[ ! -e "$SOCK" ] || fail 'the socket is there after the end'
	started_ready
	want relay 'state: 1 flows are restored'
	same "$(route one port)" "$port" 'port after a restart'
	stop relay KILL
	[ -S "$SOCK" ] || fail 'the kill has removed the socket'
	started_ready
	want relay 'state: 1 flows are restored'
	same "$(route one port)" "$port" 'port after a kill'
	relay_stop
	echo '     state and socket over a stop and a kill'
}

# As an older version left it: root's folder, with root's file, which is handed over.
handed_over() {
	chown -R 0:0 "$STATE"
	started_ready
	want relay 'state: 1 flows are restored'
	same "$(stat -c %u "$STATE" "$STATE/routes.json" | tr '\n' ' ')" "$NETNS_ID $NETNS_ID " 'owners'
	relay_stop
	chown 0:0 "$STATE"
	touch "$STATE/other"
	started_ready
	seen relay "state: the folder $STATE has other uses too and stays root's" || fail 'nothing is said'
	same "$(stat -c %u "$STATE" "$STATE/other" | tr '\n' ' ')" '0 0 ' 'owners of what others use'
	relay_stop
	rm "$STATE/other"
	echo '     a folder of root is handed over, unless others use it'
}

low_port() {
	configure 683
	started_ready
	relay_stop
	configure
	started_ready
	registers
	configure 683
	refused 'a port under 1024 at a reload' \
		'Permission denied; the right CAP_NET_BIND_SERVICE is missing .*a restart, not a reload'
	relay_stop
	configure
}

# ---- started by root, without such a user ----

nobody() {
	umount /etc/passwd /etc/group || fail 'the files of users stay'
	getent passwd lwgate >/dev/null && fail 'this machine has a user lwgate of its own'
	STATE=$WORK/state-of-nobody
	SOCK=$WORK/run-of-nobody/lwgate.sock
	# The folder of all is the group's that is not there any more.
	chmod 755 "$WORK"
	roots_own
	started_ready
	seen relay 'there is no user lwgate, .* as 65534; right is: adduser --system --group --no-create-home lwgate' ||
		fail 'the missing user is not told'
	powerless 65534 ''
	registers
	refused 'a configuration of root, nobody' 'user 65534 may not read [^ ]*; right is: adduser '
	# Whoever is nobody too is not trusted with a key.
	chmod 755 "$WORK/keys"
	chmod 644 "$CONF"
	chgrp 65534 "$WORK/keys/one"
	chmod 640 "$WORK/keys/one"
	refused 'a key for all of nobody' '\(mode 0640\); right is: chmod 600'
	roots_own
	relay_stop
	same "$(stat -c '%u %a' "$STATE/routes.json")" '65534 600' 'owner of the state file'
}

# ---- started by somebody without the rights ----

# lacks ERE TEXT: user 1234 starts it, and is told this.
lacks() {
	start setpriv --reuid=1234 --regid=1234 --clear-groups
	want relay "$1"
	echo "     $2: ${SEEN//$WORK/}"
	stop relay
}

missing() {
	STATE=$WORK/nowhere/state
	SOCK=$WORK/nowhere/run/lwgate.sock
	mkdir -m 755 "$WORK/nowhere"
	lacks 'lwgate\.conf.*: user 1234 may not read [^ ]*; right is: chown 1234 ' 'configuration'
	chown 1234 "$CONF"
	chmod 755 "$WORK/keys"
	lacks 'keys/one is not to be had: user 1234 may not read [^ ]*; right is: chown 1234 ' 'key'
	chown 1234 "$WORK/keys/one"
	lacks 'state: can not open the folder .*: Permission denied; user 1234 needs the right .*install -d -o 1234 ' 'state'
	STATE=$WORK/nowhere
	chown 1234 "$STATE"
	SOCK=$WORK/lwgate.sock
	lacks 'control: can not listen at .*: Permission denied; user 1234 needs the right ' 'socket'
	configure 683
	chown 1234 "$CONF"
	lacks 'can not listen on .*: Permission denied; the right CAP_NET_BIND_SERVICE is missing .*AmbientCapabilities' 'port'
}

# With all that it needs, another user than root is as good.
somebody() {
	local set
	configure
	chown 1234 "$CONF"
	mkdir "$WORK/nowhere/run"
	chown 1234 "$WORK/nowhere/run"
	SOCK=$WORK/nowhere/run/lwgate.sock
	started_ready setpriv --reuid=1234 --regid=1234 --clear-groups
	is_now Uid '1234 1234 1234 1234'
	is_now CapPrm 0000000000000000
	is_now Seccomp 2
	relay_reload
	relay_stop
	# As systemd gives it: kept until the port is bound.
	configure 683
	chown 1234 "$CONF"
	started_ready setpriv --reuid=1234 --regid=1234 --clear-groups --inh-caps=+net_bind_service \
		--ambient-caps=+net_bind_service
	for set in CapInh CapPrm CapEff CapAmb; do is_now $set 0000000000000000; done
	relay_stop
	echo '     as another user, with a capability for the start'
}

netns_begin rights
netns_three
CONF=$WORK/lwgate.conf
SOCK=$WORK/run/lwgate.sock
STATE=$WORK/state
mkdir "$WORK/keys"
key_of one >"$WORK/keys/one"
psk one >"$WORK/psk"
server_start server openssl --psk "$WORK/psk"
if [ "$NETNS_KEY_MODE" = 600 ]; then
	# A user namespace of one user: it stays root there, without any right.
	configure
	started_ready
	is_now CapBnd 0000000000000000
	is_now CapPrm 0000000000000000
	is_now NoNewPrivs 1
	is_now Seccomp 2
	relay_reload
	relay_stop
	pass
fi
keys_before_rights
who_may_ask
outlives
handed_over
low_port
nobody
missing
somebody
pass
