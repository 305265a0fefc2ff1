#!/bin/bash
# Claim: whoever has no flow gets what rules 1 to 3 say and no more: a ping its RST, a Register
# without a name 4.00, of nobody configured 4.03, other requests 4.04 at most ten a second, an
# Update of an unknown Location nothing; nothing of it reaches the server. A listener that accepts
# unknown endpoints carries them to a plain server.
#   dev (rawudp) ---- gw (relay) ---- srv (lwm2m-server, NoSec)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/life.sh"
set -u

# asked REQUEST.. -- ANSWER..: the relay answers a stranger's message like this.
asked() {
	local request=()
	while [ "$1" != -- ]; do
		request+=("$1")
		shift
	done
	mark stranger
	says stranger "${request[@]}"
	hears stranger "${@:2}"
}

# A ping that is answered shows that what was sent before it was not.
silent() {
	mark stranger
	tell stranger "$1"
	says stranger con 0.00 9999 -
	hears stranger rst 0.00 9999 -
	same "$(count stranger "^$GATEWAY")" 1 "datagrams in answer to $1 and a ping"
}

# nothing MESSAGE..: gets no answer.
nothing() { silent "$(coap "$@")"; }

refusals() {
	asked con 0.00 7 - -- rst 0.00 7 -
	asked con 0.02 8 abcd '/rd?lt=60' -- ack 4.00 8 abcd
	asked con 0.02 9 ab '/rd?ep=nobody' -- ack 4.03 9 ab
	asked con 0.02 10 - '/bs?ep=nobody' -- ack 4.03 10 -
	asked con 0.02 11 01 '/bs?ep=one' -- ack 4.04 11 01
	asked con 0.01 12 0102030405060708 /3/0/0 -- ack 4.04 12 0102030405060708
	nothing con 0.02 13 aa '/rd/5?lt=9'
	nothing con 0.04 14 aa /rd/5
	nothing con 0.02 15 aa /rd/5/6
	nothing non 0.01 16 aa /3/0/0
	nothing non 0.02 17 aa '/rd?ep=nobody'
	nothing ack 2.05 18 aa
	nothing con 2.05 19 aa
	nothing ack 0.00 20 -
	nothing rst 0.00 21 -
	silent 00
	silent 400100
	silent 4f010001
	silent 16fefd0000000000000000
	same "$(drops stranger_location)" 3 'Updates of unknown Locations'
	same "$(drops no_route)" 3 'Registers of nobody'
	same "$(drops lan_dtls)" 1 'DTLS records to a plain listener'
	same "$(drops coap_token)" 1 'broken token lengths'
}

# 200 requests at once get as many answers as the limit lets through in that time.
rate() {
	local i answers before

	before=$(drops stranger_request)
	mark stranger
	for i in $(seq 200); do says stranger con 0.01 $((1000 + i)) aa /x; done
	says stranger con 0.00 9998 -
	hears stranger rst 0.00 9998 -
	same $(($(drops stranger_request) - before)) 200 'requests that came'
	answers=$(count stranger "^$GATEWAY:5683 6184")
	if [ "$answers" -lt 1 ] || [ "$answers" -gt 40 ]; then
		fail "$answers answers to 200 requests of a stranger"
	fi
	[ "$(counted answers_withheld)" -ge 160 ] || fail 'answers that were kept back are not counted'
	echo "     $answers of 200 requests were answered 4.04"
}

accept() {
	cloud coap://$SERVER unknown_endpoints accept
	relay_start
	asked con 0.02 30 ab '/rd?ep=guest&lt=60&lwm2m=1.1&b=U' '</1>' -- ack 2.01 30 ab
	want server '^registered guest /rd/'
	same "$(route guest dynamic)" true 'the row of a guest is dynamic'
	same "$(route guest live)" true 'the row of a guest is live'
}

netns_begin strangers
netns_three
server_start server notls
cloud coap://$SERVER
section endpoint - name one server cloud
relay_start
raw stranger 192.0.2.11:40001
refusals
rate
absent server '^(registered|refused|updated)' || fail "the server heard of a stranger: $SEEN"
same "$(lwgate --json routes | tr -d ' \n')" '{"routes":[]}' 'rows after strangers'
relay_stop
accept
relay_stop
pass
