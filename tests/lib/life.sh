# shellcheck shell=bash
# Shell functions for tests of recovery and life: LwM2M peers around the relay of relay.sh, which is
# sourced before. Endpoints are named by words; id-NAME and a key of their own follow from the name.
#
# cloud URI [OPTION VALUE]..         begins WORK/lwgate.conf: server 'cloud', listener 'lan' (its
#                                    options are given), debug log; forgets the state file
# cloud_again URI [OPTION VALUE]..   the same under a running relay, which keeps its state
# endpoint NAME [SERVER [OPTION VALUE]..]   its section
# psk NAME..                         lines of a server's PSK file for these endpoints
# server_start NAME TLS [ARGS..]     our LwM2M server in srv, ready when it returns
# device EP IP [ARGS..]              our device in dev, plain CoAP to the relay, as program EP
# server_args KIND [NAME]     sets ARGS to our server's credentials: KIND is psk (WORK/psk), x509 or rpk
#                                    (certificate, raw key NAME of certs.sh; clients in WORK/clients)
# device_args KIND NAME       the same for our device; it wants the server's name or raw key
# secure EP TLS KIND [NAME [ARGS..]]   our device in dev with the credential of NAME (EP), over DTLS to
#                                    CALLED, which is the relay
# asks SERVER COMMAND ERE            an operation of the server, with its answer
# raw NAME IP:PORT                   rawudp in dev, towards the relay
# says NAME TYPE CODE MID TOKEN [PATH [PAYLOAD]]    it sends that
# hears NAME TYPE CODE MID TOKEN [SECONDS]          it gets a message that begins so
# same A B TEXT                      two values are equal, or the test has failed
# soon TEXT CMD..                    the command succeeds within 10 s, or the test has failed
# started, took                      marks all logs and the time; the seconds since, for people

# shellcheck disable=SC2034 # for the scripts that source this
SERVER=198.51.100.10
GATEWAY=192.0.2.1
CALLED=coaps://$GATEWAY
CALLED_NAME=gateway
LIFE_START=0

key_of() { printf '%s' "$1" | md5sum | cut -c 1-32; }

cloud() {
	relay_conf
	cloud_again "$@"
}

cloud_again() {
	local uri=$1
	shift
	rm -f "$WORK/lwgate.conf"
	section gateway main log_level debug
	section server cloud uri "$uri"
	section listen lan interface lan0 coaps 0 server cloud "$@"
}

endpoint() {
	local name=$1 server=${2:-cloud}
	shift $(($# > 1 ? 2 : 1))
	section endpoint - name "$name" server "$server" identity "id-$name" \
		key "$(key_of "$name")" "$@"
}

psk() {
	local name
	for name in "$@"; do
		echo "id-$name $(key_of "$name") $name"
	done
}

server_start() {
	local name=$1 tls=$2
	shift 2
	mark "$name"
	run srv "$name" "$BUILD/tests/lwm2m-server-$tls" "$@"
	want "$name" '^ready$'
}

device() {
	local ep=$1 ip=$2
	shift 2
	mark "$ep"
	run dev "$ep" "$BUILD/tests/lwm2m-device-notls" --ep "$ep" --server "coap://$GATEWAY" \
		--bind "$ip" --retry 1 "$@"
}

server_args() {
	local name=${2:-server}
	case $1 in
	psk) ARGS=(--psk "$WORK/psk") ;;
	x509) ARGS=(--cert "$CERTS/$name.pem" --key "$CERTS/$name.key" --ca "$CERTS/ca.pem") ;;
	rpk) ARGS=(--rpk "$CERTS/$name.key" --clients "$WORK/clients") ;;
	esac
}

device_args() {
	case $1 in
	psk) ARGS=(--psk "id-$2:$(key_of "$2")") ;;
	x509) ARGS=(--cert "$CERTS/$2.pem" --key "$CERTS/$2.key" --ca "$CERTS/ca.pem") ;;
	rpk) ARGS=(--rpk "$CERTS/$2.key" --server-key "$CERTS/$CALLED_NAME.pub") ;;
	esac
}

secure() {
	local ep=$1 tls=$2 kind=$3 name=${4:-$1}
	shift $(($# > 3 ? 4 : 3))
	device_args "$kind" "$name"
	mark "$ep"
	run dev "$ep" "$BUILD/tests/lwm2m-device-$tls" --ep "$ep" --server "$CALLED" --retry 1 \
		--repeats 1 "${ARGS[@]}" "$@"
}

asks() {
	mark "$1"
	tell "$1" "$2" || fail "$1 has ended"
	want "$1" "$3"
}

raw() {
	mark "$1"
	run dev "$1" "$BUILD/tests/rawudp" "$2" "$GATEWAY:5683"
	want "$1" '^ready$'
}

says() {
	local name=$1
	shift
	tell "$name" "$(coap "$@")" || fail "$name has ended"
}

hears() {
	await "$1" " $(coap "${@:2:4}")" "${6:-10}" || fail "$1 hears no: ${*:2:4}"
}

same() { [ "$1" = "$2" ] || fail "$3: $1, not $2"; }

soon() {
	local text=$1
	shift
	eventually 10 "$@" >/dev/null 2>&1 || fail "waited in vain: $text"
}

started() {
	mark_all
	LIFE_START=${EPOCHREALTIME/./}
}

took() {
	local ms=$(((${EPOCHREALTIME/./} - LIFE_START) / 1000))
	printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}
