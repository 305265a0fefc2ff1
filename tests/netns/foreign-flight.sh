#!/bin/bash
# Claim: OpenSSL, GnuTLS and mbedTLS, as devices that lack the last flight of our handshake, ask for it and get it again, with
# each suite: also from a session whose records the relay carries itself (all but CBC).
#   lan: s_client, gnutls-cli, mbed-client ---- dtls-server, on loopback, where nftables loses the first datagram
#   that begins with a ChangeCipherSpec
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
set -u

KEY=000102030405060708090a0b0c0d0e0f
CLAIMS=0

# IANA, OpenSSL, GnuTLS's cipher and MAC.
SUITES='CCM_8 PSK-AES128-CCM8 AES-128-CCM-8 AEAD
CBC_SHA256 PSK-AES128-CBC-SHA256 AES-128-CBC SHA256
CCM PSK-AES128-CCM AES-128-CCM AEAD
GCM_SHA256 PSK-AES128-GCM-SHA256 AES-128-GCM AEAD'

lose_one() {
	at lan nft -f - <<-'END' || fail 'no filter'
		table inet lossy
		delete table inet lossy
		table inet lossy {
			counter changes { }
			chain in {
				type filter hook input priority 0;
				udp sport 5684 @th,64,8 20 counter name changes
				udp sport 5684 @th,64,8 20 limit rate 1/hour burst 1 packets drop
			}
		}
	END
}

changes() { at lan nft list counter inet lossy changes | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }

we_listen() {
	lose_one
	run lan server "$BUILD/tests/dtls-server" 5684 id-one "$KEY" cid
	want server '^ready$'
}

# It is up here at once, and there only with the second flight.
got_it() { # NAME SUITE, the client's line of it, WHAT THE CLIENT IS TOLD
	want server "^established: id-one, TLS_PSK_WITH_AES_128_$2, "
	want client "$3"
	[ "$(changes)" = 2 ] || fail "the last flight left $(changes) times, not twice"
	mark client
	tell client "$4"
	want server '^data: .*hello'
	want client 'hello'
	stop client
	stop server
	mark_all
	CLAIMS=$((CLAIMS + 1))
	echo "     $1, $2"
}

netns_begin foreign-flight
netns_add lan
while read -r -u 3 suite cipher gnutls mac; do
	we_listen
	run lan client openssl s_client -dtls1_2 -connect 127.0.0.1:5684 -psk "$KEY" \
		-psk_identity id-one -cipher "$cipher"
	got_it s_client "$suite" "Cipher is $cipher\$" hello
	we_listen
	run lan client stdbuf -oL gnutls-cli --udp --pskusername id-one --pskkey "$KEY" --priority \
		"NONE:+VERS-DTLS1.2:+PSK:+COMP-NULL:+SIGN-ALL:+$gnutls:+$mac" -p 5684 127.0.0.1
	got_it gnutls-cli "$suite" '^- Simple Client Mode' hello
	we_listen
	name=TLS-PSK-WITH-AES-128-${suite//_/-}
	run lan client "$BUILD/tests/mbed-client" 127.0.0.1 5684 id-one "$KEY" none "$name"
	got_it mbed-client "$suite" "^established $name," 'send hello'
done 3<<<"$SUITES"
[ "$CLAIMS" = 12 ] || fail "$CLAIMS claims were tested, not 12"
pass
