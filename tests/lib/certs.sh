# shellcheck shell=bash
# Shell functions for tests with certificates and raw public keys, made by openssl at test time in a
# fraction of a second. Source it behind netns.sh or alone:
#
#   certs_begin "$WORK/certs"
#   cert server lwm2m.example.org DNS:lwm2m.example.org,IP:198.51.100.10
#   cert meter-1                                  # CN = meter-1
#   cert device-7 'serial 7' URI:urn:dev:os:7     # an endpoint that is named beside the CN
#   raw_key meter-2
#
# certs_begin DIR            makes DIR with ca.pem, the CA whose certificates are trusted, and
#                            stranger-ca.pem, another one
# cert NAME [CN [SAN]]       NAME.pem and NAME.key: a certificate of that CA; CN is NAME by itself
# cert_of CA NAME CN SAN FROM TO     the same by a CA, between two times YYYYMMDDHHMMSSZ; SAN may be
#                            empty; a NAME that raw_key made keeps its key
# expired NAME.., unripe NAME..      certificates that ended in 2001, or begin in 2090
# strangers NAME..           certificates of the other CA
# raw_key NAME..             NAME.key and NAME.pub: a key pair by itself

CERTS=

certs_begin() {
	CERTS=$1
	(umask "${NETNS_UMASK:-077}" && mkdir -p "$CERTS")
	ca_make ca
	ca_make stranger-ca
}

# Private keys are for their owner alone, and for the relay's group where there is one.
raw_key() {
	local name
	for name in "$@"; do
		(umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$CERTS/$name.key") ||
			return
		chmod "${NETNS_KEY_MODE:-600}" "$CERTS/$name.key"
		openssl ec -in "$CERTS/$name.key" -pubout -out "$CERTS/$name.pub" 2>/dev/null || return
	done
}

ca_make() {
	raw_key "$1"
	openssl req -x509 -new -key "$CERTS/$1.key" -subj "/CN=lwgate tests $1" -days 3650 -sha256 \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
		-out "$CERTS/$1.pem"
}

# `openssl ca` alone gives certificates a first and a last day of their own.
cert_of() {
	local ca=$1 name=$2 cn=$3 san=$4 from=$5 to=$6 dir
	[ -f "$CERTS/$name.key" ] || raw_key "$name" || return
	dir=$(mktemp -d "$CERTS/ca.XXXXXX") || return
	: >"$dir/index"
	{
		printf '[ca]\ndefault_ca = it\n[it]\ndatabase = %s/index\nnew_certs_dir = %s\n' "$dir" "$dir"
		printf 'default_md = sha256\npolicy = any\nx509_extensions = leaf\nunique_subject = no\n'
		printf 'rand_serial = yes\n[any]\ncommonName = supplied\n[leaf]\n'
		printf 'basicConstraints = critical,CA:FALSE\nkeyUsage = critical,digitalSignature\n'
		printf 'extendedKeyUsage = serverAuth,clientAuth\n'
		[ -z "$san" ] || printf 'subjectAltName = %s\n' "$san"
	} >"$dir/conf"
	if ! {
		openssl req -new -key "$CERTS/$name.key" -subj "/CN=$cn" -out "$dir/request" &&
			openssl ca -batch -notext -config "$dir/conf" -cert "$CERTS/$ca.pem" \
				-keyfile "$CERTS/$ca.key" -in "$dir/request" -startdate "$from" \
				-enddate "$to" -out "$CERTS/$name.pem"
	} 2>"$dir/errors"; then cat "$dir/errors" >&2; fi
	rm -rf "$dir"
	[ -s "$CERTS/$name.pem" ]
}

cert() { cert_of ca "$1" "${2:-$1}" "${3:-}" 20200101000000Z 20891231000000Z; }

expired() {
	local name
	for name in "$@"; do
		cert_of ca "$name" "$name" '' 20000101000000Z 20010101000000Z || return
	done
}

unripe() {
	local name
	for name in "$@"; do
		cert_of ca "$name" "$name" '' 20900101000000Z 20910101000000Z || return
	done
}

strangers() {
	local name
	for name in "$@"; do
		cert_of stranger-ca "$name" "$name" '' 20200101000000Z 20891231000000Z || return
	done
}
