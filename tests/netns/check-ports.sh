#!/bin/bash
# Claim: `lwgate check` names the program that holds a port of a listener, or of a captured server, also where
# nothing intercepts; lwgated itself is none. Without the right to see whose a socket is it tells the user.
#   gw (rawudp, relay); no traffic
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

# looks [CMD..]: what is said of the configuration here, run by such a command.
looks() {
	at gw "$@" "$BUILD/lwgate" -s "$WORK/lwgate.sock" check "$WORK/lwgate.conf" >"$WORK/said" 2>&1 ||
		fail "$(cat "$WORK/said")"
}
powerless() { looks setpriv --bounding-set=-all --inh-caps=-all; }
says() { grep -qE -- "$1" "$WORK/said" || fail "no '$1' in: $(cat "$WORK/said")"; }
# sockets N: so many are open, of both families.
# shellcheck disable=SC2317 # eventually runs it
sockets() { [ "$(at gw cat /proc/net/udp /proc/net/udp6 | grep -c ': ')" = "$1" ]; }
silent() { ! grep -q 'warning: .*UDP port' "$WORK/said" || fail "$1: $(cat "$WORK/said")"; }

netns_begin check-ports
netns_add gw
section server cloud uri coap://198.51.100.10:5690
section listen lan coap 5683 coaps 0

looks
silent 'nobody is there'
run gw other "$BUILD/tests/rawudp" 127.0.0.1:5683
run gw server "$BUILD/tests/rawudp" '[::1]:5690'
eventually 10 sockets 2 || fail 'no sockets'
looks
says "^$WORK/lwgate.conf:4: warning: on this machine, UDP port 5683 of listen 'lan' is held at 127.0.0.1:5683 by rawudp \(pid [0-9]+\); right"
[ "$(grep -c 'UDP port' "$WORK/said")" = 1 ] || fail "a server's port: $(cat "$WORK/said")"
powerless
says "UDP port 5683 .* by a process of uid 0, which root could name; right"

relay_conf
section server cloud uri coap://198.51.100.10:5690
section listen lan coap 5683 coaps 0 intercept 1 +interface br-lan
looks
says "UDP port 5690 of listen 'lan' is held at \[::1\]:5690 by rawudp \(pid [0-9]+\), perhaps only for another interface"

stop other
stop server
relay_conf
section server cloud uri coap://198.51.100.10:5690
section listen lan coap 5683 coaps 0
relay_start
looks
silent 'the relay itself'
# Whose it is can not be seen, and a relay answers.
powerless
silent 'the relay itself, unseen'
relay_stop
run gw other "$BUILD/tests/rawudp" 0.0.0.0:5683
eventually 10 sockets 1 || fail 'no socket'
powerless
says 'by a process of uid 0'

pass
