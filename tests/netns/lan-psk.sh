#!/bin/bash
# Claim: devices with keys of their own are served over DTLS, by OpenSSL's and GnuTLS's stacks, with all
# that the server does to them. An unknown identity and a wrong key are refused, counted and logged
# without the name; a Register with another's name gets 4.00 and the server hears nothing; without
# DTLS such an endpoint gets 4.03. A device that reboots is back on its old port, one that moves
# keeps source port and Location, and all come back when the gateway restarts, in order or not.
#   dev (lwm2m-device x4) ---- gw (relay, DTLS on both sides) ---- srv (lwm2m-server, DTLS)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

PORT=
LOCATION=

# secured NAME: an endpoint with one key towards the server and another towards the device.
secured() { endpoint "$1" cloud lan_identity "id-lan-$1" lan_key "$(key_of "lan-$1")"; }

operations() {
	local ep=$1 sum
	asks server "read $ep /3/0/2" "^read $ep /3/0/2 2\\.05 \"$ep\"\$"
	asks server "observe $ep /3303/0/5700" "^observe $ep /3303/0/5700 2\\.05 "
	tell "$ep" 'set /3303/0/5700 31.5'
	want server "^notify $ep /3303/0/5700 \"31\\.5\" "
	asks server "write-block $ep /5/0/0 65536" "^write-block $ep /5/0/0 2\\.04 65536 bytes crc32="
	sum=${SEEN##* }
	want "$ep" "^write /5/0/0 65536 bytes $sum\$"
	asks server "read-block $ep /26241/0/0" "^read-block $ep /26241/0/0 2\\.05 65536 bytes $sum\$"
	tell "$ep" 'send 3000'
	want server "^send $ep 3000 bytes "
	want "$ep" '^sent 2\.04$'
	tell "$ep" update
	want server "^updated $ep /rd/"
}

# Both stacks, with the Register of one in blocks; every session has its own key.
served() {
	local ep
	secure openssl openssl psk lan-openssl --bind 192.0.2.11:40001 --lifetime 10 \
		--instances 100 --block 256
	secure gnutls gnutls psk lan-gnutls --bind 192.0.2.12:40002 --lifetime 10
	for ep in openssl gnutls; do
		want server "^registered $ep /rd/[0-9]+ .* via coaps"
		want "$ep" '^registered /rd/'
		want relay "lan: $ep: secure session from 192\\.0\\.2\\.1[12]:4000[12], TLS_PSK_"
	done
	for ep in openssl gnutls; do operations "$ep"; done
	same "$(counted device_handshakes_done)" 2 'handshakes of devices'
}

# Somebody with the name of a device that is here, and another key, is no trouble to it.
wrong_key() {
	mark_all
	run dev wrong "$BUILD/tests/lwm2m-device-openssl" --ep openssl --server "$CALLED" \
		--bind 192.0.2.13:40003 --repeats 1 --psk "id-lan-openssl:$(key_of wrong)"
	want relay 'device at 192\.0\.2\.13:40003 that calls itself id-lan-o\.\.\. was refused: its key'
	[ "$(counted device_wrong_key)" -ge 1 ] || fail 'a wrong key is not counted'
	want wrong '^failed register '
	! seen wrong '^(handshake done|registered)' || fail "a wrong key is served: $SEEN"
	absent relay 'id-lan-openssl' || fail "the log names an identity: $SEEN"
	asks server 'read openssl /3/0/2' '^read openssl /3/0/2 2\.05 "openssl"$'
	stop wrong
}

refused() {
	mark_all
	run dev nobody "$BUILD/tests/lwm2m-device-openssl" --ep spare --server "$CALLED" \
		--psk "id-nobody-at-all:$(key_of nobody)"
	want relay 'that calls itself id-nobod\.\.\. was refused: no endpoint has that lan_identity'
	want nobody '^failed register '
	[ "$(counted device_unknown)" -ge 1 ] || fail 'an unknown identity is not counted'
	absent relay 'id-nobody' || fail "the log names an identity: $SEEN"
	stop nobody
	secure gnutls2 openssl psk lan-spare
	want gnutls2 '^failed register 4\.00'
	[ "$(drops other_endpoint)" -ge 1 ] || fail 'the name of another is not counted'
	stop gnutls2
	device spare 192.0.2.13
	want spare '^failed register 4\.03'
	[ "$(drops lan_secured)" -ge 1 ] || fail 'an endpoint without its DTLS is not counted'
	stop spare
	absent server '(registered|refused|handshake)' || fail "the server heard of it: $SEEN"
}

# remember EP: its source port and Location; kept EP TEXT: they are the same, and it is reached.
remember() { PORT=$(route "$1" port) LOCATION=$(route "$1" location); }
kept() {
	same "$(route "$1" port)" "$PORT" "$2: source port"
	same "$(route "$1" location)" "$LOCATION" "$2: Location"
	asks server "read $1 /3/0/2" "^read $1 /3/0/2 2\\.05 \"$1\"\$"
}

# The relay's session towards the server outlives the device's; what is new is the registration.
reboots() {
	remember openssl
	started
	tell openssl reboot
	want server "^registered openssl .* from 198\\.51\\.100\\.1:$PORT via coaps again"
	want openssl '^registered '
	echo "     rebooted on its old port: back after $(took)"
	want relay 'lan: openssl: new secure session from 192\.0\.2\.11:40001'
	same "$(route openssl port)" "$PORT" 'source port after a reboot'
	absent server '^handshake' || fail "a new handshake with the server: $SEEN"
	asks server 'read openssl /3/0/2' '^read openssl /3/0/2 2\.05 "openssl"$'
}

# moves EP PORT: to another port with a new handshake and an Update, which is all it says.
moves() {
	remember "$1"
	mark_all
	tell "$1" "rebind $2" update
	want server "^updated $1 $LOCATION "
	want "$1" "^updated $LOCATION\$"
	same "$(route "$1" device | sed 's/.*://')" "$2" 'address of the row'
	kept "$1" 'a move'
	absent server '^(handshake|registered)' || fail "the server noticed more than that: $SEEN"
}

# The first move is in silence: what the device says at the end of its session is lost.
moved() {
	at dev nft -f - <<-END
	table inet lost {
		chain output {
			type filter hook output priority 0
			udp dport 5684 @th,64,8 0x15 drop
		}
	}
	END
	moves gnutls 40022
	at dev nft delete table inet lost
	[ "$(counted flows_moved)" -ge 1 ] || fail 'the move is not counted'
	moves gnutls 40032
	moves openssl 40031
}

# back TEXT: both devices are registered and reached, without a word from us.
back() {
	local ep
	for ep in openssl gnutls; do
		want server "^(updated|registered) $ep .* via coaps" 60
		want "$ep" '^(updated|registered) '
		eventually 20 is "route $ep state" = up || fail "$1: no association of $ep"
		asks server "read $ep /3/0/2" "^read $ep /3/0/2 2\\.05 \"$ep\"\$"
	done
	echo "     $1: both are back after $(took)"
}

restarted() {
	started
	relay_stop
	want openssl '^session closed$'
	want gnutls '^session closed$'
	relay_start
	back 'restarted in order'
	started
	stop relay KILL
	relay_start
	back 'killed'
}

netns_begin lan-psk
netns_three
psk openssl gnutls spare gnutls2 >"$WORK/psk"
server_start server openssl --psk "$WORK/psk"
relay_conf
section gateway main log_level debug
section server cloud uri coaps://$SERVER
section listen lan interface lan0 server cloud
for ep in openssl gnutls spare; do secured "$ep"; done
endpoint gnutls2
relay_start
served
wrong_key
refused
reboots
moved
restarted
relay_stop
pass
