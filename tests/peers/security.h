/* What a peer shows of itself, and whom it trusts: a key that both know, certificates, or raw
 * public keys. libcoap knows the last in its GnuTLS build only. */
#pragma once
#include <getopt.h>
#include "tests/peers/peer.h"

/* Names of a certificate, as text. */
struct names {
	char cn[EP_MAX];  /* the subject's common name, or empty */
	char san[EP_MAX]; /* the first URI of the subject's alternative names, or empty */
};

/* Credentials of a peer; the texts are owned by nobody, as those of the command line. */
struct security {
	const char *identity;            /* PSK identity of a device; NULL for none */
	uint8_t key[64];                 /* its key */
	size_t key_len;                  /* bytes */
	const char *cert;                /* PEM file; NULL for none */
	const char *private_key;         /* PEM file of its key */
	const char *ca;                  /* PEM file of whom to trust */
	const char *rpk;                 /* PEM file of a raw key pair; NULL for none */
	const char *peer_name;           /* name wanted in the other's certificate; NULL for any */
	const char *peer_key;            /* PEM file with the only public key to trust */
	coap_dtls_cn_callback_t on_peer; /* judges the other end; NULL: by peer_name and peer_key */
};

/* Lines of an option table, and what security_option() knows them by. */
#define SECURITY_OPTIONS                                     \
	{ "cert", required_argument, NULL, 0x100 },          \
		{ "key", required_argument, NULL, 0x101 },   \
		{ "ca", required_argument, NULL, 0x102 },    \
		{ "rpk", required_argument, NULL, 0x103 },   \
		{ "server-name", required_argument, NULL, 0x104 }, \
	{                                                    \
		"server-key", required_argument, NULL, 0x105 \
	}

/* Takes the option c with the value optarg; false when it is none of those. */
bool security_option(struct security *s, int c);
/* Takes IDENTITY:HEXKEY; ends the program when it is none. */
void security_psk(struct security *s, const char *text);
/* True when there is a certificate or a raw key. */
bool security_has_keys(const struct security *s);
/* Lets libcoap serve with certificate or raw key; ends the program when it can not. */
void security_serve(const struct security *s, coap_context_t *ctx);
/* A session as a client with what there is, over DTLS; NULL when that fails. */
coap_session_t *security_connect(const struct security *s, coap_context_t *ctx,
	const coap_address_t *local, const coap_address_t *server);

/* The names in a certificate in DER. */
void names_get(const uint8_t *der, size_t n, struct names *names);
/* Reads the public key of a PEM file as DER; ends the program when there is none. */
void public_key_read(const char *path, struct body *der);
