#!/bin/bash
# Claim: interception with the relay stands what kernels and firewalls do: large messages in fragments, both ways;
# a flow that was forwarded before, masqueraded, is taken over with the device's own address; each rp_filter,
# with src_valid_mark 0 and 1; a firewall whose input policy drops, once the mark is accepted there. What was
# called at a broadcast or multicast address is answered by nobody.
#   dev (lwm2m-device, rawudp) ---- gw (masquerades on wan0; relay, interception) ---- srv (lwm2m-server, rawudp)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
. "$(dirname "$0")/../lib/intercept.sh"
set -u

MID=256
TO=198.51.100.10:5683

set_all() { # NAME VALUE
	local link
	for link in all default lan0 wan0 lo; do
		at gw sysctl -qw "net.ipv4.conf.$link.$1=$2" || fail "no $1"
	done
}

# message BYTES: a NON POST of that length in all.
message() {
	MID=$((MID + 1))
	printf '5102%04xb7b46669726dff' $MID
	head -c $(($1 - 11)) /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

# shellcheck disable=SC2317 # eventually calls it
arrived() { grep -aqE " $2\$" "$WORK/$1.log"; }

# passes FROM TO ADDRESS BYTES: a message of that length, seen to come from that address.
passes() {
	local hex
	hex=$(message "$4")
	tell "$1" "$hex"
	eventually 5 arrived "$2" "$hex" || fail "$4 bytes from $1 did not arrive at $2: $(lost)"
	grep -aqE "^$3:[0-9]+ $hex\$" "$WORK/$2.log" || fail "$2 got it from elsewhere than $3"
}

entries() { at gw cat /proc/net/nf_conntrack | grep -c "$1"; }

# The device is known to the router's NAT before the relay is there.
masqueraded() {
	at gw nft -f - <<-'END' || fail 'no masquerading'
	table ip nat {
		chain post {
			type nat hook postrouting priority srcnat; policy accept;
			oifname "wan0" masquerade
		}
	}
	END
	run srv server "$BUILD/tests/rawudp" $TO
	run dev raw "$BUILD/tests/rawudp" 192.0.2.11:40001 $TO
	want server '^ready$'
	want raw '^ready$'
	passes raw server '198\.51\.100\.1' 100
	[ "$(entries 'src=192.0.2.11 .* dport=5683 ')" = 1 ] || fail 'the flow is not tracked'
}

taken_over() {
	tell raw "$(coap con 0.02 7 a1 '/rd?ep=raw&lt=600')"
	want server "^198\\.51\\.100\\.1:[0-9]+ $(coap con 0.02 7 a1 '/rd?ep=raw&lt=600')\$"
	eventually 5 is 'route raw device' = 192.0.2.11:40001 || fail "raw is at $(route raw device)"
	same "$(route raw captured)/$(entries 'src=192.0.2.11 .* dport=5683 ')" true/0 'captured, and tracked'
	passes server raw '198\.51\.100\.10' 100
	claim "a masqueraded flow is taken over, with the device's own address"
}

fragments() {
	local bytes
	for bytes in 1500 5000 16384; do
		passes raw server '198\.51\.100\.1' $bytes
		passes server raw '198\.51\.100\.10' $bytes
	done
	run srv server6 "$BUILD/tests/rawudp" '[2001:db8:2::10]:5683'
	run dev six "$BUILD/tests/rawudp" '[2001:db8:1::11]:40001' '[2001:db8:2::10]:5683'
	want server6 '^ready$'
	want six '^ready$'
	tell six "$(coap con 0.02 8 a1 '/rd?ep=six&lt=600')"
	want server6 "^\\[2001:db8:2::1\\]:[0-9]+ $(coap con 0.02 8 a1 '/rd?ep=six&lt=600')\$"
	passes six server6 '\[2001:db8:2::1\]' 5000
	passes server6 six '\[2001:db8:2::10\]' 5000
	same "$(counted up_messages)/$(route six captured)" 6/true 'messages up'
	claim 'messages of up to 16 KiB pass in fragments, both ways'
	calling 198.51.100.10
	device many 192.0.2.12:40002 --instances 300 --block 1024
	want cloud '^registered many /rd/.* bytes=[0-9]{4,}'
	asks cloud 'write-block many /5/0/0 65536' '^write-block many /5/0/0 2\.04 65536 bytes'
	asks cloud 'read-block many /26241/0/0' '^read-block many /26241/0/0 2\.05 65536 bytes'
	claim 'so does a long Register, and 64 KiB block by block'
}

filters() {
	local valid filter
	for valid in 0 1; do
		for filter in 0 1 2; do
			set_all src_valid_mark $valid
			set_all rp_filter $filter
			passes raw server '198\.51\.100\.1' 200
			passes server raw '198\.51\.100\.10' 200
		done
	done
	same "$(route raw captured)/$(entries 'src=192.0.2.11 .* dport=5683 ')" true/0 'captured, and tracked'
	claim 'src_valid_mark 0 and 1 with rp_filter 0, 1 and 2'
}

firewall() {
	at gw nft -f - <<-'END' || fail 'no filter'
	table inet fw {
		chain input {
			type filter hook input priority filter; policy drop;
			meta iifname != lan0 accept
			meta l4proto ipv6-icmp accept
			counter
		}
	}
	END
	local lost probe
	lost=$(message 100) probe=$(message 100)
	tell raw "$lost"
	tell raw "198.51.100.10:6000 $probe"
	eventually 5 arrived probe "$probe" || fail 'the probe is lost'
	if arrived server "$lost"; then fail 'a policy that drops let it in'; fi
	at gw nft list chain inet fw input | grep -q 'counter packets [1-9]' || fail 'nothing came to the input hook'
	at gw nft insert rule inet fw input meta mark '&' 0x8000000 == 0x8000000 accept
	passes raw server '198\.51\.100\.1' 100
	passes server raw '198\.51\.100\.10' 100
	claim 'a firewall that drops input, once it accepts the mark'
	at gw nft delete table inet fw
}

# group ADDRESS: a Register of a stranger, which we would answer with 4.03, was called there.
group() {
	mark stranger
	drops_rise lan_multicast 1 tell stranger "$1 $(coap con 0.02 9 a1 '/rd?ep=stranger')"
	tell stranger "198.51.100.10:5683 $(coap con 0.02 10 a2 '/rd?ep=stranger')"
	want stranger " $(coap ack 4.03 10 a2)\$"
	absent stranger " $(coap ack 4.03 9 a1)" || fail "it was answered: $SEEN"
}

groups() {
	at dev ip route add 224.0.0.0/4 dev lan
	at gw ip addr add 224.0.1.187/32 dev lan0 autojoin || fail 'no group joined'
	run dev stranger "$BUILD/tests/rawudp" 192.0.2.13:40003
	want stranger '^ready$'
	group 192.0.2.255:5683
	group 255.255.255.255:5683
	claim 'what was called at a broadcast address is counted, and answered by nobody'
	group 224.0.1.187:5683
	claim 'so is what was called at a multicast address'
}

intercept_begin intercept-kernel
run srv probe "$BUILD/tests/rawudp" 198.51.100.10:6000
masqueraded
psk many >"$WORK/psk"
server_start cloud openssl --coaps 198.51.100.10 --psk "$WORK/psk"
relay_conf
section gateway main log_level debug
section server plain uri coap://198.51.100.10
section server cloud uri coaps://198.51.100.10
section listen lan interface lan0 intercept 1
section endpoint - name raw server plain
section server plain6 uri 'coap://[2001:db8:2::10]'
section endpoint - name six server plain6
endpoint many
relay_start
want relay 'capture: UDP 5683.* from lan0 is captured'
taken_over
fragments
filters
firewall
groups
relay_stop
pass
