#!/bin/bash
# Claim: the LwM2M server and device of the tests agree with each other over DTLS without a relay: by
# PSK, certificates and raw public keys, with OpenSSL and GnuTLS at both ends where they can; each
# refuses whom it does not know; and the device comes back after close_notify, a killed server and a
# reboot. What later fails through the relay is then the relay's.
#   dev (lwm2m-device) ---- gw (forwards) ---- srv (lwm2m-server)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/certs.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

CALLED=coaps://$SERVER
CALLED_NAME=server

# serve TLS KIND [NAME]: the server with that kind of credential.
serve() {
	server_args "$2" "${3:-server}"
	server_start server "$1" "${ARGS[@]}"
}

# calls EP TLS KIND [NAME [ARGS..]]: a device that wants the server's name where it has one.
calls() {
	local named=()
	[ "$3" != x509 ] || named=(--server-name lwm2m.example.org)
	secure "$1" "$2" "$3" "${4:-$1}" "${named[@]}" "${@:5}"
}

operations() {
	local sum
	asks server 'read one /3/0/2' '^read one /3/0/2 2\.05 "one"$'
	asks server 'observe one /3303/0/5700' '^observe one /3303/0/5700 2\.05 '
	tell one 'set /3303/0/5700 31.5'
	want server '^notify one /3303/0/5700 "31\.5" '
	asks server 'write-block one /5/0/0 65536' '^write-block one /5/0/0 2\.04 65536 bytes crc32='
	sum=${SEEN##* }
	want one "^write /5/0/0 65536 bytes $sum\$"
	asks server 'read-block one /26241/0/0' "^read-block one /26241/0/0 2\\.05 65536 bytes $sum\$"
	tell one 'send 3000'
	want server '^send one 3000 bytes '
	want one '^sent 2\.04$'
	tell one update
	want server '^updated one /rd/'
}

# life KIND SERVER-TLS DEVICE-TLS IDENTITY
life() {
	local kind=$1
	serve "$2" "$kind"
	calls one "$3" "$kind" one --instances 100 --block 256
	want server "^handshake $4 from "
	want server '^registered one /rd/[0-9]+ lt=60 .* links=105 '
	operations
	stop one || fail 'the device did not leave in order'
	want server '^deregistered one '
	want server "^closed $4 from "
	stop server || fail 'the server did not leave in order'
	mark_all
	echo "     $kind, server $2, device $3"
}

# A reboot, an end in order and a kill: each time the device registers or says Update by itself. It
# reboots to another port, since libcoap's server hears no ClientHello beside a session it holds.
recovers() {
	local kind=$1 tls=$2 location
	serve "$tls" "$kind"
	calls one "$tls" "$kind" one --bind 192.0.2.11:40001 --lifetime 10
	want server '^registered one '
	mark_all
	tell one 'reboot 40003'
	want server '^registered one .* from 192\.0\.2\.11:40003 via coaps'
	want one '^registered (/rd/[0-9]+)$'
	location=${SEEN##* }
	mark_all
	tell one 'rebind 40002' update
	want server "^updated one $location lt=10 from 192\\.0\\.2\\.11:40002 via coaps"
	stop server || fail 'the server did not leave in order'
	want one '^session closed$'
	serve "$tls" "$kind"
	want server '^registered one ' 30
	stop server KILL
	serve "$tls" "$kind"
	tell one update
	want one '^failed update timeout' 20
	want server '^registered one '
	stop one
	stop server
	mark_all
	echo "     $kind, $tls at both ends: back after a reboot, a move, a restart and a kill"
}

# unheard TEXT: no registration reached the server.
unheard() { absent server '^registered ' || fail "$1: $SEEN"; }

# ours SERVER-TLS KIND IDENTITY ARGS..: the room dtls as a client, by rawdevice.
ours() {
	local tls=$1 kind=$2 id=$3 register
	shift 3
	serve "$tls" "$kind"
	mark ours
	run dev ours "$BUILD/tests/rawdevice" 192.0.2.12:40005 $SERVER:5684 "$kind" "$@"
	want ours '^handshake TLS_(PSK|ECDHE_ECDSA)_WITH_AES_128_'
	register=$(coap con 0.02 257 a1 '/rd?ep=one&lt=60' '</3/0>')
	tell ours "$register"
	want ours "^record $(coap ack 2.01 257 a1)"
	want server "^handshake $id from "
	tell ours close
	want server "^closed $id from "
	stop ours
	stop server
	echo "     $kind, server $tls, our own client"
}

# not_ours SERVER-TLS KIND NAME FAULT ARGS..: the server's certificate or raw key NAME is refused.
not_ours() {
	serve "$1" "$2" "$3"
	mark ours
	run dev ours "$BUILD/tests/rawdevice" 192.0.2.12:40005 $SERVER:5684 "$2" "${@:5}"
	want ours "^alert -?[0-9]+ why $4\$"
	stop ours
	stop server
}

# By the numbers of enum dtls_fault: untrusted, not yet valid, expired, another name, another key.
by_our_own() {
	local tls one=("$CERTS/one.pem" "$CERTS/one.key" "$CERTS/ca.pem" lwm2m.example.org)
	for tls in openssl gnutls; do
		ours $tls psk id-one id-one "$(key_of one)"
		ours $tls x509 one "${one[@]}"
		not_ours $tls x509 stranger 3 "${one[@]}"
		not_ours $tls x509 unripe 4 "${one[@]}"
		not_ours $tls x509 expired 5 "${one[@]}"
		not_ours $tls x509 other-name 6 "${one[@]}"
	done
	ours gnutls rpk one "$CERTS/one.key" "$CERTS/server.pub"
	not_ours gnutls rpk stranger 8 "$CERTS/one.key" "$CERTS/server.pub"
}

# What nobody may do: other endpoints, unknown identities and keys, certificates of no worth.
refuses_psk() {
	local tls
	for tls in openssl gnutls; do
		serve "$tls" psk
		calls two "$tls" psk one
		want server '^refused register two 4\.03 id-one$'
		calls nobody "$tls" psk
		want server '^unknown-identity id-nobody$'
		want nobody '^failed register '
		unheard 'PSK'
		stop two
		stop nobody
		stop server
	done
}

refuses_x509() {
	local tls name
	for tls in openssl gnutls; do
		serve "$tls" x509
		calls two "$tls" x509 one
		want server '^refused register two 4\.03 one$'
		stop two
		for name in expired unripe stranger; do
			calls "$name" "$tls" x509
			want "$name" '^(failed register|session (closed|error))'
			stop "$name"
		done
		unheard 'a certificate of no worth'
		stop server
		for name in expired stranger other-name; do
			serve "$tls" x509 "$name"
			calls one "$tls" x509
			want one '^(failed register|session (closed|error))'
			unheard "a server with certificate $name"
			stop one
			stop server
		done
	done
}

refuses_rpk() {
	serve gnutls rpk
	calls two gnutls rpk one
	want server '^refused register two 4\.03 one$'
	calls stranger gnutls rpk
	want server '^unknown-identity raw key '
	want stranger '^failed register '
	unheard 'an unknown raw key'
	stop two
	stop stranger
	stop server
	serve gnutls rpk stranger
	calls one gnutls rpk
	want one '^refused server with another key$'
	unheard 'a server with another key'
	stop one
	stop server
	mark one
	calls one openssl rpk
	want one '^raw public keys need libcoap.s GnuTLS build$'
}

netns_begin peers-secure
netns_three
at gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
certs_begin "$WORK/certs"
cert server lwm2m.example.org DNS:lwm2m.example.org,IP:$SERVER
cert other-name else.example.org DNS:else.example.org
cert one
cert san 'serial 7' URI:urn:dev:os:7
expired expired
unripe unripe
strangers stranger
psk one >"$WORK/psk"
echo "one $CERTS/one.pub" >"$WORK/clients"
life psk openssl gnutls id-one
life psk gnutls openssl id-one
life x509 openssl gnutls one
life x509 gnutls openssl one
life rpk gnutls gnutls one
serve openssl x509
calls urn:dev:os:7 openssl x509 san
want server '^handshake serial 7 from '
want server '^registered urn:dev:os:7 '
stop urn:dev:os:7
stop server
by_our_own
recovers psk openssl
recovers x509 gnutls
recovers rpk gnutls
refuses_psk
refuses_x509
refuses_rpk
pass
