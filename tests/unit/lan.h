/* The gateway's side of the LAN for tests: a listener, the sessions that came of it, and who is who,
 * as the room asks its caller to do it. The sessions have identity "meter17", or what is set. */
#pragma once
#include "dtls/dtls.h"

#define LAN_SESSIONS 64
#define LAN_CID      8

/* A device's address and the way back to it. */
struct lan_peer {
	struct slice address;
	void (*send)(void *who, const uint8_t *datagram, size_t n);
	void *who;
};

struct lan_session {
	struct dtls_session *s;              /* NULL: dead and freed */
	const struct lan_peer *peer;         /* where it lives; follows authentic newest records */
	uint8_t cid[LAN_CID];                /* ours */
	unsigned events[DTLS_TIMED_OUT + 1]; /* how many of each it told */
	unsigned got;                        /* messages of application data */
	size_t last_n;
	uint8_t last[17000];
	int alert;               /* when it died */
	enum dtls_fault why;     /* when it died */
	uint8_t name[129];       /* identity, when it died or came up */
	struct mono up;          /* when it came up */
	struct mono ended;       /* when it died */
	uint64_t header, record; /* what it dropped, when it died */
};

struct lan {
	struct dtls_listener *listener;
	struct dtls_psk psk;    /* the one that is known; set anew at will */
	struct slice known_key; /* the raw one, where find_key is lan_knows */
	unsigned asked;         /* how often for a raw key */
	bool cid;
	unsigned deadline_ms;
	unsigned born;    /* sessions ever */
	uint8_t next_cid; /* first byte of the next session's id */
	struct lan_session session[LAN_SESSIONS];
};

/* What listeners speak: a fixture may set it. */
extern enum dtls_version lan_version;
/* Makes a listener that knows "meter17". End with lan_end, before its peers end. */
struct lan *lan_begin(bool cid);
/* The same, with the pair, CAs, keys and clock of another spec; psk_who is the lan. */
struct lan *lan_begin_with(const struct dtls_listener_spec *certs);
void lan_end(struct lan *l);
/* Takes a datagram from a peer, which must live on, and does all that follows. */
void lan_feed(struct lan *l, const struct lan_peer *peer, const uint8_t *datagram, size_t n,
	struct mono now);
struct mono lan_deadline(const struct lan *l);
void lan_tick(struct lan *l, struct mono now);
/* Sessions that live now. */
/* A find_key that knows the lan's known_key. */
bool lan_knows(void *lan, struct slice spki);
unsigned lan_living(const struct lan *l);
