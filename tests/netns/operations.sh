#!/bin/bash
# Claim: a server reads, writes, observes, executes, creates and deletes at each device behind the
# relay, with each TLS library, while others do the same; each Send is booked for the one who sent it.
#   dev (3 x lwm2m-device) ---- gw (lwgated) ---- srv (lwm2m-server: openssl, gnutls, notls)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

EPS='one two three'
declare -A MARK=([one]=11 [two]=22 [three]=33)

# all COMMAND ERE: asks every device at once; @ stands for the endpoint in both.
all() {
	local ep
	mark server
	for ep in $EPS; do
		tell server "${1//@/$ep}"
	done
	for ep in $EPS; do
		want server "${2//@/$ep}"
	done
}

operations() {
	local ep
	all 'read @ /3/0/2' '^read @ /3/0/2 2\.05 "@"$'
	all 'discover @ /3' '^discover @ /3 2\.05 "</3>,</3/0>,'
	all 'attributes @ /3303/0/5700 pmin=1&pmax=60' '^attributes @ /3303/0/5700 2\.04$'
	all 'write @ /3/0/13 1750000000' '^write @ /3/0/13 2\.04$'
	all 'read @ /3/0/13' '^read @ /3/0/13 2\.05 "1750000000"$'
	all 'write @ /3/0/0 x' '^write @ /3/0/0 4\.05'
	all 'read @ /9/9' '^read @ /9/9 4\.04'
	all 'execute @ /3303/0/5605' '^execute @ /3303/0/5605 2\.04$'
	all 'create @ /3303 x' '^create @ /3303 [245]\.0'
	all 'delete @ /3303/7' '^delete @ /3303/7 [245]\.0'
	all 'write-block @ /5/0/0 20000 512' '^write-block @ /5/0/0 2\.04 20000 bytes crc32='
	all 'read-block @ /26241/0/0' '^read-block @ /26241/0/0 2\.05 20000 bytes crc32='
	all 'observe @ /3303/0/5700' '^observe @ /3303/0/5700 2\.05 '
	mark server
	for ep in $EPS; do
		tell "$ep" "set /3303/0/5700 ${MARK[$ep]}.5"
	done
	for ep in $EPS; do
		want server "^notify $ep /3303/0/5700 \"${MARK[$ep]}\\.5\""
	done
	all 'cancel @ /3303/0/5700' '^cancel @ /3303/0/5700 2\.05'
	mark server
	for ep in $EPS; do
		tell "$ep" "send 2${MARK[$ep]}"
	done
	for ep in $EPS; do
		want server "^send $ep 2${MARK[$ep]} bytes "
		want "$ep" '^sent 2\.04'
	done
}

checksums() {
	local ep sum
	for ep in $EPS; do
		NETNS_MARK=()
		seen server "^write-block $ep .*" || fail "no write-block $ep"
		sum=${SEEN##* }
		want "$ep" "^write /5/0/0 20000 bytes $sum"
		want server "^read-block $ep .* $sum"
	done
}

# served SERVER-TLS URI DEVICE-TLS
served() {
	local build=$1 uri=$2 ep n=1 options=()
	relay_conf
	section server cloud uri "$uri"
	section listen lan interface lan0 coaps 0
	for ep in $EPS; do
		section endpoint - name "$ep" server cloud identity "id-$ep" key "$KEY"
		echo "id-$ep $KEY $ep"
	done >"$WORK/psk"
	rm -f "$WORK"/*.log "$WORK"/*.err
	NETNS_MARK=()
	case $uri in
	coap:*) sed -i '/identity\|key/d' "$WORK/lwgate.conf" ;;
	*) options=(--psk "$WORK/psk") ;;
	esac
	run srv server "$BUILD/tests/lwm2m-server-$build" "${options[@]}"
	want server '^ready$'
	relay_start
	for ep in $EPS; do
		options=(--bind "192.0.2.1$n:40001" --server coap://192.0.2.1)
		[ "$ep" != three ] || options=(--bind '[2001:db8:1::13]:40001'
			--server 'coap://[2001:db8:1::1]')
		run dev "$ep" "$BUILD/tests/lwm2m-device-$3" --ep "$ep" --instances 40 "${options[@]}"
		n=$((n + 1))
	done
	for ep in $EPS; do
		want server "^registered $ep /rd/.* links=45 "
		want "$ep" '^registered /rd/'
	done
	operations
	checksums
	lost >"$WORK/lost.log" && fail 'something was dropped'
	[ "$(counted answers)" = 0 ] || fail 'the relay gave answers'
	for ep in $EPS; do
		stop "$ep" || fail "$ep did not leave in order"
		want server "^deregistered $ep /rd/"
	done
	eventually 5 is 'lwgate --json routes' = '{"routes":[]}' || fail 'flows are left'
	relay_stop
	stop server
	echo "     $uri, server $build, devices $3"
}

netns_begin operations
netns_three
served openssl coaps://198.51.100.10 notls
served gnutls 'coaps://[2001:db8:2::10]' notls
served notls 'coap://[2001:db8:2::10]' openssl
pass
