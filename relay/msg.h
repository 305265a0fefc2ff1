/* A peek into a CoAP message, in place: nothing is copied and nothing allocated (RFC 7252 3).
 * It accepts and refuses what libcoap's parser accepts and refuses; a test holds it to that. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "lwm2m/reg.h"

/* RFC 7252 3: type of a message. Reset is written out, since sys/socket.h has an MSG_RST. */
enum msg_type { MSG_CON = 0, MSG_NON = 1, MSG_ACK = 2, MSG_RESET = 3 };

/* Codes as they stand on the wire: class << 5 | detail. */
#define MSG_CODE(class, detail) ((uint8_t)((class) << 5 | (detail)))
#define MSG_EMPTY               MSG_CODE(0, 0)
#define MSG_GET                 MSG_CODE(0, 1)
#define MSG_POST                MSG_CODE(0, 2)
#define MSG_PUT                 MSG_CODE(0, 3)
#define MSG_DELETE              MSG_CODE(0, 4)

/* Option numbers that the relay looks at (RFC 7252 5.10). */
#define MSG_OPT_LOCATION_PATH 8
#define MSG_OPT_URI_PATH      11
#define MSG_OPT_MAX_AGE       14
#define MSG_OPT_URI_QUERY     15

/* Why a message is no CoAP. */
enum msg_fault {
	MSG_OK,
	MSG_SHORT,     /* fewer than four bytes, or the token runs over the end */
	MSG_VERSION,   /* not version 1 */
	MSG_TOKEN,     /* token length above 8 */
	MSG_NOT_EMPTY, /* code 0.00 with something behind the header, or a token length */
	MSG_OPTION,    /* an option over the end, reserved, above 65535, or of a wrong length */
	MSG_PAYLOAD    /* a payload marker with nothing behind it */
};

/* A message in slices, borrowed from the datagram. */
struct msg {
	enum msg_type type;   /* CON, NON, ACK or RST */
	uint8_t code;         /* class << 5 | detail */
	uint16_t mid;         /* message id, host order */
	struct slice token;   /* 0..8 bytes */
	struct slice options; /* all options, undecoded */
	struct slice payload; /* behind the marker */
};

/* Looks at the whole message, options included; on a fault *m is not to be used. The rules stand on
 * top of msg.c. */
enum msg_fault msg_peek(struct msg *m, const uint8_t *datagram, size_t n) MUST_CHECK;

/* A request has class 0 and is not empty; a response has class 2 to 5 (RFC 7252 12.1). Messages of
 * the reserved classes 1, 6 and 7 are neither. */
static inline bool msg_is_request(const struct msg *m)
{
	return m->code != MSG_EMPTY && m->code >> 5 == 0;
}
/* See msg_is_request. */
static inline bool msg_is_response(const struct msg *m)
{
	return m->code >> 5 >= 2 && m->code >> 5 <= 5;
}

/* One option. */
struct msg_option {
	uint16_t number;    /* RFC 7252 12.2 */
	struct slice value; /* borrowed from the datagram */
};
/* A walk through the options of a message that msg_peek accepted. */
struct msg_options {
	struct cursor at; /* what is left to read */
	uint32_t number;  /* of the last one */
};
/* Begins before the first option. */
struct msg_options msg_options(const struct msg *m);
/* The next option; false behind the last. */
bool msg_next(struct msg_options *o, struct msg_option *option);

/* Collects the path and the query of a request for the registration interface. */
void msg_request(const struct msg *m, struct reg_request *request);
/* Writes the Location-Path of a response as reg_path does, "/rd/0", with its end; false when there
 * is none, or reg_path refuses it. */
bool msg_location(const struct msg *m, char *text, size_t size);

/* Most bytes of an answer that msg_answer writes. */
#define MSG_ANSWER_MAX 20
/* Writes an empty ACK or RST to the message with this id; returns its length, 4. */
size_t msg_empty(uint8_t bytes[MSG_ANSWER_MAX], enum msg_type type, uint16_t mid);
/* Writes an answer without payload (piggybacked ACK for a CON, NON for anything else) with message
 * id and token of the request and, when max_age_s is not negative, a Max-Age option (RFC 7252
 * 5.10.5). Returns its length. */
size_t msg_answer(uint8_t bytes[MSG_ANSWER_MAX], const struct msg *to, uint8_t code, int max_age_s);
/* Prints "2.05" and the like into text, and returns it. */
const char *msg_code_print(uint8_t code, char text[8]);
