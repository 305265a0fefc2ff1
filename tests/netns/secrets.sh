#!/bin/bash
# Claim: nobody but root reads the relay's memory, not even a process of the same user; no core is
# written. A key that is in use stands only in pages that no dump shows, and nowhere as text; once its
# endpoint is gone from the configuration no copy is left in all of the memory.
#   dev (lwm2m-device) ---- gw (lwgated, its memory read) ---- srv (lwm2m-server, DTLS)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

# powerless CMD..: as the same user, without any capability. Who has one may look at who has none.
powerless() { setpriv --bounding-set=-all --inh-caps=-all "$@"; }

# The program as it is shipped, since the sanitizer keeps what was freed; and it needs no capability.
powerless_relay() {
	printf '#!/bin/sh\nexec setpriv --bounding-set=-all --inh-caps=-all "%s" "$@"\n' \
		"$BUILD/lwgated" >"$WORK/lwgated"
	chmod 700 "$WORK/lwgated"
	RELAY=$WORK/lwgated
	relay_start
}

scan() { "$BUILD/tests/memscan" "${NETNS_PID[relay]}" "$1" >"$WORK/scan" || fail "no memory is read"; }

# at_hand KEY TEXT: copies are there, all of them in pages that no dump shows, none of them text.
at_hand() {
	scan "$1"
	grep -qE '^bytes at [0-9a-f]+ in undumped' "$WORK/scan" || fail "$2: the key is not found"
	grep -qE ' in dumped|^text|^TEXT' "$WORK/scan" && fail "$2: $(cat "$WORK/scan")"
	echo "     $2: $(tail -n 1 "$WORK/scan")"
}

gone() {
	scan "$1"
	grep -qE '^0 copies' "$WORK/scan" || fail "$2: $(cat "$WORK/scan")"
	echo "     $2: $(tail -n 1 "$WORK/scan")"
}

closed_to_others() {
	local pid=${NETNS_PID[relay]}
	run gw other setpriv --bounding-set=-all --inh-caps=-all sleep 600
	eventually 5 powerless readlink "/proc/${NETNS_PID[other]}/exe" >/dev/null 2>&1 ||
		fail 'another program can not be looked at either'
	stop other
	powerless readlink "/proc/$pid/exe" >/dev/null 2>&1 && fail 'the relay is dumpable'
	powerless "$BUILD/tests/memscan" "$pid" "$(key_of stay)" >/dev/null 2>&1 &&
		fail 'its own user reads its memory'
	setpriv --reuid=65534 --clear-groups head -c 1 "/proc/$pid/mem" "/proc/$pid/maps" \
		>/dev/null 2>&1 && fail 'another user looks at its memory'
	grep -qE '^Max core file size +0 +0 ' "/proc/$pid/limits" || fail 'a core may be written'
	grep -qE '^0+$' "/proc/$pid/coredump_filter" || fail 'a core would hold memory'
	echo '     closed to its own user without rights, and to others; no core'
}

# Their server has another key for wrong: a handshake that fails half-way.
configure() {
	cloud_again coaps://$SERVER
	section server again uri coaps://$SERVER handshake_timeout 2
	endpoint stay
	endpoint wrong again
}

netns_begin secrets
netns_three
psk stay leave >"$WORK/psk"
echo "id-wrong $KEY wrong" >>"$WORK/psk"
server_start server openssl --psk "$WORK/psk"
relay_conf
configure
section endpoint - name leave server cloud identity id-leave key_file "$WORK/key"
key_of leave >"$WORK/key"
chmod 644 "$WORK/key"
"$BUILD/lwgate" check "$WORK/lwgate.conf" >"$WORK/told" 2>&1 && fail 'an open key file is taken'
grep -qF "(mode 0644); right is: chmod 600 $WORK/key" "$WORK/told" || fail "$(cat "$WORK/told")"
chmod 600 "$WORK/key"
powerless_relay
[ "$NETNS_KEY_MODE" = 600 ] || seen relay 'confine: can not become user .*, so lwgated stays root, without a right' ||
	fail 'root without a right to become another does not say so'
device stay 192.0.2.11
device leave 192.0.2.12
device wrong 192.0.2.13
want server '^registered stay '
want server '^registered leave '
asks server 'read leave /3/0/2' '^read leave /3/0/2 2\.05 '
closed_to_others
want relay 'wrong: no association with again'
at_hand "$(key_of wrong)" 'in use, and refused'
at_hand "$(key_of stay)" 'in use, from option key'
at_hand "$(key_of leave)" 'in use, from key_file'
configure
relay_reload
want server '^closed id-leave from '
gone "$(key_of leave)" 'removed by reload'
at_hand "$(key_of stay)" 'the one that stays'
relay_stop
pass
