/* A whole trunk on the network in memory, with devices on one side and servers on the other. Messages
 * are hex; a server at port 5684 ends DTLS, all others speak plain CoAP.
 *
 *	struct rig *r = rig_create();
 *	rig_endpoint(r, "dev", "cloud");
 *	rig_start(r);
 *	rig_device(r, A, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
 *	rig_expect_server(r, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
 *	rig_server(r, r->port, located(ACK, "2.01", 1, "aa", "rd/0"));
 *	rig_expect_device(r, A, located(ACK, "2.01", 1, "aa", "rd/0"));
 *	rig_free(r);
 */
#pragma once
#include <check.h>
#include "conf/conf.h"
#include "datapath.h"
#include "fake_net.h"
#include "life.h"
#include "wanted.h"

#define RIG_SERVERS 320
#define RIG_LISTENS 4
#define RIG_ENDPOINTS 400
#define RIG_WORKERS 4

/* Devices, and the server "cloud" in its plain and its secure form. */
#define A "192.168.1.10:40000"
#define B "192.168.1.11:40000"
#define A2 "192.168.1.10:40001"
#define V6 "[fd00::10]:40000"
#define CLOUD "198.51.100.1"
#define CLOUD2 "198.51.100.2"
#define SECURE_PORT 5684
#define RIG_SUITES_13 "TLS13-AES128-GCM-SHA256"

/* A DTLS session at a server. */
struct rig_peer;

/* A message that reached a server. */
struct rig_letter {
	struct list node;
	struct addr from, to;
	size_t n;
	uint8_t bytes[];
};

struct rig {
	struct fake_net *net;
	struct loop *loop;
	struct resolver *resolver;
	struct datapath *dp; /* of the only, or the first, worker */
	struct datapath *others[RIG_WORKERS - 1]; /* of the other ones; what they do is in one thread */
	struct crew *crew;   /* where there are several */
	unsigned workers;    /* how many there shall be; 0 is one */
	unsigned changed;  /* calls of datapath's changed */

	/* the configuration: change it, then rig_apply */
	struct conf conf;
	struct conf_server servers[RIG_SERVERS];
	struct conf_listen listens[RIG_LISTENS];
	struct conf_endpoint endpoints[RIG_ENDPOINTS];

	/* the world */
	uint32_t ifindex;         /* by which devices' datagrams come in */
	struct addr called[2];    /* gateway's address that devices call: IPv6, IPv4 */
	bool server_deaf;         /* nothing reaches any server */
	bool server_mute;         /* servers hear, nothing of theirs gets back */
	uint16_t deaf_to_port;    /* servers do not hear this source port; 0: none */
	struct addr deaf_at;      /* nobody hears at this address; any: none */
	bool takes_new;           /* a ClientHello beside a session makes a new one */
	bool cid;                 /* servers ask for a connection id */
	bool v13;                 /* servers, and devices with DTLS, speak 1.3 alone */
	struct slice far_cert;    /* of servers, PEM, or a raw key in DER; empty: pre-shared keys */
	struct slice far_key;     /* PEM */
	bool far_raw;             /* far_cert is a raw key, and devices' are wanted so */
	const char *identity;     /* that servers know */
	struct slice key;
	unsigned hellos;          /* ClientHellos that reached a server */
	unsigned goodbyes;        /* close_notifys that a server got */
	bool tap;                 /* keep the last datagram of a secure server in tapped */
	char tapped[2000];        /* in hex */

	struct list letters;      /* struct rig_letter */
	struct list peers;        /* struct rig_peer */
	uint16_t port;            /* source port of the last letter */
	struct addr from, to;     /* of the last letter */
	struct addr sent_from;    /* of the last datagram to a device */
	uint32_t sent_ifindex;
	bool takes_strays;        /* DTLS: what comes for an address where nobody is, is no fault */
	unsigned strays;          /* such datagrams */
};

/* ---- life ---- */

