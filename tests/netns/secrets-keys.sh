#!/bin/bash
# Claim: a device's pre-shared key, and an endpoint's private key, stand only in pages that no dump shows,
# the private key decoded only while a handshake runs. Once the configuration does not name a key any
# more, be it a listener's, no copy is left in all of the memory. Files of
# private keys that are open to others are refused. Nothing of a key is ever in the log.
#   dev (lwm2m-device, OpenSSL, by PSK and by certificate) ---- gw (lwgated, its memory read) ---- srv
#   (lwm2m-server, OpenSSL, with a certificate)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/certs.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

# The program as it is shipped: the sanitizer keeps what was freed.
RELAY=$BUILD/lwgated

# private_of NAME: the private number of a key, in hex.
private_of() {
	openssl ec -in "$CERTS/$1.key" -noout -text 2>/dev/null |
		sed -n '/^priv:/,/^pub:/{/^p/d;s/[ :]//g;p}' | tr -d '\n' | sed 's/^00//'
}

# pem_of NAME: a line of its file, in hex: what stands in memory of the file as it was read.
pem_of() { sed -n 2p "$CERTS/$1.key" | tr -d '\n' | od -An -tx1 | tr -d ' \n' | cut -c 1-128; }

scan() { "$BUILD/tests/memscan" "${NETNS_PID[relay]}" "$1" >"$WORK/scan" || fail "no memory is read"; }

found() {
	scan "$1"
	grep -qE '^0 copies' "$WORK/scan" && fail "$2 is not found: the scan proves nothing"
	grep -qE '^text|^TEXT' "$WORK/scan" && fail "$2 stands there as text: $(cat "$WORK/scan")"
	echo "     $2: $(tail -n 1 "$WORK/scan")"
}

undumped() {
	found "$1" "$2"
	grep -qE ' in dumped' "$WORK/scan" && fail "$2: $(cat "$WORK/scan")"
}

gone() {
	scan "$1"
	grep -qE '^0 copies' "$WORK/scan" || fail "$2 is still there: $(cat "$WORK/scan")"
	echo "     $2: $(tail -n 1 "$WORK/scan")"
}

# told_to_mend FILE: check refuses the file while others may read it, with the command that mends it.
told_to_mend() {
	chmod 644 "$1"
	"$BUILD/lwgate" check "$WORK/lwgate.conf" >"$WORK/told" 2>&1 && fail "$1 is taken while open"
	grep -qF "right is: chmod 600 $1" "$WORK/told" || fail "$(cat "$WORK/told")"
	chmod "$NETNS_KEY_MODE" "$1"
}

server_section() {
	section server cloud uri coaps://$SERVER security x509 ca_file "$CERTS/ca.pem" \
		server_name lwm2m.example.org
}

with_cert() {
	section endpoint - name "$1" server cloud cert_file "$CERTS/$1.pem" \
		private_key_file "$CERTS/$1.key" "${@:2}"
}

netns_begin secrets-keys
netns_three
certs_begin "$WORK/certs"
cert server lwm2m.example.org DNS:lwm2m.example.org
cert gateway gateway.example.org DNS:gateway.example.org,IP:$GATEWAY
cert stay
cert leave
server_args x509
server_start server openssl "${ARGS[@]}"
relay_conf
server_section
section listen lan interface lan0 coap 0 cert_file "$CERTS/gateway.pem" \
	private_key_file "$CERTS/gateway.key" ca_file "$CERTS/ca.pem"
with_cert stay
with_cert leave lan_identity id-leave lan_key "$(key_of leave)"
for file in gateway stay leave; do told_to_mend "$CERTS/$file.key"; done
relay_start
secure stay openssl x509
secure leave openssl psk
want server '^registered stay '
want server '^registered leave '
undumped "$(key_of leave)" "a device's key in use"
found "$(private_of gateway)" "a listener's private key in use"
undumped "$(pem_of leave)" "an endpoint's private key in use"
gone "$(private_of leave)" 'the same, decoded: only a handshake has it'

# The listener takes pre-shared keys alone, and one endpoint leaves.
relay_conf
server_section
section listen lan interface lan0 coap 0
with_cert stay lan_identity id-stay lan_key "$(key_of stay)"
relay_reload
want server '^closed leave from '
gone "$(key_of leave)" "the device's key, removed by reload"
gone "$(private_of gateway)" "the listener's private key, removed by reload"
gone "$(pem_of gateway)" 'the same as its file has it'
gone "$(pem_of leave)" "the endpoint's private key, removed by reload"
undumped "$(pem_of stay)" 'the private key that stays'
relay_stop
for secret in "$(key_of leave)" "$(key_of stay)" "$(private_of gateway)" "$(private_of leave)"; do
	grep -qiF "${secret:0:16}" "$WORK/relay.log" && fail "the log has a key"
done
pass
