/* What the server does to a device: one operation at a time or many, answers in any order. */
#pragma once
#include "tests/peers/peer.h"

/* Does a command line such as "read EP /3/0/0"; false when it is no operation. */
bool ops_command(char *line);
/* Takes a response or a notification; a token that nobody waits for gets a RST. */
coap_response_t ops_response(coap_session_t *session, const coap_pdu_t *sent,
	const coap_pdu_t *received, const coap_mid_t mid);
/* A request got no answer, or a RST, or could not leave. */
void ops_nack(coap_session_t *session, const coap_pdu_t *sent, const coap_nack_reason_t reason,
	const coap_mid_t mid);
/* Forgets what goes on with an endpoint that registered anew or left. */
void ops_forget(const char *ep);
/* Writes accounts into a device that asked for a bootstrap, and finishes it. */
void ops_bootstrap(const char *ep, coap_session_t *session);
/* Starts what waits and ends what waited too long; gives the time when it is due again, ms. */
int64_t ops_turn(int64_t now_ms);
/* Frees all operations. */
void ops_close(void);
