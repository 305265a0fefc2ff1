#!/bin/bash
# Claim: each suite with a pre-shared key of the LwM2M transport specification comes up with OpenSSL, GnuTLS and
# mbedTLS, in both roles, and carries bytes both ways; of all four our listener takes the first of its own
# order, not of the device's.
#   lan: s_client, gnutls-cli, mbed-client ---- dtls-server, and dtls-client ---- s_server, gnutls-serv,
#   mbed-server, on loopback
# What a stack can not do, and is not asked here:
#   gnutls-serv says nothing by itself, it echoes; s_server does not echo, it is told what to say.
#   gnutls-cli closes at the end of its input only, so its end is no claim.
# All three have all four suites.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
set -u

KEY=000102030405060708090a0b0c0d0e0f
CLAIMS=0

# The suites, in the order of the specification: IANA, OpenSSL, GnuTLS's cipher and MAC.
SUITES='CCM_8 PSK-AES128-CCM8 AES-128-CCM-8 AEAD
CBC_SHA256 PSK-AES128-CBC-SHA256 AES-128-CBC SHA256
CCM PSK-AES128-CCM AES-128-CCM AEAD
GCM_SHA256 PSK-AES128-GCM-SHA256 AES-128-GCM AEAD'

priority() { echo "NONE:+VERS-DTLS1.2:+PSK:+COMP-NULL:+SIGN-ALL$1"; }
mbed_name() { echo "TLS-PSK-WITH-AES-128-${1//_/-}"; }

claim() {
	stop client
	stop server
	mark_all
	CLAIMS=$((CLAIMS + 1))
	echo "     $*"
}

# ---- they come to us ------------------------------------------------------------------------------
we_listen() {
	run lan server "$BUILD/tests/dtls-server" 5684 id-one "$KEY" cid
	want server '^ready$'
}

# s_client's own options besides the suites.
s_client() {
	run lan client openssl s_client -dtls1_2 -connect 127.0.0.1:5684 -psk "$KEY" \
		-psk_identity id-one -cipher "$1"
}

gnutls_cli() { # PRIORITY
	run lan client stdbuf -oL gnutls-cli --udp --pskusername id-one --pskkey "$KEY" \
		--priority "$1" -p 5684 127.0.0.1
}

# up_at_ours SUITE, the client's line of it
up_at_ours() {
	want server "^established: id-one, TLS_PSK_WITH_AES_128_$1, cid of theirs -1, of ours 0\$"
	want client "$2"
}

echoed() { # WHAT THE CLIENT IS TOLD
	mark client
	tell client "$1"
	want server '^data: .*hello'
	want client 'hello'
	tell server 'and from us'
	want client 'and from us'
}

openssl_comes() { # IANA CIPHER
	we_listen
	s_client "$2"
	up_at_ours "$1" "Cipher is $2\$"
	echoed hello
	tell client Q
	want server '^event 3, '
	claim "s_client, $1"
}

gnutls_comes() { # IANA CIPHER MAC
	we_listen
	gnutls_cli "$(priority ":+$2:+$3")"
	up_at_ours "$1" "Description: .*\\($2\\)"
	want client '^- Simple Client Mode'
	echoed hello
	claim "gnutls-cli, $1"
}

mbedtls_comes() { # IANA
	we_listen
	run lan client "$BUILD/tests/mbed-client" 127.0.0.1 5684 id-one "$KEY" none "$(mbed_name "$1")"
	up_at_ours "$1" "^established $(mbed_name "$1"),"
	echoed 'send hello'
	tell client close
	want server '^event 3, '
	claim "mbed-client, $1"
}

# ---- we come to them ------------------------------------------------------------------------------
we_come() { # IANA
	run lan client "$BUILD/tests/dtls-client" 127.0.0.1 5684 id-one "$KEY" -
	want client "^established: TLS_PSK_WITH_AES_128_$1, "
	tell client 'send hello'
	want server 'hello'
}

we_come_to_openssl() { # IANA CIPHER
	run lan server openssl s_server -4 -dtls1_2 -listen -accept 5684 -nocert -psk "$KEY" \
		-psk_identity id-one -cipher "$2"
	want server '^ACCEPT'
	we_come "$1"
	tell server 'and from them'
	want client '^data, 14 bytes: and from them'
	claim "s_server, $1"
}

we_come_to_gnutls() { # IANA CIPHER MAC
	run lan server stdbuf -oL gnutls-serv --udp --echo --pskpasswd "$WORK/psk" -p 5684 \
		--priority "$(priority ":+$2:+$3")"
	want server 'listening on IPv4.*done'
	we_come "$1"
	want client '^data, 5 bytes: hello'
	claim "gnutls-serv, $1"
}

we_come_to_mbedtls() { # IANA
	run lan server "$BUILD/tests/mbed-server" 5684 id-one "$KEY" none "$(mbed_name "$1")"
	want server '^ready$'
	we_come "$1"
	want client '^data, 5 bytes: hello'
	tell server 'and from them'
	want client '^data, 13 bytes: and from them'
	tell client close
	want server '^closed$'
	claim "mbed-server, $1"
}

# ---- the order --------------------------------------------------------------------------------------
# turned FIRST LAST: a device that has two of them, in the wrong order, is given the first of ours.
turned() {
	local first second
	first=$(grep "^$1 " <<<"$SUITES")
	second=$(grep "^$2 " <<<"$SUITES")
	read -r _ a _ _ <<<"$first"
	read -r _ b _ _ <<<"$second"
	we_listen
	s_client "$b:$a"
	want server "^established: id-one, TLS_PSK_WITH_AES_128_$1, cid of theirs -1, of ours 0\$"
	claim "s_client, $2 before $1: $1"
}

netns_begin foreign-suites
netns_add lan
echo "id-one:$KEY" >"$WORK/psk"
while read -r -u 3 suite cipher gnutls mac; do
	openssl_comes "$suite" "$cipher"
	gnutls_comes "$suite" "$gnutls" "$mac"
	mbedtls_comes "$suite"
	we_come_to_openssl "$suite" "$cipher"
	we_come_to_gnutls "$suite" "$gnutls" "$mac"
	we_come_to_mbedtls "$suite"
done 3<<<"$SUITES"
turned CCM_8 CBC_SHA256
turned CBC_SHA256 CCM
turned CCM GCM_SHA256
[ "$CLAIMS" = 27 ] || fail "$CLAIMS claims were tested, not 27"
pass
