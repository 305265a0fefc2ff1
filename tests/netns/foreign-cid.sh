#!/bin/bash
# Claim: connection ids (RFC 9146) are agreed with mbedTLS, of any length, in both roles. A device that moves
# to another port is known by its id and answered there; its old records from elsewhere move nothing; without
# an id it is a stranger. A server that gives us an id goes on with us when we move, but for one fault that
# is known.
#   lan: mbed-client ---- dtls-server, and dtls-client ---- mbed-server, on loopback
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
set -u

KEY=000102030405060708090a0b0c0d0e0f
CCM_8='TLS.PSK.WITH.AES.128.CCM.8'
SUITES='CCM-8 CBC-SHA256 CCM GCM-SHA256'

claim() { echo "     $*"; }

# both SERVER-LINE CLIENT-LINE: what each end says of the handshake.
both() {
	want server "^established:? (id-one, )?$1\$"
	want client "^established:? $2\$"
}

# echoes TEXT: the client says it and hears it.
echoes() {
	tell client "send $1"
	want client "^data[^:]*:? $1\$"
}

# pushes TEXT: the server says it to where it thinks the client is.
pushes() {
	tell server "$1"
	want client "^data[^:]*:? $1\$"
}

# new_port: the port that the client says it speaks from since the last mark.
new_port() {
	want client '^port [0-9]+$'
	PORT=${SEEN#port }
}

over() {
	stop client
	stop server
	mark_all
}

# ---- devices on mbedTLS come to us ----------------------------------------------------------------
device() { # OUR-OPTION THEIR-CID [SUITE]
	# shellcheck disable=SC2086 # our option may be none
	run lan server "$BUILD/tests/dtls-server" 5684 id-one "$KEY" $1
	want server '^ready$'
	run lan client "$BUILD/tests/mbed-client" 127.0.0.1 5684 id-one "$KEY" "${@:2}"
	new_port
}

moves() {
	mark client server
	tell client 'hold send held-back' rebind
	new_port
	echoes two
	want server "^moved to port $PORT\$"
	pushes three
}

# What its old records do from a third port: a repeat, and one that was never seen but is not the newest.
replays() {
	mark client server
	tell client replay
	want server '^< '
	pushes four
	absent server '^data' || fail "a repeat was taken: $SEEN"
	tell client release
	want server '^data: 9 bytes, newest 0: held-back$'
	want client '^data held-back$'
	pushes five
	absent server '^moved' || fail "an old record moved the device: $SEEN"
	absent client '^the third' || fail "the replayer was answered: $SEEN"
}

comes_again() {
	mark client server
	tell client again
	both "$CCM_8, cid of theirs $2, of ours 1" "$CCM_8, cid of theirs 8, of ours $1"
	want server '^comes again$'
	echoes six
	pushes seven
	tell client close
	want server '^event 3, '
}

# device_with CID, as our side counts it
device_with() {
	device cid "$1"
	both "$CCM_8, cid of theirs $2, of ours 1" "$CCM_8, cid of theirs 8, of ours $1"
	echoes one
	moves
	replays
	comes_again "$@"
	over
	claim "a device with an id of $1 bytes: moves, is not moved by old records, comes again"
}

device_without() { # OUR-OPTION THEIR-CID
	device "$1" "$2"
	both "$CCM_8, cid of theirs -1, of ours 0" "$CCM_8, cid of theirs -1, of ours -1"
	echoes one
	mark client server
	tell client rebind
	new_port
	tell client 'send two'
	want server "^no session for port $PORT\$"
	tell client again
	want client '^established'
	echoes three
	absent server '^(moved|data: 3 bytes.*two)' || fail "a stranger was taken: $SEEN"
	absent client '^data two' || fail 'a stranger was answered'
	over
	claim "a device without an id (we '$1', it '$2'): a stranger when moved, until it comes again"
}

device_suite() { # SUITE CID
	device cid "$2" "TLS-PSK-WITH-AES-128-$1"
	want client "^established TLS-PSK-WITH-AES-128-$1, cid of theirs 8, of ours $2\$"
	echoes one
	moves
	over
	claim "a device with an id of $2 bytes and $1 moves"
}

# ---- we come to a server on mbedTLS ---------------------------------------------------------------
server() { # CID [SUITE]; mbedTLS would choose GCM
	run lan server "$BUILD/tests/mbed-server" 5684 id-one "$KEY" "$1" \
		"TLS-PSK-WITH-AES-128-${2:-CCM-8}"
	want server '^ready$'
	run lan client "$BUILD/tests/dtls-client" 127.0.0.1 5684 id-one "$KEY" -
}

we_move() {
	mark client server
	tell client rebind
	want client '^rebound$'
	echoes two
	want server '^moved to port '
	mark client server
	tell client replay
	pushes three
	absent server '^(moved|data)' || fail "a repeat was taken: $SEEN"
	absent client '^the third' || fail 'the replayer was answered'
	echoes four
	tell client close
	want server '^closed$'
}

server_with() { # CID [SUITE]
	server "$@"
	both "TLS-PSK-WITH-AES-128-${2:-CCM-8}, cid of theirs 0, of ours $1" \
		"TLS_PSK_WITH_AES_128_$(echo "${2:-CCM-8}" | tr - _), cid $1"
	echoes one
	we_move
	over
	claim "a server with an id of $1 bytes${2:+ and $2}: we move, and go on"
}

# wolfSSL 5.9.2 finds no MAC good when it sends with an id and receives without (dtls/README.md); the day on
# which this comes up, that note and these lines may go.
server_with_cbc() {
	server 4 CBC-SHA256
	want server '^established '
	eventually 10 is_repeated || fail 'the client does not repeat its flight'
	absent client '^established' || fail 'CBC with an id of the server alone works: see dtls/README.md'
	over
	claim 'a server with an id of 4 bytes and CBC-SHA256: known not to come up'
}

# shellcheck disable=SC2317 # eventually calls it
is_repeated() { [ "$(count client '^> 144 bytes')" -ge 2 ]; }

server_without() { # CID
	server "$1"
	both "$CCM_8, cid of theirs -1, of ours -1" "$CCM_8, cid -1"
	echoes one
	mark client server
	tell client rebind
	want client '^rebound$'
	tell client 'send two'
	want server '^no session for port '
	absent client '^data' || fail "a stranger was answered: $SEEN"
	over
	claim "a server without an id ($1): it does not know us when we have moved"
}

netns_begin foreign-cid
netns_add lan
device_with 0 -1
device_with 2 2
device_with 4 4
device_with 8 8
device_without cid none
device_without '' 4
for suite in $SUITES; do
	device_suite "$suite" 0
	device_suite "$suite" 4
done
for cid in 2 4 8; do
	server_with "$cid"
done
server_with 4 CCM
server_with 4 GCM-SHA256
server_with_cbc
server_without none
server_without 0
pass
