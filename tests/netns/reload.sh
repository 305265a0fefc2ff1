#!/bin/bash
# Claim: a reload, by command or SIGHUP, keeps every flow that is still allowed (same port, no new
# handshake, traffic goes on), ends the others with close_notify, makes a session anew whose key has
# changed, opens and closes listeners; a bad file changes nothing and all its faults are told with
# file and line, on the terminal and in the log. A second daemon does not disturb the first.
#   dev (lwm2m-device x5) ---- gw (relay) ---- srv (lwm2m-server, DTLS)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

CONF=
NEW_KEY=ffeeddccbbaa99887766554433221100
STAYS=

# The one that stays: same port and Location, no handshake, reached as before, did not speak.
stays() {
	same "$(route stay port) $(route stay location)" "$STAYS" "$1: port and Location"
	asks server 'read stay /3/0/2' '^read stay /3/0/2 2\.05 "stay"'
	[ "$(grep -c '^handshake id-stay ' "$WORK/server.log")" = 1 ] || fail "$1: a new handshake"
	[ "$(grep -c '^registered' "$WORK/stay.log")" = 1 ] || fail "$1: it registered again"
}

# other_file: endpoint 'leave' is gone, 'rekey' has another key, 'fresh' and a listener are new.
other_file() {
	cloud_again coaps://$SERVER
	endpoint stay
	section endpoint - name rekey server cloud identity id-rekey key $NEW_KEY
	endpoint fresh
	section listen second interface lan0 coap 5690 coaps 0 server cloud
}

changed() {
	local port
	port=$(route rekey port)
	psk stay fresh >"$WORK/psk"
	echo "id-rekey $NEW_KEY rekey" >>"$WORK/psk"
	kill -HUP "${NETNS_PID[server]}"
	mark_all
	other_file
	lwgate reload >"$WORK/reload" 2>&1 || fail "reload: $(cat "$WORK/reload")"
	same "$(cat "$WORK/reload")" 'the configuration is in use' 'what lwgate reload says'
	want server '^closed id-leave from '
	want relay 'flow: leave at .* ended: the configuration does not allow it any more'
	same "$(route leave endpoint)" '' 'the row of a removed endpoint'
	want server '^closed id-rekey from '
	want server "^handshake id-rekey from 198\.51\.100\.1:$port "
	asks server 'read rekey /3/0/2' '^read rekey /3/0/2 2\.05 "rekey"'
	stays 'other file'
	run dev fresh "$BUILD/tests/lwm2m-device-notls" --ep fresh --server coap://$GATEWAY:5690 \
		--bind 192.0.2.12 --lifetime 600
	want server '^registered fresh '
	same "$(route fresh listener)" second 'listener of fresh'
	echo '     by command: one ended, one made anew, one new, a listener more'
}

# By SIGHUP: the second listener goes, and with it the flow behind it.
listener_removed() {
	mark_all
	cloud_again coaps://$SERVER
	endpoint stay
	section endpoint - name rekey server cloud identity id-rekey key $NEW_KEY
	endpoint fresh
	kill -HUP "${NETNS_PID[relay]}"
	want relay 'gateway: .*lwgate.conf is in use, 2 flows'
	want server '^closed id-fresh from '
	same "$(route fresh endpoint)" '' 'the row behind a removed listener'
	same "$(at gw ss -Hlun 'sport = 5690' | wc -l)" 0 'sockets of a removed listener'
	stays 'listener removed'
	[ "$(grep -c '^handshake id-rekey ' "$WORK/server.log")" = 2 ] || fail 'rekey was made anew again'
	echo '     by SIGHUP: a listener less'
}

snapshot() { lwgate endpoints; lwgate --json routes | grep -oE '"(endpoint|device|state|port|location)":[^,]*'; }

# bad TEXT LINES: a file with faults in these lines changes nothing.
bad() {
	local text=$1 line
	shift
	snapshot >"$WORK/before"
	mark_all
	if lwgate reload >"$WORK/out" 2>"$WORK/told"; then fail "$text: reload says 0"; fi
	[ -s "$WORK/out" ] && fail "$text: reload says that it is in use"
	for line in "$@"; do
		grep -q "lwgate.conf:$line: " "$WORK/told" || fail "$text: line $line: $(cat "$WORK/told")"
		seen relay "lwgate.conf:$line: " || fail "$text: the log does not tell of line $line"
	done
	grep -q 'is not used .*, everything stays as it was' "$WORK/told" || fail "$(cat "$WORK/told")"
	mark relay
	kill -HUP "${NETNS_PID[relay]}"
	want relay 'gateway: .* is not used .*, everything stays as it was'
	for line in "$@"; do
		seen relay "lwgate.conf:$line: " || fail "$text, SIGHUP: the log lacks line $line"
	done
	snapshot >"$WORK/after"
	cmp -s "$WORK/before" "$WORK/after" || fail "$text: something changed: $(diff "$WORK/before" "$WORK/after")"
	stays "$text"
	absent server '^closed' || fail "$text: $SEEN"
	echo "     $text: nothing changed, $# lines named"
}

