/* Two ends of a handshake, one of them at least the room's, on a virtual wire whose datagrams a
 * caller may alter as they leave. A wire holds an old conversation between the same addresses beside the one under test. */
#pragma once
#include "dtls/dtls.h"
#include "tests/unit/lan.h"
#include "tests/unit/wolf_peer.h"

/* One way over the wire, ms. */
#define EXCHANGE_MS      10
#define EXCHANGE_PACKETS 256
/* Most bytes of a datagram; longer ones are cut as they leave. */
#define EXCHANGE_MAX 2048

/* Who speaks with whom: the room at one end, the library or the room at the other. */
enum exchange_role {
	EXCHANGE_CLIENT,   /* our client, the library's server */
	EXCHANGE_LISTENER, /* the library's client, our listener */
	EXCHANGE_BOTH,     /* our client, our listener */
	EXCHANGE_ROLES
};

/* How both prove who they are: the room's kinds. */
enum exchange_kind { EXCHANGE_PSK, EXCHANGE_RPK, EXCHANGE_X509, EXCHANGE_KINDS };

enum exchange_way { EXCHANGE_UP, EXCHANGE_DOWN };

/* A datagram that left: kept, so that it may be said again. */
struct exchange_packet {
	struct mono due; /* MONO_NEVER: gone */
	enum exchange_way way;
	size_t n;
	uint8_t bytes[EXCHANGE_MAX];
};

/* One conversation: a client and its server. */
struct talk {
	struct dtls_session *client;   /* the room's, or NULL */
	struct wolf_peer *wolf_client; /* the library's, or NULL */
	struct wolf_peer *wolf_server; /* the library's, or NULL: the listener's sessions */
	unsigned client_got;           /* messages of data */
	unsigned server_got;           /* the same, at the library's server */
	struct mono repeat;            /* when the library's ends repeat their flights */
	int64_t pause;                 /* until the repeat after that, ms */
	bool was_up;                   /* the room's client told that it is up */
	bool is_over;                  /* the room's client told an end */
};

/* What all of a wire is made of. */
struct exchange_spec {
	enum exchange_role role;
	enum exchange_kind kind;
	bool cid;    /* both ends use connection ids where they can */
	bool v13;    /* DTLS 1.3, with a key */
	bool no_dhe; /* then: the client wants the key alone */
	bool old_speaks; /* the old conversation has carried data */
};

struct exchange {
	struct exchange_spec spec;
	struct mono now;
	struct dtls_profile *profile; /* the room's clients', or NULL */
	struct lan *lan;              /* the room's listener, or NULL */
	struct lan_peer address;      /* the clients', towards it */
	struct talk old, fresh;
	struct talk *speaking; /* whose library end hears what comes */
	unsigned sent;         /* datagrams that left */
	struct exchange_packet packet[EXCHANGE_PACKETS];
	/* Alters what leaves, or NULL; calls exchange_put for what shall be on its way. */
	void (*alter)(void *who, enum exchange_way way, const uint8_t *bytes, size_t n);
	void *who;
	size_t question,
		answer; /* bytes of the datagram that the listener takes, and of its answers */
};

/* Makes both ends and lets nobody speak. Free with exchange_free. */
struct exchange *exchange_create(const struct exchange_spec *spec);
void exchange_free(struct exchange *x);
/* Lets a client begin to speak with a server. Free with talk_end. */
void talk_begin(struct exchange *x, struct talk *t);
void talk_end(struct talk *t);
/* Puts a datagram on the wire, late by so many ms. */
void exchange_put(
	struct exchange *x, enum exchange_way way, const uint8_t *bytes, size_t n, int64_t late);
/* Lets so many ms pass. */
void exchange_run(struct exchange *x, int64_t ms);
/* True when the client's end, and the server's, of this conversation is up. */
bool talk_client_is_up(const struct talk *t);
bool talk_server_is_up(const struct exchange *x, const struct talk *t);
/* True when a message passes from the client to the server, and one back. Both must be up. */
bool talk_passes(struct exchange *x, struct talk *t);
