#!/bin/bash
# The demo behind `make demo`: four LwM2M devices, a gateway with the relay, and a LwM2M Server, each in a
# network of its own, and all that goes between them. The devices were set up with their server's name;
# nothing on them names the gateway, which takes what they send on its way. Each step waits for its evidence at the far end, with
# a time limit; the exit status is 0 only when every step was seen there.
# BUILD names the folder of the programs; KEEP=1 leaves everything running and says what to type.
set -u
# shellcheck source=tests/lib/netns.sh
. "$(dirname "$0")/../lib/netns.sh"
# shellcheck source=tests/lib/certs.sh
. tests/lib/certs.sh

DEVICES='meter-1 meter-2 sensor-3 valve-4'
declare -A TEMPERATURE=([meter-1]=21 [meter-2]=22 [sensor-3]=-3 [valve-4]=24) # degrees, each its own
METER_2_KEY=c81e728d9d4c2f636f067f89cc14862c # that of meter-2 in lwgate.conf, towards the gateway
NAME=lwm2m.example.org # of the server: all that a device knows
KEEP=${KEEP:-0}
RELAY=${RELAY:-$BUILD/lwgated}
LIFETIME=12 # seconds; at half of it devices send an Update, and find out if they are forgotten
RECOVERY=90 # seconds a device may take to be registered again after the server restarted
STEP=0

if [ -t 1 ]; then
	BOLD=$'\e[1m' GREEN=$'\e[32m' RED=$'\e[31m' DIM=$'\e[2m' PLAIN=$'\e[0m'
else
	BOLD='' GREEN='' RED='' DIM='' PLAIN=''
fi

# ---- telling ----

step() {
	STEP=$((STEP + 1))
	STEP_TEXT=$1
	printf '\n%s[%2d] %s%s\n' "$BOLD" "$STEP" "$1" "$PLAIN"
	mark_all
}

# show WHO TEXT: one aligned line of what somebody saw or did.
show() { printf '     %s%-9s%s %.140s\n' "$DIM" "$1" "$PLAIN" "$2"; }

broken() {
	printf '\n%sFAILED in step %d (%s): %s%s\n\n' "$RED" "$STEP" "$STEP_TEXT" "$1" "$PLAIN"
	tails
	exit 1
}

# expect WHO ERE SECONDS: waits for a line in the log of WHO and shows it.
expect() {
	alive "$1" || broken "$1 has ended"
	await "$1" "$2" "$3" || broken "$1 did not say /$2/ within $3 s"
	show "$1" "$SEEN"
}

# ask COMMAND..: an operation of the server towards a device.
ask() {
	show '> server' "$*"
	tell server "$*" || broken 'the server has ended'
}

# ---- the parts ----

start_server() {
	run srv server "$BUILD/tests/lwm2m-server-openssl" --psk tests/demo/server.psk
	expect server '^ready$' 10
}

start_relay() {
	printf '%s\n' '127.0.0.1 localhost' "198.51.100.10 $NAME" "2001:db8:2::10 $NAME" >"$WORK/hosts"
	mkdir "$WORK/state"
	certs_begin "$WORK/certs"
	cert gateway "$NAME" "DNS:$NAME" # in the server's name, of the owner's own CA
	cert valve-4
	# It holds keys, so it is for its owner alone.
	install -m 600 /dev/null "$WORK/lwgate.conf"
	sed "s|/etc/lwgate|$CERTS|" tests/demo/lwgate.conf >"$WORK/lwgate.conf"
	run_with_hosts "$WORK/hosts" gw relay "$RELAY" -c "$WORK/lwgate.conf" \
		-s "$WORK/lwgate.sock" -S "$WORK/state" -l stderr
	expect relay 'ready' 15
	expect relay 'capture: UDP 5683 5684 from lan0 is captured' 5
}

# start_device NAME TLS ADDRESS:PORT SERVER [ARGS..]: on that TLS library, or notls for plain CoAP. SERVER
# is the address that the server's name has for it.
start_device() {
	local name=$1 tls=$2 bind=$3 server=$4 scheme=coaps

	shift 4
	[ "$tls" != notls ] || scheme=coap
	printf '%s\n' '127.0.0.1 localhost' "$server $NAME" >"$WORK/hosts.$name"
	run_with_hosts "$WORK/hosts.$name" dev "$name" "$BUILD/tests/lwm2m-device-$tls" --ep "$name" \
		--server "$scheme://$NAME" --bind "$bind" --lifetime "$LIFETIME" --retry 1 "$@"
	show '> dev' "$name --server $scheme://$NAME, which is $server"
}

lwgate() { "$BUILD/lwgate" -s "$WORK/lwgate.sock" "$@"; }

# ---- the steps ----

