/* A virtual wire with a virtual clock between a client session and a test server, or our own. What happens to
 * the k-th datagram, counted from the first of either side, is decided beforehand. */
#pragma once
#include "dtls/dtls.h"
#include "lan.h"
#include "wolf_peer.h"

/* One way over the wire, ms. */
#define WIRE_MS         10
#define WIRE_PACKETS    128
#define WIRE_PACKET_MAX 17000
#define WIRE_FATES      64

enum wire_fate {
	WIRE_PASS,
	WIRE_LOSE,
	WIRE_TWICE, /* the copy comes right behind */
	WIRE_SWAP,  /* WIRE_SWAP_MS later: behind what is sent next */
	WIRE_LATE   /* WIRE_LATE_MS later than it should: after the other end repeated itself */
};
#define WIRE_SWAP_MS 5
#define WIRE_LATE_MS 1500

enum wire_way { WIRE_UP, WIRE_DOWN };

struct wire_packet {
	struct mono due; /* MONO_NEVER: gone, or not yet sent */
	enum wire_way way;
	size_t n;
	uint8_t bytes[WIRE_PACKET_MAX];
};

/* What both ends speak where a test does not say. */
extern enum dtls_version wire_version;
/* A fixture: it is DTLS 1.3. */
void wire_speak_13(void);

struct wire {
	struct mono now;
	struct dtls_profile *profile;
	struct dtls_session *client;
	struct wolf_peer *server; /* NULL: nobody is there, or a lan */
	struct lan *lan;          /* our own server, or NULL; the test's */
	struct lan_peer address;  /* ours, towards it */
	enum wire_fate fate[WIRE_FATES];
	unsigned sent;                           /* datagrams, both ways */
	unsigned sent_way[2];                    /* of them, each way */
	struct wire_packet packet[WIRE_PACKETS]; /* all that ever left, for inspection too */
	unsigned events[DTLS_TIMED_OUT + 1];     /* how many of each the client told */
	struct mono established;
	unsigned client_got, server_got; /* messages of application data */
	size_t client_last_n, server_last_n;
	uint8_t client_last[WIRE_PACKET_MAX], server_last[WIRE_PACKET_MAX];
};

/* What a test wants of both ends; the rest is the same for all. */
struct wire_spec {
	bool old_client, old_server;                      /* DTLS 1.2 whatever wire_version says */
	bool no_dhe;          /* DTLS 1.3: the key alone */
	bool cid;             /* offered */
	bool server_cid;      /* accepted */
	struct slice own_cid; /* the server's */
	const char *suites;   /* the server's, or NULL for CCM-8, and GCM in DTLS 1.3 */
	const char *server_name;
	struct slice identity, key;               /* the client's; empty: the usual */
	struct slice server_identity, server_key; /* the server's; empty: as the client's */
	unsigned deadline_ms;                     /* 0: a minute */
	struct dtls_profile_spec profile; /* the client's: security and what belongs to it */
	struct dtls_pair pair;            /* the client's */
	struct wolf_peer_spec far;        /* the server's: certificate and key */
	bool no_server;
	struct lan *lan;      /* our own server in place of the other; ends before the wire does */
	struct slice address; /* the client's, towards it; empty: the usual */
	enum wire_fate fate[WIRE_FATES]; /* of the k-th datagram */
};

/* Builds both ends and lets the client speak. Free with wire_end. */
struct wire *wire_begin(const struct wire_spec *spec);
void wire_end(struct wire *w);
/* Lets time pass until nothing is on the wire and nothing is due, or until then. */
void wire_run(struct wire *w, struct mono until);
/* Runs to the end of the handshake, well or ill. */
void wire_shake(struct wire *w);
/* Gives the client a datagram and lets it read all. Returns its last event that was one. */
enum dtls_event wire_feed(struct wire *w, const uint8_t *datagram, size_t n);
/* Lets the server protect n bytes and keeps the datagram from the wire: it lies in the packet that
 * is returned. */
struct wire_packet *wire_capture(struct wire *w, const uint8_t *bytes, size_t n);
/* Number of events that end a session. */
unsigned wire_endings(const struct wire *w);
