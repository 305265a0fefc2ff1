# shellcheck shell=bash
# Shell functions for tests that put the relay under load: tests/load's programs around the relay of relay.sh, which
# is sourced before.
#
# echo_start       coapecho in srv, plain and with DTLS, ready when it returns
# resident         KiB of the relay that are resident
# value KEY NAME   what stands behind KEY= in the last line of a program
LOAD=$BUILD/tests/load
# Of all keys of coapload's devices; the number of one, 8 hex digits, follows.
SEED_KEY=a1b2c3d4e5f60718293a4b5c

echo_start() {
	run srv echo "$LOAD/coapecho" --address "$SERVER" --coap 5683 --coaps 5684 \
		--key ${SEED_KEY}00000000 --derive
	want echo ready
}

resident() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/${NETNS_PID[relay]}/status"; }

value() { tail -n 1 "$WORK/$2.log" | tr ' ' '\n' | sed -n "s/^$1=//p"; }
