# shellcheck shell=bash
# shellcheck disable=SC2034 # GATEWAY and CALLED are life.sh's
# Shell functions for tests of interception with the relay; sourced behind netns.sh, relay.sh and life.sh.
#
# intercept_begin NAME     netns_three with forwarding on, and a second address of servers, 198.51.100.20
#                          and 2001:db8:2::20
# route_to EP SERVER FIELD a field of the endpoint's row for that server; empty: no row
# flows_of EP              its rows, one a line: server, and what a restart keeps of whom it calls and how
# intercept_servers [EP..]   our LwM2M servers "cloud" (.10, ::10) and "field" (.20, ::20), both with plain
#                          CoAP and DTLS for WORK/psk, which has these endpoints (or a usual set)
# intercept_conf [OPTION VALUE]..   begins WORK/lwgate.conf: servers cloud and field over DTLS, a listener
#                          that intercepts on lan0 (its options are given); forgets the state file
# calling ADDRESS          devices call that address from now on
# claim TEXT               prints what was just shown

claim() { echo "     $*"; }

intercept_begin() {
	netns_begin "$1"
	netns_three
	at gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 || fail 'no forwarding'
	netns_address srv wan 198.51.100.20/24 2001:db8:2::20/64
}

intercept_servers() {
	[ $# -gt 0 ] || set -- one two both four six own dtls4 dtls6 old roam third opaque
	psk "$@" >"$WORK/psk"
	server_start cloud openssl --coap 198.51.100.10 --coap '[2001:db8:2::10]' \
		--coaps 198.51.100.10 --coaps '[2001:db8:2::10]' --psk "$WORK/psk"
	server_start field openssl --coap 198.51.100.20 --coap '[2001:db8:2::20]' \
		--coaps 198.51.100.20 --coaps '[2001:db8:2::20]' --psk "$WORK/psk"
}

route_to() { row "$1" | grep -aF "\"server\":\"$2\"," | sed -nE "s/.*\"$3\":(\"([^\"]*)\"|([^,}]*)).*/\\2\\3/p"; }

flows_of() {
	row "$1" | sed -nE 's/.*"device":("[^"]*").*"called":("[^"]*"|null),"captured":([a-z]*).*"server":("[^"]*").*"kind":("[^"]*").*"port":([0-9]*).*/\4 \5 \1 \2 \3 \6/p' | sort
}

intercept_hosts() {
	RELAY_HOSTS=$WORK/hosts
	printf '%s\n' '127.0.0.1 localhost' "198.51.100.10 cloud.example" '2001:db8:2::10 cloud.example' \
		'198.51.100.20 field.example' '2001:db8:2::20 field.example' >"$RELAY_HOSTS"
}

intercept_conf() {
	relay_conf
	intercept_hosts
	intercept_conf_again "$@"
}

# The same under a running relay, which keeps its state.
intercept_conf_again() {
	rm -f "$WORK/lwgate.conf"
	section gateway main log_level debug
	section server cloud uri coaps://cloud.example
	section server field uri coaps://field.example
	section listen lan interface lan0 intercept 1 "$@"
}

calling() {
	GATEWAY=$1
	CALLED=coaps://$1
}
