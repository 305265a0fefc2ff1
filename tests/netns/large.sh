#!/bin/bash
# Claim: single messages of 8 KiB and of nearly 16 KiB pass both ways, in IP fragments; what is larger
# than a DTLS record or than the relay's buffer is dropped by name, never cut, and the flow lives on.
#   dev (rawudp) ---- gw (lwgated) ---- srv (rawudp or rawdtls)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
set -u

# message BYTES: a NON POST of that length in all.
message() {
	printf '5102%04xb7b46669726dff' $MID
	head -c $(($1 - 11)) /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

# passes FROM TO BYTES
passes() {
	local hex
	hex=$(message "$3")
	MID=$((MID + 1))
	mark "$2"
	tell "$1" "$hex"
	eventually 5 arrived "$2" "$hex" ||
		fail "$3 bytes from $1 did not arrive at $2: $(lost)"
}

arrived() { tail -n 1 "$WORK/$1.log" | grep -qxE "[^ ]+ $2"; }

# lost_by REASON FROM TO BYTES: it is counted, nothing of it arrives, and the next one does.
lost_by() {
	local hex
	hex=$(message "$4")
	MID=$((MID + 1))
	mark "$3"
	drops_rise "$1" 1 tell "$2" "$hex"
	case $1 in wan_*) [ "$(route_drops one "$1")" -gt 0 ] || fail "routes does not tell of $1" ;; esac
	passes "$2" "$3" 100
	[ "$(count "$3" .)" = 1 ] || fail "something of $4 bytes arrived at $3"
}

begin() {
	relay_conf
	section server cloud uri "$1"
	section listen lan interface lan0 coaps 0
	section endpoint - name one server cloud address "$2" identity id-one key "$KEY"
	case $1 in coap:*) sed -i '/identity\|key/d' "$WORK/lwgate.conf" ;; esac
	run srv server "${@:4}"
	run dev device "$BUILD/tests/rawudp" "$2:40001" "$3:5683"
	want server '^ready'
	want device '^ready'
	relay_start
	passes device server 100
}

end() {
	relay_stop
	stop device
	stop server
	mark_all
}

MID=256
RECORD=16272 # what the relay puts into one record, DTLS_WRITE_MAX
netns_begin large
netns_three
begin coap://198.51.100.10 192.0.2.11 192.0.2.1 "$BUILD/tests/rawudp" 198.51.100.10:5683
for bytes in 1500 8192 16384 16640; do
	passes device server $bytes
	passes server device $bytes
done
lost_by lan_too_large device server 16641
lost_by lan_too_large device server 60000
lost_by wan_cut server device 16641
lost_by wan_cut server device 60000
echo '     coap, IPv4'
end
begin 'coaps://[2001:db8:2::10]' '[2001:db8:1::11]' '[2001:db8:1::1]' \
	"$BUILD/tests/rawdtls" '[2001:db8:2::10]:5684' id-one "$KEY"
for bytes in 1500 8192 $RECORD; do
	passes device server $bytes
	passes server device $bytes
done
passes server device 16384
lost_by wan_too_large device server $((RECORD + 1))
lost_by lan_too_large device server 16641
echo '     coaps, IPv6'
end
pass