/* A network, a plain server "cloud" at 198.51.100.1:5683, and a listener "lan" on port 5683. */
struct rig *rig_create(void);
/* Makes the trunk and applies the configuration, which must be taken. */
void rig_start(struct rig *r);
/* Applies the configuration as it is now. */
int rig_apply(struct rig *r) MUST_CHECK;
/* Ends the trunk; no socket may be left. Does nothing twice. */
void rig_stop(struct rig *r);
/* Stops, and frees all; a letter that nobody asked for fails the test, as does a datagram. */
void rig_free(struct rig *r);

/* ---- configuration ---- */

/* One more server, at a host and port; secure at SECURE_PORT. */
struct conf_server *rig_add_server(struct rig *r, const char *name, const char *host, uint16_t port);
struct conf_listen *rig_add_listen(struct rig *r, const char *name, uint16_t port);
/* One more endpoint, to the server of this name or NULL; with identity and key of the rig. */
struct conf_endpoint *rig_endpoint(struct rig *r, const char *name, const char *server);
/* Makes "cloud" a DTLS server. */
void rig_secure(struct rig *r);
/* The server that a section names. */
struct conf_server *rig_conf_server(struct rig *r, const char *name);

/* ---- what happens ---- */

/* Time passes; servers and devices get what is sent meanwhile. */
void rig_advance(struct rig *r, int64_t ms);
/* Serves what is due now. */
void rig_settle(struct rig *r);
/* A device sends; to the gateway's address of its family and port 5683. */
void rig_device(struct rig *r, const char *from, const char *hex);
/* The same, to another port of the gateway. */
void rig_device_at(struct rig *r, const char *from, uint16_t port, const char *hex);
/* Devices call this address from now on. */
void rig_call(struct rig *r, const char *address);
/* Sockets of listeners that intercept are transparent, as lwgate-net makes them; others are not. */
void rig_transparent(struct rig *r);
/* A server answers to the association with this source port, in its DTLS session if there is one. */
void rig_server(struct rig *r, uint16_t port, const char *hex);
/* What reached a server or a device next, in hex; "" when nothing did. */
const char *rig_server_got(struct rig *r);
const char *rig_device_got(struct rig *r, const char *device);
/* Exactly this reaches a server or a device next. */
#define rig_expect_server(r, hex) ck_assert_str_eq(rig_server_got(r), hex)
#define rig_expect_device(r, device, hex) ck_assert_str_eq(rig_device_got(r, device), hex)
/* Nothing is on its way to either side. */
void rig_expect_silence(struct rig *r);

/* Servers lose all sessions in silence. */
void rig_forget(struct rig *r);
/* Servers close all sessions with close_notify. */
void rig_close_sessions(struct rig *r);
/* Sends raw bytes, as hex, from the server to the association with this source port. */
void rig_server_raw(struct rig *r, uint16_t port, const char *hex);
/* True when a server has a session with this source port. */
bool rig_has_session(const struct rig *r, uint16_t port);

/* ---- short ways ---- */

/* Registers an endpoint from an address, and has it answered with the Location; leaves nothing
 * behind. Returns its flow; r->port is its source port. */
struct flow *rig_register(struct rig *r, const char *from, const char *name, const char *location);
/* The i-th worker's datapath. */
struct datapath *rig_worker(const struct rig *r, unsigned i);
/* The flow of an endpoint, whichever worker has it, or NULL. */
struct flow *rig_flow(const struct rig *r, const char *name);
uint64_t rig_drops(const struct rig *r, enum drop why);
uint64_t rig_counts(const struct rig *r, enum count what);
/* Where random tests begin: RIG_SEED of the environment, or a number that is the same each time;
 * printed once. */
unsigned rig_seed(void);
/* An address from text. */
struct addr at(const char *text);

/* ---- messages, as hex in one of a few buffers that are used in turn ---- */

enum { CON, NON, ACK, RST };
/* A message: code as "0.02", token in hex, and "rd/0?ep=x&lt=60" as options, or NULL. */
const char *coap(int type, const char *code, unsigned mid, const char *token, const char *uri);
/* The same with the path as a Location. */
const char *located(int type, const char *code, unsigned mid, const char *token, const char *location);
/* An empty message. */
const char *empty(int type, unsigned mid);
/* A refusal as the relay writes it, with Max-Age unless negative. */
const char *refusal(const char *code, unsigned mid, const char *token, int max_age_s);
