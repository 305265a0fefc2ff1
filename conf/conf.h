/* The configuration: text of a UCI file in, an immutable struct conf out, or every fault at once.
 * This room calls nobody but base, opens only the files that it is told of, and never logs. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/addr.h"
#include "base/bug.h"
#include "base/log.h"

/* Where something stands, for messages: FILE:LINE. Strings live as long as their struct conf. */
struct conf_where {
	const char *file; /* as it was named */
	unsigned line;    /* first line is 1; 0 means the file as a whole */
};

/* How bad a fault is. An error keeps the configuration from being used, a warning does not. */
enum conf_severity { CONF_ERROR, CONF_WARNING };

/* One thing that is wrong, in words: what it is, and what would be right. */
struct conf_fault {
	struct conf_where where;        /* where it stands */
	enum conf_severity severity;    /* how bad it is */
	const char *text; /* a full message without the place; names section and option */
};

/* All that was wrong, in the order of file and line. Free with conf_faults_free. */
struct conf_faults {
	struct conf_fault *list; /* count of them */
	size_t count;  /* of errors and warnings */
	size_t errors; /* of errors alone */
	void *owned;   /* private */
};

/* A pre-shared key or nothing: n is 0..64 bytes. Never printed whole, wiped by conf_free. */
struct conf_key {
	uint8_t *bytes; /* NULL when n is 0 */
	size_t n;       /* bytes */
};

/* What stands in a file, PEM or DER as it is there, or nothing. It begins as such a thing does; nobody
 * has parsed it yet. Wiped by conf_free. */
struct conf_blob {
	uint8_t *bytes; /* NULL when not given; a zero stands behind them */
	size_t n;       /* bytes, without that zero */
};

enum conf_scheme { CONF_COAP, CONF_COAPS };
enum conf_security { CONF_NOSEC, CONF_PSK, CONF_RPK, CONF_X509 };
enum conf_dtls { CONF_DTLS12, CONF_DTLS13 };
enum conf_foreign { CONF_FOREIGN_REFUSE, CONF_FOREIGN_PASS, CONF_FOREIGN_RELAY };
enum conf_without_relay { CONF_FAIL_OPEN, CONF_FAIL_CLOSED };
enum conf_unknown { CONF_UNKNOWN_REFUSE, CONF_UNKNOWN_ACCEPT };
enum conf_mode { CONF_TRANSPARENT, CONF_OPAQUE, CONF_PROXY };

/* A list of strings. */
struct conf_list {
	const char **item; /* count of them */
	size_t count;      /* strings */
};

/* config gateway. There is always one; without a section it has all defaults. */
struct conf_gateway {
	struct conf_where where;     /* of the section */
	bool enabled;                /* the service starts */
	const char *name;            /* endpoint name of the gateway itself, or NULL */
	enum log_level log_level;    /* least urgent level that is logged */
	unsigned max_endpoints;      /* 1..60000 */
	unsigned workers;            /* 0 is auto */
	uint32_t mark, mark_mask;    /* capture mark */
	const char *endpoints_file;  /* CSV, or NULL */
};

/* config server. */
struct conf_server {
	struct conf_where where;     /* of the section */
	const char *name;            /* section name */
	const char *uri;             /* as written */
	enum conf_scheme scheme;     /* of the uri */
	const char *host;            /* name or address, without brackets */
	uint16_t port;               /* host order */
	enum conf_security security; /* nosec goes with coap only */
	enum conf_dtls dtls;         /* version to speak */
	bool cid;                    /* connection ids, RFC 9146 */
	const char *ca_file;         /* or NULL */
	const char *server_name;     /* in the certificate, and SNI; or NULL: the host */
	const char *server_key_file; /* or NULL */
	struct conf_blob ca;         /* what stands in ca_file: one certificate or more */
	struct conf_blob server_key; /* in server_key_file: a public key or a certificate */
	const char *interface;       /* or NULL */
	unsigned handshake_timeout;  /* s */
	bool assist_update;          /* an Update for the device after a change of our address */
	bool engine;                 /* the proxy engine on loopback */
};

/* config listen. */
struct conf_listen {
	struct conf_where where;     /* of the section */
	const char *name;            /* section name, or libuci's name of an anonymous one */
	struct conf_list interface;  /* empty: every interface */
	struct addr *address;        /* where to listen, port 0; none: every address */
	size_t address_count;        /* addresses */
	uint16_t coap, coaps;        /* host order; 0 is off */
	bool coaps_is_set;           /* coaps was written in the file */
	bool intercept;              /* capture what was meant for the servers */
	enum conf_foreign foreign;   /* captured, but to no server of ours */
	enum conf_without_relay without_relay; /* what is captured while nobody serves */
	const struct conf_server *server; /* of endpoints that no section names, or NULL */
	enum conf_unknown unknown_endpoints; /* endpoints without a section */
	bool move;                   /* NoSec endpoints may change their address */
	enum conf_dtls dtls;         /* version to speak */
	bool cid;                    /* connection ids, RFC 9146 */
	const char *cert_file, *private_key_file, *ca_file; /* or NULL */
	struct conf_blob cert;        /* what stands in cert_file: ours first, then its issuers */
	struct conf_blob private_key; /* in private_key_file; without cert it is a raw key's */
	struct conf_blob ca;          /* in ca_file: one certificate or more */
};

