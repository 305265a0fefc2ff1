# What can be measured: the relay in its modes, the yardsticks, and peers that Debian has. Sourced by run.sh
# and bars.sh; each kind is started on ports of ours and ended by process id.
# shellcheck shell=sh disable=SC2034,SC2154

LOAD_CPU=${LOAD_CPU:-0} RELAY_CPU=${RELAY_CPU:-1} ECHO_CPU=${ECHO_CPU:-${LOAD_CPU:-0}}
ECHO_COAP=$PORT ECHO_COAPS=$((PORT + 1)) LAN=$((PORT + 2)) LANS=$((PORT + 3)) CONTROL=$((PORT + 4))
ECHO_KEY=${SEED_KEY}00000000
# The first of the devices that live at addresses of their own, with ports below those that the kernel gives
# away: in the files of endpoints, too. Two runs with ports of their own have addresses of their own.
FIXED=127.$((PORT % 199 + 1)).0.1:10001
# Where all of it is; ipv6 changes it.
HOST=127.0.0.1
# Unpacked packages of peers; what the system has is used too.
PEERS=${LOAD_PEERS:-$BUILD/deps/load}
workers=1 cid=0

OWN='nosec psk pskpsk opaque'
ALL_KINDS="direct forward $OWN nginx pen socat coap coap-psk"

# find_peer NAME: the path of its program; none: 1.
find_peer() {
	for f in "$PEERS/usr/sbin/$1" "$PEERS/usr/bin/$1" "$(command -v "$1")" "/usr/sbin/$1"; do
		if [ -n "$f" ] && [ -x "$f" ]; then
			realpath "$f"
			return
		fi
	done
	return 1
}

# program_of KIND: what it needs.
program_of() {
	case $1 in
	direct) echo "$LOAD/coapecho" ;;
	forward) echo "$LOAD/forward" ;;
	nosec | psk | pskpsk | opaque) echo "$BUILD/lwgated" ;;
	nginx | pen | socat) find_peer "$1" ;;
	coap | coap-psk) find_peer coap-server-openssl ;;
	*) die "unknown kind: $1; there are $ALL_KINDS" ;;
	esac
}

# need KIND...: ends with a message that names everything that is missing.
need() {
	lacking=
	for kind in "$@"; do
		program=$(program_of "$kind")
		[ -n "$program" ] && [ -x "$program" ] || lacking="$lacking $kind"
	done
	for p in coapload coapecho; do
		[ -x "$LOAD/$p" ] || lacking="$lacking $p"
	done
	[ -z "$lacking" ] || die "missing:$lacking. make load gets and builds it; --kinds leaves it out"
	[ "$(nproc)" -ge 2 ] || die "two CPUs are needed: one for the load, one for what is measured"
	# More workers than one share the generator's CPU.
	[ "$workers" = 1 ] || RELAY_CPU=0,1
}

# ipv6: from now on loopback is that of IPv6, and kinds are told apart by their label.
ipv6() { HOST='[::1]' label=-ipv6; }

# supports KIND SCENARIO
supports() {
	case $1 in
	direct | forward | nosec | psk | pskpsk) true ;;
	# libcoap's proxy wants the query in the URI, and has one session for all.
	coap | coap-psk) [ "$HOST $2" = '127.0.0.1 post' ] ;;
	# Peers are started, and devices have addresses of their own, in IPv4 alone.
	*) [ "$HOST" = 127.0.0.1 ] ;;
	esac
}

# ---- the relay -----------------------------------------------------------------------------------

bare_host() { echo "$HOST" | tr -d '[]'; }

# config KIND DEVICES: writes the relay's configuration and its endpoints.
config() {
	uri=coap://$HOST:$ECHO_COAP coap=$LAN coaps=0
	case $1 in
	psk) uri=coaps://$HOST:$ECHO_COAPS ;;
	pskpsk) uri=coaps://$HOST:$ECHO_COAPS coaps=$LANS ;;
	opaque) uri=coaps://$HOST:$ECHO_COAPS coap=0 coaps=$LANS ;;
	esac
	cat >"$work/lwgate" <<-END
		config gateway 'main'
			option max_endpoints '$(($2 + 100))'
			option workers '$workers'
			option endpoints_file '$work/endpoints.csv'

		config server 'echo'
			option uri '$uri'

		config listen 'lan'
			list address '$(bare_host)'
			option coap '$coap'
			option coaps '$coaps'
			option cid '$([ "$cid" = 0 ] && echo 0 || echo 1)'
	END
	awk -v n="$2" -v kind="$1" -v seed="$SEED_KEY" -v fixed="$FIXED" 'BEGIN {
		split(fixed, at, ".0.1:")
		head["psk"] = ",identity,key"
		head["pskpsk"] = ",identity,key,lan_identity,lan_key"
		head["opaque"] = ",mode,address"
		print "name,server" head[kind]
		for (i = 0; i < n; i++) {
			name = sprintf("dev%04d", i)
			if (kind == "psk")
				printf "%s,echo,%s,%s%08x\n", name, name, seed, i
			else if (kind == "pskpsk")
				printf "%s,echo,%s,%s%08x,%s,%s%08x\n", name, name, seed, i, name, seed, i
			else if (kind == "opaque")
				printf "%s,echo,opaque,%s.%d.%d:%d\n", name, at[1], (i + 1) / 256, (i + 1) % 256, at[2] + i
			else
				printf "%s,echo\n", name
		}
	}' >"$work/endpoints.csv"
	chmod 600 "$work/lwgate" "$work/endpoints.csv"
}

