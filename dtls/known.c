/* What a caller may ask about a session. */
#include "dtls/session_int.h"

enum dtls_state dtls_state(const struct dtls_session *s)
{
	return s->state;
}

unsigned dtls_unanswered(const struct dtls_session *s)
{
	return s->aid != NULL ? s->aid->unanswered : 0;
}

enum dtls_version dtls_version_of(const struct dtls_session *s)
{
	return s->rules.v13 ? DTLS_1_3 : DTLS_1_2;
}

const char *dtls_suite(const struct dtls_session *s)
{
	if (s->state != DTLS_UP)
		return "";
	return s->aid != NULL ? wolf_suite(s->aid->wolf) : s->suite;
}

int dtls_peer_cid(const struct dtls_session *s)
{
	if (s->state != DTLS_UP)
		return -1;
	if (s->aid != NULL)
		return wolf_peer_cid(s->aid->wolf);
	return s->record.peer_cid_n > 0 ? s->record.peer_cid_n : -1;
}

struct slice dtls_identity(const struct dtls_session *s)
{
	return wolf_identity(s->known);
}

enum dtls_security dtls_security_of(const struct dtls_session *s)
{
	return wolf_security(s->known);
}

struct slice dtls_public_key(const struct dtls_session *s)
{
	return wolf_public_key(s->known);
}

bool dtls_peer_name(const struct dtls_session *s, size_t i, struct slice *name)
{
	return wolf_peer_name(s->known, i, name);
}

enum dtls_fault dtls_why(const struct dtls_session *s)
{
	return s->state == DTLS_DEAD ? wolf_why(s->known) : DTLS_FAULT_NONE;
}

bool dtls_has_own_cid(const struct dtls_session *s)
{
	return s->state == DTLS_UP && s->rules.cid_only;
}

bool dtls_was_newest(const struct dtls_session *s)
{
	return s->newest;
}

uint64_t dtls_dropped(const struct dtls_session *s, enum dtls_drop why)
{
	return s->dropped[why];
}

int dtls_alert(const struct dtls_session *s)
{
	return s->alert;
}

void dtls_prefetch(const struct dtls_session *s)
{
	__builtin_prefetch(s, 1);
	__builtin_prefetch(&s->record.top, 1);
	__builtin_prefetch(&s->record.next, 1);
}