/* config endpoint, or a row of the endpoints_file. */
struct conf_endpoint {
	struct conf_where where;     /* of the section */
	const char *name;            /* endpoint name, ep= */
	const struct conf_server *server;           /* or NULL when it was not given */
	const struct conf_server *bootstrap_server; /* or NULL */
	enum conf_mode mode;         /* where the route points */
	const struct conf_listen *listen; /* whose coaps port is its alone; opaque, or NULL */
	bool has_address;            /* address is set */
	struct addr address;         /* static device; port 0 fits any source port */
	const char *identity;        /* towards the server, or NULL */
	struct conf_key key;         /* from key or key_file */
	const char *cert_file, *private_key_file;   /* or NULL */
	struct conf_blob cert;       /* what stands in cert_file: its own first, then issuers */
	struct conf_blob private_key; /* in private_key_file; towards rpk it is used alone */
	const char *lan_identity;    /* towards the device, or NULL */
	struct conf_key lan_key;     /* from lan_key or lan_key_file */
	const char *lan_public_key_file;            /* or NULL */
	struct conf_blob lan_public_key; /* in it: a public key or a certificate */
	const char *prefix, *type;   /* for the engine, or NULL */
};

/* Everything, immutable once loaded. */
struct conf {
	struct conf_gateway gateway;    /* the one gateway section */
	struct conf_server *server;     /* in the order of the file */
	size_t server_count;            /* servers */
	struct conf_listen *listen;     /* in the order of the file */
	size_t listen_count;            /* listeners */
	struct conf_endpoint *endpoint; /* sections, then rows of the endpoints_file */
	size_t endpoint_count;          /* endpoints */
	void *owned; /* private: the memory behind it all */
};

/* Servers' ports that one listener may capture besides its own; listeners that may capture, and interfaces of
 * one of them. */
#define CONF_CAPTURED_PORTS 30
#define CONF_CAPTURING      8
#define CONF_CAPTURED_LINKS 16

/* A port that a listener captures though it is not its own. */
struct conf_captured {
	uint16_t port;                    /* host order */
	bool is_secure;                   /* DTLS comes there, else plain CoAP */
	const struct conf_server *server; /* the first that has it */
};

/* Lists the servers' ports that an intercepting listener captures besides its own, each once; returns how
 * many. None where it does not intercept. A server on loopback keeps its port for itself. */
size_t conf_captured(const struct conf *conf, const struct conf_listen *listen,
	struct conf_captured list[CONF_CAPTURED_PORTS]);

/* Reads the file, checks it as a whole, and gives a configuration that conf_free ends, or NULL when
 * there is an error. Faults (errors and warnings) go into faults in either case. Memory running out
 * is a fault too. */
struct conf *conf_load(const char *path, struct conf_faults *faults) MUST_CHECK;
/* Wipes the keys and frees all. NULL is allowed. */
void conf_free(struct conf *conf);
/* Frees the faults. */
void conf_faults_free(struct conf_faults *faults);
/* Prints one fault as FILE:LINE: [warning: ]text, without a line end, as snprintf does. */
int conf_fault_print(const struct conf_fault *fault, char *text, size_t size);
/* Prints the configuration in canonical UCI: every option that differs from its default, in the order
 * gateway, servers, listeners, endpoints; rows of the endpoints_file stay in their file. Paths are
 * absolute. The text parses to the same configuration. Keys are printed: it is the owner's file. */
int conf_print(const struct conf *conf, FILE *out) MUST_CHECK;
/* The path that lwgated reads when none was named: /var/run/uci/lwgate where it exists, else
 * /etc/config/lwgate. */
const char *conf_default_path(void);

/* How the text of an option is read. */
enum conf_type {
	CONF_TYPE_BOOL,      /* 1 on true yes enabled, 0 off false no disabled */
	CONF_TYPE_NUMBER,    /* decimal or 0x hex, min to max */
	CONF_TYPE_CHOICE,    /* one of the words of choices */
	CONF_TYPE_TEXT,      /* min to max bytes without control characters */
	CONF_TYPE_PATH,      /* the same; relative to the folder of the file that names it */
	CONF_TYPE_SERVER,    /* the name of a server section */
	CONF_TYPE_LISTEN,    /* the name of a listen section */
	CONF_TYPE_URI,       /* coap:// or coaps://, host, port */
	CONF_TYPE_KEY,       /* min to max bytes in hex */
	CONF_TYPE_ADDRESS,   /* an IP address, with or without a port */
	CONF_TYPE_TEXTS,     /* a list of texts */
	CONF_TYPE_ADDRESSES, /* a list of IP addresses without ports */
};

/* One row of the schema: an option exists only here. */
struct conf_option {
	const char *section;  /* section type */
	const char *name;     /* option name */
	enum conf_type type;  /* how its text is read */
	uint64_t min, max;    /* of a number, or of the bytes of a text or key */
	const char *choices;  /* words, separated by blanks; of a number, the word for 0, or NULL */
	const char *standard; /* the default as it would be written, or NULL for none */
	const char *help;     /* what it is for, as it ends a sentence */
	size_t place, size;   /* private: where its value stands */
};

/* The schema, sorted by section, for messages and the manual. */
const struct conf_option *conf_schema(size_t *count);
/* Describes in words which values the option takes, as snprintf does. */
int conf_option_values(const struct conf_option *option, char *text, size_t size);
