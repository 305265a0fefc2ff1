# shellcheck shell=bash
# Shell functions for tests that put the relay into the namespace gw; sourced behind netns.sh.
#
#   section server cloud uri coaps://198.51.100.10
#   section listen lan interface lan0 coaps 0
#   section endpoint - name one server cloud identity one key "$KEY"
#   relay_start
#   want relay 'one has registered'
#   [ "$(route one state)" = up ] || fail 'the association is not up'
#
# section TYPE NAME [OPTION VALUE]..   adds a section to WORK/lwgate.conf; NAME - is none, +OPTION
#                                adds to a list
# relay_conf                     begins that file anew, and forgets what the relay remembers
# relay_start, relay_stop        as program "relay", ready when it returns; stopped in order; with
#                                RELAY_HOSTS as its /etc/hosts; RELAY names another program
# relay_reload                   SIGHUP's equal, awaited
# lwgate ARGS..                  the command
# route EP FIELD                 a field of the endpoint's row in the routing table; empty: no row
# route_drops EP REASON          what was lost on its flow for that reason, 0 for nothing
# drops REASON, counted NAME     a loss or a count of the whole relay
# lost                           prints every loss of the whole relay; fails when there is none
# is CMD OP VALUE                test of what a command (one word) prints, for eventually
# drops_rise REASON N CMD..      fails the test unless the command makes the loss rise by N, soon
# register EP PORT [OPTIONS]     a Register by coap-client in dev from that port; needs a 2.01;
#                                GATEWAY says where
# coap TYPE CODE MID TOKEN [PATH [PAYLOAD]]  a message in hex: con 0.02 7 a1b2 '/rd?ep=x' text

# Configurations and key files hold keys.
umask 077

# shellcheck disable=SC2034 # for the scripts that source this, as the next one
KEY=000102030405060708090a0b0c0d0e0f
# Another, for programs that take a key as text.
# shellcheck disable=SC2034
TEXT_KEY=sixteen-byte-key

section() {
	local type=$1 name=$2
	shift 2
	{
		if [ "$name" = - ]; then echo "config $type"; else echo "config $type '$name'"; fi
		while [ $# -gt 1 ]; do
			case $1 in
			+*) printf "\tlist %s '%s'\n" "${1#+}" "$2" ;;
			*) printf "\toption %s '%s'\n" "$1" "$2" ;;
			esac
			shift 2
		done
		echo
	} >>"$WORK/lwgate.conf"
}

relay_conf() { rm -rf "$WORK/lwgate.conf" "$WORK/state"; }

# text_hex TEXT: its bytes in hex.
text_hex() {
	local i out=
	for ((i = 0; i < ${#1}; i++)); do
		printf -v out '%s%02x' "$out" "'${1:i:1}"
	done
	printf '%s' "$out"
}

relay_start() {
	local lwgated=("${RELAY:-$BUILD/lwgated}" -c "$WORK/lwgate.conf" -s "$WORK/lwgate.sock" \
		-S "$WORK/state" -l stderr)
	mkdir -p "$WORK/state"
	mark relay
	if [ -n "${RELAY_HOSTS:-}" ]; then
		run_with_hosts "$RELAY_HOSTS" gw relay "${lwgated[@]}"
	else
		run gw relay "${lwgated[@]}"
	fi
	want relay ready
}

relay_stop() { stop relay || fail 'the relay did not leave in order'; }

lwgate() { "$BUILD/lwgate" -s "$WORK/lwgate.sock" "$@"; }

relay_reload() { lwgate reload >"$WORK/reload.out" 2>&1 || fail "reload: $(cat "$WORK/reload.out")"; }

row() { lwgate --json routes | sed 's/{"endpoint"/\n&/g' | grep -aF "{\"endpoint\":\"$1\","; }

route() { row "$1" | sed -nE "s/.*\"$2\":(\"([^\"]*)\"|([^,}]*)).*/\2\3/p"; }

route_drops() {
	local n
	n=$(row "$1" | sed -nE "s/.*\"drops\":\{[^}]*\"$2\":([0-9]+).*/\1/p")
	echo "${n:-0}"
}

lost() { lwgate metrics | grep '^lwgate_drops_total.* [1-9]'; }

drops() { lwgate metrics | sed -n "s/^lwgate_drops_total{reason=\"$1\"} //p"; }

counted() { lwgate metrics | sed -n "s/^lwgate_$1_total //p"; }

# is A OP B: as test, for eventually, with A a command in one word.
is() {
	local got
	got=$(eval "$1")
	test "$got" "$2" "$3"
}

drops_rise() {
	local reason=$1 wanted
	wanted=$(($(drops "$1") + $2))
	shift 2
	"$@" || fail "$*"
	eventually 5 is "drops $reason" -eq "$wanted" ||
		fail "$reason is $(drops "$reason"), not $wanted, after: $*"
}

register() {
	local ep=$1 port=$2
	shift 2
	at dev coap-client-notls -B 10 -p "$port" -m post -v 7 -e '</3/0>' "$@" \
		"coap://${GATEWAY:-192.0.2.1}/rd?ep=$ep&lt=300&lwm2m=1.1&b=U" \
		>"$WORK/register.out" 2>&1
	grep -q 'c:2.01' "$WORK/register.out" || fail "$ep is not registered: $(cat "$WORK/register.out")"
}

# option DELTA VALUE: one option, in hex, of up to 268 bytes.
option() {
	local length=${#2} head
	if [ "$length" -lt 13 ]; then
		printf -v head '%x%x' "$1" "$length"
	else
		printf -v head '%xd%02x' "$1" $((length - 13))
	fi
	printf '%s%s' "$head" "$(text_hex "$2")"
}

coap() {
	local type class=${2%.*} detail=${2#*.} token=${4#-} path=${5:-} out word delta=11 query=
	local -A types=([con]=0 [non]=1 [ack]=2 [rst]=3)
	type=${types[$1]}
	printf -v out '%x%x%02x%04x%s' $((4 + type)) $((${#token} / 2)) $((class * 32 + 10#$detail)) \
		"$3" "$token"
	case $path in *\?*) query=${path#*\?} path=${path%%\?*} ;; esac
	for word in ${path//\// }; do
		out+=$(option $delta "$word")
		delta=0
	done
	delta=$((delta == 11 ? 15 : 4))
	for word in ${query//&/ }; do
		out+=$(option $delta "$word")
		delta=0
	done
	[ -z "${6:-}" ] || out+=ff$(text_hex "$6")
	printf '%s' "$out"
}
