#!/bin/bash
# Claim: when a server restarts, in order or by kill -9, with or without its state, built on
# OpenSSL or on GnuTLS, its devices are with it again by themselves, and it reaches them.
#   dev (lwm2m-device x6, coap-client) ---- gw (relay) ---- srv (lwm2m-server x4, coap-rd x2,
#                                                                coap-server x2)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

BOUND=30 # seconds that a recovery may take; what it takes is printed
OURS='openssl_keeps openssl_forgets gnutls_keeps gnutls_forgets'
DIRECTORIES='rd_openssl rd_gnutls'
STATIC='cs_openssl cs_gnutls'
declare -A PORT=([openssl_keeps]=5684 [openssl_forgets]=5685 [gnutls_keeps]=5686
	[gnutls_forgets]=5687 [rd_openssl]=5701 [rd_gnutls]=5711 [cs_openssl]=5721 [cs_gnutls]=5731)
declare -A FROM=([cs_openssl]=41001 [cs_gnutls]=41002)
declare -A PENDING=() # program: the line that is awaited of it

# Every server has one endpoint, of the same name.
configure() {
	local name
	cloud coaps://$SERVER
	for name in $OURS $DIRECTORIES $STATIC; do
		section server "$name" uri "coaps://$SERVER:${PORT[$name]}"
	done
	for name in $OURS; do endpoint "$name" "$name"; done
	# These take their key as text.
	for name in $DIRECTORIES; do
		section endpoint - name "$name" server "$name" identity "$name" \
			key "$(text_hex "$TEXT_KEY")"
	done
	for name in $STATIC; do
		section endpoint - name "$name" server "$name" identity "$name" \
			key "$(text_hex "$TEXT_KEY")" address "192.0.2.13:${FROM[$name]}"
	done
}

start_servers() {
	local name state

	for name in $OURS; do
		state=()
		case $name in *_keeps) state=(--state "$WORK/state-$name") ;; esac
		run srv "s-$name" "$BUILD/tests/lwm2m-server-${name%_*}" --psk "$WORK/psk" \
			--coaps "[::]:${PORT[$name]}" "${state[@]}"
	done
	for name in $DIRECTORIES; do
		run srv "s-$name" "coap-rd-${name#rd_}" -p $((PORT[$name] - 1)) -v 6 \
			-k "$TEXT_KEY" -h lwgate
	done
	for name in $STATIC; do
		run srv "s-$name" "coap-server-${name#cs_}" -p $((PORT[$name] - 1)) -v 6 \
			-k "$TEXT_KEY" -h lwgate
	done
	for name in $OURS; do want "s-$name" '^ready$'; done
}

stop_servers() {
	local name
	for name in $OURS $DIRECTORIES $STATIC; do stop "s-$name" "$1"; done
}

# Reads a resource of coap-server until it answers.
ask_static() {
	local name=$1
	until [ -n "$(at dev coap-client-notls -a 192.0.2.13 -p "${FROM[$name]}" -B "$BOUND" \
		coap://$GATEWAY/time 2>/dev/null)" ]; do sleep 0.1; done
	echo "answered $name" >>"$WORK/asked-$name.log"
}

await_all() {
	local name end=$((SECONDS + BOUND))
	while [ "${#PENDING[@]}" -gt 0 ]; do
		for name in "${!PENDING[@]}"; do
			seen "$name" "${PENDING[$name]}" || continue
			printf '     %-18s %s\n' "${name#s-}" "$(took)"
			unset "PENDING[$name]"
		done
		[ $SECONDS -lt $end ] || fail "not in $BOUND s: ${!PENDING[*]}"
		sleep 0.05
	done
}

# Everybody is back, and the servers reach their devices. KEEPS is what a server that knew it says.
all_back() {
	local name keeps=$1
	for name in $OURS; do
		PENDING[s-$name]="^registered $name /rd/"
		case $name in *_keeps) PENDING[s-$name]="^$keeps $name /rd/" ;; esac
	done
	for name in $DIRECTORIES; do PENDING[$name]='^registered /'; done
	for name in $STATIC; do
		PENDING[asked-$name]='^answered'
		ask_static "$name" &
	done
	await_all
	for name in $OURS; do
		asks "s-$name" "read $name /3/0/2" "^read $name /3/0/2 2\.05 \"$name\"\$"
	done
}

round() {
	echo "     restart by SIG$1; seconds until back:"
	started
	stop_servers "$1"
	mark_all
	start_servers
	all_back updated
}

netns_begin restart-server
netns_three
# shellcheck disable=SC2086 # lists of words
psk $OURS >"$WORK/psk"
configure
start_servers
relay_start
for name in $OURS; do device "$name" 192.0.2.11 --lifetime 6; done
for name in $DIRECTORIES; do device "$name" 192.0.2.12 --lifetime 6; done
echo '     first start:'
LIFE_START=${EPOCHREALTIME/./}
all_back registered
round TERM
round KILL
relay_stop
pass
