/* Private to conf: what its files share. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "conf/conf.h"

/* Bytes of a configuration file and of an endpoints_file; a longer one is refused. */
#define CONF_FILE_MAX ((size_t)64 * 1024 * 1024)
/* Bytes of a key_file; a longer one is refused. */
#define CONF_KEY_FILE_MAX ((size_t)4096)
/* Endpoints of one configuration; the rest of an endpoints_file is not read. */
#define CONF_ENDPOINTS_MAX 60000
/* Bytes of a pre-shared key, and of one that is long enough not to be guessed. */
#define CONF_KEY_MAX 64
#define CONF_KEY_SAFE 16

/* ---- arena.c ---- */
struct chunk;
struct arena {
	struct chunk *first; /* the newest, or NULL */
	size_t size, limit;  /* bytes taken from the heap; how many it may be, 0 for any number */
	bool failed;         /* memory ran out once; nothing is given out any more */
};
void arena_init(struct arena *arena, size_t limit);
/* Gives n zeroed bytes that live as long as the arena, or NULL and marks it failed. */
void *arena_alloc(struct arena *arena, size_t n) MUST_CHECK;
/* Copies n bytes and adds a zero; "" when memory ran out. */
const char *arena_copy(struct arena *arena, const char *text, size_t n);
/* Prints into the arena; "" when memory ran out. */
const char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *arena_vprintf(struct arena *arena, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
/* Wipes and frees all. */
void arena_fini(struct arena *arena);

/* ---- index.c ---- */
struct index_slot {
	struct slice key; /* borrowed; p is NULL in a free slot */
	uint64_t hash;    /* of the key */
	void *thing;      /* what stands for it */
};
struct index {
	struct hash_key key;     /* of this table */
	struct index_slot *slot; /* size of them */
	size_t size, count;      /* size is 0 or a power of two */
	bool failed;             /* memory ran out: things are missing */
};
void index_init(struct index *index);
void index_fini(struct index *index);
/* The thing that stands under these n bytes already, or the one given, which now does. The bytes
 * are borrowed until index_fini. */
void *index_add(struct index *index, const void *bytes, size_t n, void *thing);
/* The thing under these bytes, or NULL. */
void *index_find(const struct index *index, const void *bytes, size_t n);

/* ---- read.c ---- */
struct text {
	char *bytes;  /* with a zero behind; NULL when there is nothing */
	struct arena *arena; /* whose they are, or NULL: of secret_alloc */
	size_t n;     /* bytes */
	uid_t owner;  /* of the file that was opened, whatever its name leads to by now */
	gid_t group;  /* the same */
	mode_t mode;  /* the same, permissions alone */
};
/* Makes room for n bytes and a zero where the text's arena says; false when memory ran out. */
bool text_room(struct text *text, size_t n);
/* Reads a regular file of at most limit bytes under a shared lock, into the arena unless it is NULL:
 * thousands of small files want no page each. Returns 0, or -errno: -EISDIR for what is no regular
 * file, -EFBIG for a longer one. End with text_wipe. */
int file_read(const char *path, size_t limit, struct arena *arena, struct text *text) MUST_CHECK;
/* Wipes and frees, but for what an arena will wipe. */
void text_wipe(struct text *text);
/* True when the file is neither root's, nor that of the user who runs this or whom lwgated becomes: its
 * owner can change it and its mode at any time. */
bool text_is_foreign(const struct text *text);
/* True when group or others may do anything with the file, but for our own group, which may read. */
bool text_is_open(const struct text *text);

/* ---- fault.c ---- */
struct report {
	struct arena arena;        /* texts and file names */
	struct conf_fault *list;   /* the heap's */
	size_t count, room;        /* faults; faults that fit */
	size_t errors;             /* of them */
	const char *file, *copied; /* the file name of the last fault, and its copy */
	bool failed;               /* memory ran out */
};
void report_init(struct report *report);
/* Adds a fault; the place's file name is copied. */
void report_add(struct report *report, struct conf_where where, enum conf_severity severity,
	const char *fmt, ...) PRINTF_LIKE(4, 5);
void report_vadd(struct report *report, struct conf_where where, enum conf_severity severity,
	const char *fmt, va_list args) PRINTF_LIKE(4, 0);
/* Hands all over, sorted; those of the first file stand first. */
void report_finish(struct report *report, const char *first, struct conf_faults *faults);
/* Room for a value in a message. */
#define SHOWN 72
/* A value as a message may show it: cut, control bytes written out. Never for keys. */
const char *shown(char room[SHOWN], const char *text);

/* ---- schema.c ---- */
/* Every option, in the order of conf_schema; a section's stand together. */
enum option_id {
	GATEWAY_ENABLED, GATEWAY_NAME, GATEWAY_LOG_LEVEL, GATEWAY_MAX_ENDPOINTS, GATEWAY_WORKERS,
	GATEWAY_MARK, GATEWAY_MARK_MASK, GATEWAY_ENDPOINTS_FILE,
	SERVER_URI, SERVER_SECURITY, SERVER_DTLS, SERVER_CID, SERVER_CA_FILE, SERVER_SERVER_NAME,
	SERVER_SERVER_KEY_FILE, SERVER_INTERFACE, SERVER_HANDSHAKE_TIMEOUT, SERVER_ASSIST_UPDATE,
	SERVER_ENGINE,
	LISTEN_INTERFACE, LISTEN_ADDRESS, LISTEN_COAP, LISTEN_COAPS, LISTEN_INTERCEPT,
	LISTEN_FOREIGN, LISTEN_WITHOUT_RELAY, LISTEN_SERVER, LISTEN_UNKNOWN_ENDPOINTS, LISTEN_MOVE,
	LISTEN_DTLS, LISTEN_CID, LISTEN_CERT_FILE, LISTEN_PRIVATE_KEY_FILE, LISTEN_CA_FILE,
	ENDPOINT_NAME, ENDPOINT_SERVER, ENDPOINT_BOOTSTRAP_SERVER, ENDPOINT_MODE, ENDPOINT_LISTEN,
	ENDPOINT_ADDRESS, ENDPOINT_IDENTITY, ENDPOINT_KEY, ENDPOINT_KEY_FILE, ENDPOINT_CERT_FILE,
	ENDPOINT_PRIVATE_KEY_FILE, ENDPOINT_LAN_IDENTITY, ENDPOINT_LAN_KEY, ENDPOINT_LAN_KEY_FILE,
	ENDPOINT_LAN_PUBLIC_KEY_FILE, ENDPOINT_PREFIX, ENDPOINT_TYPE,
	OPTION_COUNT
};
/* A kind of section: its options are first to last. */
struct section_kind {
	const char *name;           /* gateway, server, listen, endpoint */
	enum option_id first, last; /* its rows of the schema */
	size_t size;                /* bytes of its struct */
};
enum kind_id { KIND_GATEWAY, KIND_SERVER, KIND_LISTEN, KIND_ENDPOINT, KIND_COUNT };
extern const struct section_kind section_kinds[KIND_COUNT];
/* The row of an option. */
const struct conf_option *schema_row(enum option_id id);
/* The option of that name in a kind of section, or OPTION_COUNT. */
enum option_id schema_find(const struct section_kind *kind, const char *name);
/* Prints what would be right instead of an unknown option's name. */
const char *schema_suggest(struct arena *arena, const struct section_kind *kind, const char *name);
/* The same for an unknown section type. */
const char *schema_suggest_kind(struct arena *arena, const char *name);

/* ---- a section on its way ---- */
/* What the file says for one option. */
struct given {
	const char *text;             /* the value, of a list the first item; NULL when not given */
	const struct uci_value *list; /* the items, or NULL for an `option` */
	unsigned line;                /* where */
	bool wrong;                   /* a fault was reported; its value is not to be used */
};
struct section_in {
	const struct section_kind *kind;
	const char *name;                 /* the section's name in messages, or NULL */
	struct conf_where where;          /* of the section or row */
	const char *dir;                  /* absolute directory of the file, for relative paths */
	struct given given[OPTION_COUNT]; /* only those of the kind are ever looked at */
};
/* Lines of an endpoint's options, for rules between endpoints. */
struct endpoint_lines {
	unsigned bootstrap, listen, identity, key, cert, private_key, lan_identity, lan_key,
		lan_public_key, address, prefix;
};
/* All that loading one configuration needs. */
struct load {
	struct conf *conf;             /* what becomes of it */
	struct arena *arena;           /* its memory */
	struct arena scratch;          /* memory of the loading */
	struct report *report;         /* faults */
	const char *file;              /* the file as named, copied */
	const char *dir;               /* its absolute directory */
	const struct text *stand_in;   /* what every other file holds, or NULL: for tests */
	bool keys_inline;              /* the text at hand holds a key itself */
	bool partial;                  /* text was refused: what is missing may stand there */
	struct index servers;          /* by name */
	struct index listens;          /* by name */
	struct endpoint_lines *lines;  /* beside conf->endpoint */
	size_t room;                   /* endpoints that fit both arrays */
	bool gateway_seen;             /* there is a gateway section, */
	struct section_in gateway;     /* and this is the first one */
	bool unsure;                   /* a server's uri is wrong: its security is not known */
	bool failed;                   /* memory ran out */
};
static inline bool is_given(const struct section_in *in, enum option_id id)
{
	return in->given[id].text != NULL;
}
/* Reports a fault of an option: where it was given, or where the section begins. */
void option_fault(struct load *load, const struct section_in *in, enum option_id id,
	enum conf_severity severity, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Reports a fault of the section as a whole. */
void section_fault(struct load *load, const struct section_in *in, enum conf_severity severity,
	const char *fmt, ...) PRINTF_LIKE(4, 5);

/* ---- value.c ---- */
/* Reads the option's value, or its default, into its place in the section's struct. */
void value_set(struct load *load, struct section_in *in, enum option_id id, void *section);
/* A bool or a choice of the section's struct as a number. */
int value_number(enum option_id id, const void *section);
/* Reads a hex key into the arena; false and a fault where it is none. from names where it stood. */
bool value_key(struct load *load, struct section_in *in, enum option_id id, const char *hex,
	const char *from, struct conf_key *key);
/* Prints the option as UCI lines when it differs from its default. */
void value_print(enum option_id id, const void *section, FILE *out);
/* Reads a server's uri into scheme, host and port; NULL, or what is wrong with it. */
const char *uri_parse(struct arena *arena, const char *text, struct conf_server *server);

/* ---- load.c ---- */
/* conf_load for text that is already there. stand_in, where it is not NULL, is what every other
 * file holds, none being opened; without bytes no other file exists. memory is how many bytes each
 * arena may use, 0 for any number. */
struct conf *conf_load_text(const char *name, const char *text, size_t n,
	const struct text *stand_in, size_t memory, struct conf_faults *faults) MUST_CHECK;
/* Adds an endpoint from a section or row. */
void load_endpoint(struct load *load, struct section_in *in);
/* Reads another file that an option names, as file_read does; reports what went wrong at that option. */
bool load_file(struct load *load, const struct section_in *in, enum option_id id, const char *path,
	size_t limit, struct arena *arena, struct text *text);

/* ---- key.c ---- */
/* Reads the key from the file that the option `file` names, unless `direct` gave it. A file that is
 * open to others is refused. */
void key_load(struct load *load, struct section_in *in, enum option_id direct, enum option_id file,
	struct conf_key *key);
/* False and a fault where others than its owner may do anything with the file of a key, or a stranger
 * owns it. */
bool key_is_private(struct load *load, const struct section_in *in, enum option_id id,
	const char *path, const struct text *text);
/* Warns when the text that was just read holds keys itself and its file is open to others. */
void key_warn_open(struct load *load, const char *file, const struct text *text);

/* ---- pem.c ---- */
/* What stands in a file of certificates or keys, as far as its outside tells. */
struct content {
	unsigned certificates, public_keys, private_keys; /* how many */
	bool encrypted;  /* a private key among them wants a password */
	bool odd_key;    /* a private key among them is of a label that we do not take */
	bool nothing;    /* neither PEM nor DER begins here */
	bool broken;     /* it begins, but is cut short or damaged */
	char label[41];  /* of what is none of the three, or of the odd key; or "" */
};
void content_find(const void *bytes, size_t n, struct content *content);

/* ---- blob.c ---- */
/* Read the files that a section names, once its values are set. */
void blob_load_server(struct load *load, struct section_in *in, struct conf_server *server);
void blob_load_listen(struct load *load, struct section_in *in, struct conf_listen *listen);
void blob_load_endpoint(struct load *load, struct section_in *in, struct conf_endpoint *endpoint);

/* ---- csv.c ---- */
/* Adds the endpoints of an endpoints_file; dir is its directory. The text is written over; a zero
 * stands behind its n bytes. */
void csv_read(struct load *load, const char *file, const char *dir, char *text, size_t n);

/* ---- rules.c ---- */
/* Rules within one section, once its values are set. */
void rules_server(struct load *load, const struct section_in *in, const struct conf_server *server);
void rules_listen(struct load *load, const struct section_in *in, const struct conf_listen *listen);
/* What this version does not do yet. */
void rules_not_yet(struct load *load, const struct section_in *in, const void *section);

/* ---- endpoint.c ---- */
/* The same for an endpoint: what its servers ask of it, and what its mode allows. */
void rules_endpoint(struct load *load, const struct section_in *in,
	const struct conf_endpoint *endpoint);

/* ---- unique.c ---- */
/* Rules between sections, once all are there. */
void rules_between(struct load *load);
/* Checks what intercepting listeners capture. */
void rules_captured(struct load *load);

/* ---- access.c ---- */
/* Whether each endpoint has a listener that it can come in through, and each such listener one who can
 * come. */
void rules_access(struct load *load);
