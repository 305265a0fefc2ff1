/* Holds the peek against libcoap's parser; for the unit test and the fuzzer. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Where the two may differ, each with its reason in msg_libcoap.c. */
enum msg_exception {
	MSG_EXCEPTION_NONE,
	MSG_EXCEPTION_EMPTY_QUERY, /* we accept, libcoap refuses */
	MSG_EXCEPTION_DELTA_WRAP,  /* we refuse, libcoap accepts */
	MSG_EXCEPTIONS
};

/* How a message fared. */
struct msg_verdict {
	const char *disagreement;     /* what differs, or NULL: agreement or exception */
	enum msg_exception exception; /* the one that was needed */
	int accepted;                 /* by the peek */
};

/* Silences libcoap's log, which speaks of each refusal; once, before the first call. */
void msg_libcoap_init(void);
/* Gives n bytes to both parsers and compares verdict, header, token, each option, payload. */
struct msg_verdict msg_libcoap_compare(const uint8_t *bytes, size_t n);