start_relay() {
	config "$1" "$2"
	rm -rf "$work/state" && mkdir "$work/state"
	start "$1" "$RELAY_CPU" "$BUILD/lwgated" -c "$work/lwgate" -s "$work/sock" -S "$work/state" \
		-l stderr
}

# ---- peers ---------------------------------------------------------------------------------------

start_nginx() {
	module=$PEERS/usr/lib/nginx/modules/ngx_stream_module.so
	[ -e "$module" ] || module=/usr/lib/nginx/modules/ngx_stream_module.so
	mkdir -p "$work/nginx"
	# One worker, a session for each device as long as it speaks, buffers as ours are.
	cat >"$work/nginx/nginx.conf" <<-END
		load_module $(realpath "$module");
		daemon off;
		master_process off;
		pid $work/nginx/pid;
		error_log stderr error;
		worker_rlimit_nofile 65536;
		events { worker_connections 32768; }
		stream {
			server {
				listen 127.0.0.1:$LAN udp rcvbuf=4m sndbuf=4m;
				proxy_pass 127.0.0.1:$ECHO_COAP;
				proxy_timeout 600s;
			}
		}
	END
	start_bound nginx "$RELAY_CPU" "$LAN" "$(find_peer nginx)" -e stderr -p "$work/nginx" \
		-c "$work/nginx/nginx.conf"
}

# The proxies are asked by Proxy-Uri: "reverse" they answer 4.04 to anything else.
start_coap() {
	start_bound "$1" "$RELAY_CPU" "$LAN" "$(find_peer coap-server-openssl)" -A 127.0.0.1 -p "$LAN" \
		-P ,relay -v 5 -k "${SEED_TEXT}0000" -u dev808464432 # 0x30303030: "0000"
}

start_peer() {
	LD_LIBRARY_PATH=$(realpath -m "$PEERS")/usr/lib/$(uname -m)-linux-gnu
	export LD_LIBRARY_PATH
	case $1 in
	nginx) start_nginx ;;
	pen) start_bound pen "$RELAY_CPU" "$LAN" "$(find_peer pen)" -U -f -c $(($2 + 100)) \
		-x $(($2 + 100)) "127.0.0.1:$LAN" "127.0.0.1:$ECHO_COAP" ;;
	socat) start_bound socat "$RELAY_CPU" "$LAN" "$(find_peer socat)" -b 4096 \
		"UDP4-LISTEN:$LAN,bind=127.0.0.1,fork,reuseaddr" "UDP4:127.0.0.1:$ECHO_COAP" ;;
	coap | coap-psk) start_coap "$1" ;;
	esac
	unset LD_LIBRARY_PATH
}

# ---- any kind ------------------------------------------------------------------------------------

# start_kind KIND DEVICES: starts what is measured; sets pid, target, and how the generator must speak.
start_kind() {
	target=$HOST:$LAN speak="--control $HOST:$CONTROL"
	case $1 in
	direct) pid=$echo target=$HOST:$ECHO_COAP ;;
	forward) start forward "$RELAY_CPU" "$LOAD/forward" "$target" "$HOST:$ECHO_COAP" ;;
	nosec | psk) start_relay "$1" "$2" ;;
	pskpsk | opaque)
		target=$HOST:$LANS speak="$speak --key $ECHO_KEY --derive"
		# Opaque ones are known by their address. Many behind one would wait for each other, since the relay
		# bounds what an address may begin.
		[ "$1" = pskpsk ] && [ "$2" -le 1000 ] || speak="$speak --from $FIXED --spread"
		start_relay "$1" "$2"
		;;
	*) start_peer "$1" "$2" ;;
	esac
	case $1 in
	# Both give away answers of devices that come at the same time.
	pen) speak="$speak --register-inflight 1" ;;
	socat) speak="$speak --register-inflight 1 --children" ;;
	coap) speak="--no-register --proxy-uri coap://$HOST:$ECHO_COAP/dp" ;;
	coap-psk) speak="--no-register --proxy-uri coaps://$HOST:$ECHO_COAPS/dp" ;;
	esac
}

stop_kind() {
	[ "$pid" = "$echo" ] || stop "$pid"
}

start_echo() {
	start echo "$ECHO_CPU" "$LOAD/coapecho" --address "$(bare_host)" --coap "$ECHO_COAP" --coaps "$ECHO_COAPS" \
		--control "$CONTROL" --key "$ECHO_KEY" --derive --cid "$cid"
	echo=$pid
}
