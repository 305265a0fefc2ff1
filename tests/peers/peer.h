/* What the LwM2M server and the LwM2M device of the tests share: a loop that waits for libcoap,
 * for command lines and for signals, one readable line for each event, and helpers for messages. */
#pragma once
#include <coap3/coap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"

/* Longest command line and longest endpoint name, bytes with the end. */
#define LINE_MAX_BYTES 2048
#define EP_MAX         256
/* Room for a path "/65535/65535/65535", and for a Location. */
#define PATH_MAX_BYTES 64
/* The content formats that are used here. */
#define FORMAT_TEXT       0
#define FORMAT_LINK       40
#define FORMAT_OPAQUE     42
#define FORMAT_SENML_JSON 110

/* ---- the loop ---- */

/* A program that waits. */
struct peer {
	coap_context_t *ctx;                /* owned by the caller */
	void (*on_line)(char *line);        /* a command line came; may be changed by the callee */
	int64_t (*on_turn)(int64_t now_ms); /* each turn; gives when it is due again, ms */
	bool quit;                          /* set to leave the loop */
	bool hup;                           /* a SIGHUP came; the owner clears it */
	int signals;                        /* descriptor of SIGTERM, SIGINT and SIGHUP */
	size_t in_len;                      /* bytes of an unfinished command line */
	bool in_open;                       /* standard input has not ended yet */
	char in[LINE_MAX_BYTES];            /* the unfinished command line */
};

/* Makes libcoap's context with its log on stderr; ends the program when that fails. */
void peer_init(struct peer *p, bool debug);
/* Runs until quit is set, by a command or by SIGTERM or SIGINT. */
void peer_run(struct peer *p);
/* Takes a few turns for at most ms, until done() says so or the time is over. */
void peer_linger(struct peer *p, int64_t ms, bool (*done)(void));
/* Begins the program anew in the same process with its old command line and one more option (NULL
 * for none); nobody at the other ends is told. */
void peer_again(char **argv, const char *option, const char *value) __attribute__((noreturn));
/* Milliseconds on the monotonic clock. */
int64_t peer_now(void);

/* ---- lines ---- */

/* Prints one line on stdout at once. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints why on stderr and ends the program with 2. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Writes bytes as "text", unprintable ones as \xNN, cut to fit; returns out. */
const char *quote(const uint8_t *bytes, size_t n, char *out, size_t cap);
/* The next word of a line, or NULL; *rest is moved behind it. */
char *word(char **rest);
/* Reads a decimal number from 0 to max; false for anything else. */
bool number(const char *text, unsigned long max, unsigned long *value);

/* ---- bytes ---- */

/* Bytes that grow. */
struct body {
	uint8_t *bytes; /* owned; NULL when empty */
	size_t len;     /* bytes in use */
	size_t room;    /* bytes allocated */
};

/* Adds n bytes; ends the program when memory is short. */
void body_add(struct body *b, const uint8_t *bytes, size_t n);
/* Adds formatted text. */
void body_print(struct body *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Frees the bytes. */
void body_clear(struct body *b);
/* A copy of n bytes on the heap; never NULL, also when n is 0. */
uint8_t *bytes_copy(const uint8_t *bytes, size_t n);
/* The CRC-32 of zlib and of Ethernet. */
uint32_t bytes_crc32(const uint8_t *bytes, size_t n);

/* ---- addresses and messages ---- */

/* Reads IP, IP:PORT or [IP]:PORT; ends the program when it is none. */
void address_parse(const char *text, uint16_t default_port, coap_address_t *to);
/* Prints a socket address; returns text. */
const char *address_print(const coap_address_t *from, char text[ADDR_TEXT]);
/* Prints a code as 2.05; returns text. */
const char *code_print(coap_pdu_code_t code, char text[8]);
/* Copies the value of the query name=value; false when there is none or it does not fit. */
bool query_get(const coap_pdu_t *pdu, const char *name, char *value, size_t cap);
/* Copies the path with its leading slash; false when it does not fit. */
bool path_get(const coap_pdu_t *pdu, char *path, size_t cap);
/* Adds an option with a number as its value. */
void pdu_add_uint(coap_pdu_t *pdu, coap_option_num_t option, unsigned value);
/* Adds a path as Uri-Path options. */
void pdu_add_path(coap_pdu_t *pdu, const char *path);
/* Adds name=value as a Uri-Query option; value may be NULL. */
void pdu_add_query(coap_pdu_t *pdu, const char *name, const char *value);
/* The number in an option, or -1 when the option is absent. */
long pdu_get_uint(const coap_pdu_t *pdu, coap_option_num_t option);