# line_of ERE: the number of the first line that matches.
line_of() { grep -nE "$1" "$CONF" | head -n 1 | cut -d : -f 1; }

bad_files() {
	cp "$CONF" "$WORK/good"
	section endpoint - name odd server nowhere key 123
	section server two uri http://example.org
	sed -i "2i\	option colour 'red'" "$CONF"
	bad 'four faults' 2 "$(line_of nowhere)" "$(line_of "key '123'")" "$(line_of http)"
	printf "config endpoint\n\toption name 'open\n" >"$CONF"
	bad 'a quote left open' 2
	rm "$CONF"
	bad 'no file'
	cp "$WORK/good" "$CONF"
	# Somebody has the port of a new listener.
	run gw holder "$BUILD/tests/rawudp" 0.0.0.0:5699
	want holder '^ready$'
	section listen third address 192.0.2.1 coap 5699 coaps 0 server cloud
	bad 'a port taken' "$(line_of third)"
	cp "$WORK/good" "$CONF"
	relay_reload
	stays 'the good file again'
}

# What waits for a server that is away goes on waiting through reloads, also with other timeouts.
while_waiting() {
	mark_all
	stop server
	device wait 192.0.2.13 --lifetime 600
	soon 'the Register waits' is "row wait | grep -o 'waiting\":1'" = 'waiting":1'
	relay_reload
	sed -i "s/option uri/option handshake_timeout '20'\n\t&/" "$CONF"
	relay_reload
	is "row wait | grep -o 'waiting\":1'" = 'waiting":1' || fail 'the Register does not wait any more'
	server_start server openssl --psk "$WORK/psk"
	want server '^registered wait ' 30
	echo '     while a Register waits: it is carried'
}

# The server's name means another address: devices find the new server by themselves.
other_server() {
	local port
	port=$(route wait port)
	run srv server2 "$BUILD/tests/lwm2m-server-openssl" --psk "$WORK/psk" --coaps '[::]:5694'
	want server2 '^ready$'
	mark_all
	sed -i "s,coaps://$SERVER,&:5694," "$CONF"
	relay_reload
	want server '^closed id-wait from '
	want server2 "^handshake id-wait from 198\.51\.100\.1:$port "
	tell wait update
	want server2 '^refused update /rd/'
	want server2 '^registered wait '
	asks server2 'read wait /3/0/2' '^read wait /3/0/2 2\.05 "wait"'
	echo '     another address of the server: the device is registered there'
}

# second TEXT ERE ARGS..: a daemon that does not start beside the first, and says why.
second() {
	local text=$1 ere=$2
	shift 2
	mark second
	run gw second "$BUILD/lwgated" -c "$WORK/second.conf" "$@"
	want second "$ere"
	echo "     $text: ${SEEN//$WORK/}"
	stop second && fail "$text: the second daemon says 0"
	lwgate status >"$WORK/status" || fail "$text: the first daemon does not answer"
	stays "$text"
}

netns_begin reload
netns_three
CONF=$WORK/lwgate.conf
psk stay leave rekey >"$WORK/psk"
server_start server openssl --psk "$WORK/psk"
cloud coaps://$SERVER
for name in stay leave rekey; do endpoint "$name"; done
relay_start
for name in stay leave rekey; do
	device "$name" 192.0.2.11 --lifetime 600
	want "$name" '^registered /rd/'
done
STAYS="$(route stay port) $(route stay location)"
changed
listener_removed
bad_files
sed "s/option interface 'lan0'/&\n\toption coap '5693'/" "$CONF" >"$WORK/second.conf"
mkdir "$WORK/state2"
second 'same socket' 'control: another daemon serves' -s "$WORK/lwgate.sock" -S "$WORK/state2"
second 'same state' 'state: another daemon keeps its state' -s "$WORK/sock2" -S "$WORK/state"
cp "$CONF" "$WORK/second.conf"
second 'same port' 'can not listen on' -s "$WORK/sock2" -S "$WORK/state2"
endpoint wait
psk wait >>"$WORK/psk"
relay_reload
while_waiting
other_server
relay_stop
pass
