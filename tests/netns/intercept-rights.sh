#!/bin/bash
# Claim: who may not capture is told which right is missing and how it is given, or what is not where it should
# be: at a start that needs it, which then fails and leaves nothing; and at a reload, which then changes
# nothing, so that devices which call the gateway are served as before. So is who finds another one at it already.
#   dev (rawudp) ---- gw (relay) ---- srv (lwm2m-server cloud)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/capture.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

NET_PARENT=relay
BUILT=${RELAY:-$BUILD/lwgated}
MISSING='the right CAP_NET_ADMIN is missing; start lwgated as root, or grant it: .*setcap cap_net_admin'

conf() { # OPTION VALUE..
	rm -f "$WORK/lwgate.conf"
	section gateway main log_level debug
	section server cloud uri coap://198.51.100.10
	section listen lan interface lan0 "$@"
	section endpoint - name d4own server cloud
}

# program NAME CMD..: what starts lwgated as NAME.
program() {
	printf '#!/bin/sh\nexec %s "$@"\n' "${*:2}" >"$WORK/$1"
	chmod 755 "$WORK/$1"
}

serves() {
	mark own
	tell own "$(coap con 0.01 "$1" beef /x)"
	hears own ack 4.04 "$1" beef
}

# does_not_start WHY
does_not_start() {
	conf intercept 1
	rm -f "$WORK/lwgate.sock"
	mark relay
	run gw relay "$RELAY" -c "$WORK/lwgate.conf" -s "$WORK/lwgate.sock" -S "$WORK/state" -l stderr
	left relay && fail 'it starts'
	seen relay "error: capture: .*$1" || fail "it does not say: $1"
	claim "a start: ${SEEN#error: }"
	[ ! -e "$WORK/lwgate.sock" ] || fail 'its socket is left'
	nothing_is_left 'nothing is left'
}

# does_not_turn_on WHY
does_not_turn_on() {
	local sockets
	conf
	mark relay
	relay_start
	absent relay 'CAP_NET_ADMIN|No such file' || fail "nobody asked for it, and it says: $SEEN"
	tell own "$(coap con 0.02 1 a1 '/rd?ep=d4own&lt=300&lwm2m=1.1&b=U' '</3/0>')"
	hears own ack 2.01 1 a1
	sockets=$(at gw ss -Hulpn)
	conf intercept 1 coap 5693
	lwgate reload >"$WORK/said" 2>&1 && fail 'the reload did what it can not do'
	grep -q "$1" "$WORK/said" || fail "the reload says: $(cat "$WORK/said")"
	claim "a reload: $(grep "$1" "$WORK/said")"
	same "$(at gw ss -Hulpn)" "$sockets" 'sockets'
	nothing_is_left 'nothing is in the kernel'
	serves 7
	claim 'who calls the gateway is served as before'
	relay_stop
}

intercept_begin intercept-rights
intercept_servers
run dev own "$BUILD/tests/rawudp" 192.0.2.12:40001 192.0.2.1:5683
want own '^ready$'
relay_conf
mkdir -p "$WORK/bin" "$WORK/state"
program without setpriv --bounding-set -net_admin --inh-caps -net_admin "$BUILT"
cp "$BUILT" "$WORK/bin/lwgated"
chmod 755 "$WORK/bin" "$WORK/bin/lwgated"
RELAY=$WORK/without
does_not_start "$MISSING"
does_not_turn_on 'started without the right to capture.*; start lwgated anew, with the right CAP_NET_ADMIN'
RELAY=$WORK/bin/lwgated
does_not_start "$WORK/bin/lwgate-net.*No such file"
does_not_turn_on 'lwgate-net can not be started: No such file'

# Only lwgate-net finds out, behind the reload, that the table is somebody else's.
RELAY=$BUILT
NET_PARENT=driver
driver_start
want_set 'listen lan9 5683'
NET_PARENT=relay
conf
relay_start
mark own
tell own "$(coap con 0.02 2 a2 '/rd?ep=d4own&lt=300&lwm2m=1.1&b=U' '</3/0>')"
hears own ack 2.01 2 a2
conf intercept 1
relay_reload
want relay 'error: capture: another process owns the table .*nothing is captured until lwgated is started anew'
serves 8
lwgate --json status | grep -q 'another process owns the table' || fail 'the status does not say it'
lwgate reload >"$WORK/said" 2>&1 && fail 'another reload is as if all were well'
grep -q 'another process owns the table.*; start lwgated anew' "$WORK/said" || fail "it says: $(cat "$WORK/said")"
claim "somebody else's table: told, and who calls the gateway is served as before"
relay_stop
at gw nft list table inet lwgate >/dev/null || fail 'the other one lost its table'
claim 'the other one has its table still'
pass