step_networks() {
	step 'Three networks: devices, gateway, server'
	netns_three
	at gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 || broken 'no forwarding'
	show devices '192.0.2.11  2001:db8:1::13                      plain CoAP'
	show devices '192.0.2.12                                      CoAP over DTLS, PSK (GnuTLS)'
	show devices '192.0.2.13                                      CoAP over DTLS, certificate (OpenSSL)'
	show gateway '192.0.2.1   2001:db8:1::1 | 198.51.100.1        a router with the relay'
	show server '198.51.100.10 2001:db8:2::10 lwm2m.example.org  CoAP over DTLS, PSK (OpenSSL)'
}

step_start() {
	step 'The server and the relay start; what devices send to their server is taken to the relay'
	start_server
	start_relay
}

step_register() {
	local name

	step "Four devices start and register at their server's own name; the relay makes a DTLS session for each"
	start_device meter-1 notls 192.0.2.11:40001 198.51.100.10
	start_device meter-2 gnutls 192.0.2.12:40002 198.51.100.10 --psk "meter-2:$METER_2_KEY"
	start_device sensor-3 notls '[2001:db8:1::13]:40003' 2001:db8:2::10 --instances 60 --block 256
	start_device valve-4 openssl 192.0.2.13:40004 198.51.100.10 --server-name "$NAME" \
		--cert "$CERTS/valve-4.pem" --key "$CERTS/valve-4.key" --ca "$CERTS/ca.pem"
	for name in meter-2 valve-4; do
		expect relay "lan: $name: secure session from " 20
	done
	for name in $DEVICES; do
		expect server "^handshake $name@example.org " 20
		expect server "^registered $name /rd/.* via coaps" 20
		expect "$name" '^registered /rd/' 5
	done
}

# called NAME ADDRESS: the relay carries it, and answers from that address.
called() {
	local row

	row=$(lwgate --json routes | grep -F "\"endpoint\":\"$1\"") || broken "the relay does not carry $1"
	case $row in
	*"\"called\":\"$2\",\"captured\":true"*) show relay "$1 calls $2, and hears $2" ;;
	*) broken "$1 did not call $2" ;;
	esac
}

step_called() {
	step 'Nothing on the devices names the gateway: whom they call, as the relay sees it'
	called meter-1 198.51.100.10
	called meter-2 198.51.100.10
	called sensor-3 2001:db8:2::10
	called valve-4 198.51.100.10
}

step_read() {
	local name

	step 'Read: each device answers for itself (its serial number is its name)'
	for name in $DEVICES; do
		ask read "$name" /3/0/2
		expect server "^read $name /3/0/2 2\.05 \"$name\"$" 10
	done
}

step_discover() {
	step 'Discover'
	ask discover meter-2 /3303
	expect server '^discover meter-2 /3303 2\.05 "</3303>,</3303/0>,' 10
}

step_observe() {
	local name value

	step 'Observe: temperatures are notified as they change'
	for name in $DEVICES; do
		ask observe "$name" /3303/0/5700
		expect server "^observe $name /3303/0/5700 2\.05 " 10
	done
	for value in .5 .7 .9; do
		for name in $DEVICES; do
			tell "$name" "set /3303/0/5700 ${TEMPERATURE[$name]}$value"
		done
		for name in $DEVICES; do
			expect server "^notify $name /3303/0/5700 \"${TEMPERATURE[$name]}$value\"" 10
		done
	done
	ask cancel meter-2 /3303/0/5700
	expect server '^cancel meter-2 /3303/0/5700 2\.05 ' 10
}

step_write() {
	step 'Write: the clock of a device is set, and read again'
	ask write meter-1 /3/0/13 1750000000
	expect meter-1 '^write /3/0/13 10 bytes ' 10
	expect server '^write meter-1 /3/0/13 2\.04' 10
	ask read meter-1 /3/0/13
	expect server '^read meter-1 /3/0/13 2\.05 "1750000000"' 10
}

step_execute() {
	step 'Execute: the minimum and maximum of a sensor are reset'
	ask execute sensor-3 /3303/0/5605
	expect sensor-3 '^execute /3303/0/5605 ' 10
	expect server '^execute sensor-3 /3303/0/5605 2\.04' 10
}

step_update() {
	local name

	step 'Update: the devices say that they are still there'
	for name in $DEVICES; do
		tell "$name" update
		expect server "^updated $name /rd/" 10
		expect "$name" '^updated /rd/' 5
	done
}

step_send() {
	local name

	step 'Send: the devices report by themselves; the server books each report rightly'
	for name in $DEVICES; do
		tell "$name" send
		expect server "^send $name [0-9]+ bytes .*:${TEMPERATURE[$name]}\.9\}" 10
		expect "$name" '^sent 2\.04' 5
	done
}

# sum_of TEXT: the checksum in a line.
sum_of() { sed -n 's/.*crc32=\([0-9a-f]*\).*/\1/p' <<<"$1"; }

step_blockwise() {
	local name written stored read

	step '64 KiB block-wise: firmware is written, and read again'
	for name in meter-1 sensor-3; do
		ask write-block "$name" /5/0/0 65536
		expect server "^write-block $name /5/0/0 2\.04 65536 bytes " 60
		written=$(sum_of "$SEEN")
		expect "$name" '^write /5/0/0 65536 bytes ' 5
		stored=$(sum_of "$SEEN")
		ask read-block "$name" /26241/0/0
		expect server "^read-block $name /26241/0/0 2\.05 65536 bytes " 60
		read=$(sum_of "$SEEN")
		if [ -z "$read" ] || [ "$written" != "$stored" ] || [ "$stored" != "$read" ]; then
			broken "checksums differ: written $written, stored $stored, read $read"
		fi
		show "$name" "written, stored and read: $read, equal"
	done
}

# The devices know nothing of the restart: an Update finds the Location forgotten; they register.
expect_recovery() {
	local name

	for name in $DEVICES; do
		expect server "^handshake $name@example.org " "$RECOVERY"
		expect server "^registered $name /rd/.* via coaps" "$RECOVERY"
		expect "$name" '^registered /rd/' 5
		ask read "$name" /3/0/2
		expect server "^read $name /3/0/2 2\.05 \"$name\"$" 10
	done
}

step_restart() {
	step 'The server restarts and has forgotten everything; the devices recover by themselves'
	stop server TERM
	show '> server' 'stopped in order'
	start_server
	expect_recovery
}

step_kill() {
	step 'The server is killed in silence (kill -9) and starts again; the devices recover'
	stop server KILL
	show '> server' 'killed'
	start_server
	expect_recovery
}

step_deregister() {
	step 'Deregister: one device leaves'
	tell meter-2 deregister
	expect server '^deregistered meter-2 /rd/' 10
	expect meter-2 '^deregistered /rd/' 5
}

# table NAME: what lwgate says, which has to name what it ought to.
table() {
	local command=$1 out wanted

	shift
	printf '\n     %s$ lwgate %s%s\n' "$BOLD" "$command" "$PLAIN"
	out=$(lwgate "$command" 2>&1) || broken "lwgate $command: $out"
	printf '%s\n' "$out" | sed 's/^/     /'
	for wanted in "$@"; do
		grep -q -- "$wanted" <<<"$out" || broken "lwgate $command does not show $wanted"
	done
}

step_tables() {
	step 'What the relay says of it'
	table routes meter-1 sensor-3 valve-4 192.0.2.11 2001:db8:1::13 192.0.2.13
	table status 'capture .*in the kernel'
}

# ---- the end ----

write_end() {
	cat >"$WORK/end" <<-END
	#!/bin/sh
	# Ends the demo that was left running: what runs in its networks, and all that it made.
	running() { for net in ${NETNS_NAMES[*]}; do ip netns pids \$net; done; }
	for pid in \$(running); do kill \$pid; done
	for try in \$(seq 50); do [ -z "\$(running)" ] || sleep 0.1; done
	for pid in \$(running); do kill -9 \$pid; done
	for net in ${NETNS_NAMES[*]}; do ip netns del \$net; done
	rm -rf $WORK
	END
	chmod +x "$WORK/end"
}

keep() {
	write_end
	trap - EXIT INT TERM HUP
	cat <<-END

	${BOLD}It is left running. What to type next:${PLAIN}

	  $BUILD/lwgate -s $WORK/lwgate.sock routes      (or status, endpoints, metrics)
	  tail -f $WORK/server.log &
	  echo 'read meter-1 /3/0/0'             > $WORK/server.in
	  echo 'observe sensor-3 /3303/0/5700'   > $WORK/server.in
	  echo 'write meter-1 /3/0/13 1760000000' > $WORK/server.in
	  echo 'set /3303/0/5700 25.5'           > $WORK/sensor-3.in
	  echo 'register'                        > $WORK/meter-2.in
	  ip netns exec $(ns dev) coap-client-notls -m post 'coap://198.51.100.10/rd?ep=stranger'
	  ip netns exec $(ns gw) nft list table inet lwgate      what is captured
	  tail $WORK/relay.err                   the relay's log

	and to end it:

	  $WORK/end
	END
}

main() {
	local program

	if [ "$KEEP" = 1 ] && [ "$(id -u)" -ne 0 ]; then
		echo 'demo: KEEP=1 needs root, since its networks have to outlive this command' >&2
		exit 1
	fi
	for program in "$RELAY" "$BUILD/lwgate" "$BUILD/lwgate-net" "$BUILD/tests/lwm2m-server-openssl" \
		"$BUILD"/tests/lwm2m-device-{notls,gnutls,openssl}; do
		if [ ! -x "$program" ]; then
			echo "demo: $program is not built; use: make demo" >&2
			exit 1
		fi
	done
	netns_begin demo
	step_networks
	step_start
	step_register
	step_called
	step_read
	step_discover
	step_observe
	step_write
	step_execute
	step_update
	step_send
	step_blockwise
	step_restart
	step_kill
	step_deregister
	step_tables
	printf '\n%sAll %d steps were seen at the far end.%s\n' "$GREEN" "$STEP" "$PLAIN"
	if [ "$KEEP" = 1 ]; then keep; fi
	exit 0
}

main
