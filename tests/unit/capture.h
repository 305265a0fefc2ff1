/* Reads the captured flows of tests/captures: a comment line that begins with the direction, then
 * the datagram in hex, in order of time. A file that can not be read so aborts the test. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A file that is being read. */
struct capture {
	FILE *file;       /* owned */
	const char *path; /* borrowed */
	int line;         /* number of the line read last */
};

/* One datagram of it. */
struct captured {
	char direction[32]; /* as written: "C>S", "S>C", "C(port B)>S" */
	bool up;            /* from the client side */
	char comment[256];  /* what follows the direction */
	uint8_t bytes[2048];
	size_t n; /* bytes of the datagram */
	int line; /* where its hex stands */
};

/* Opens the file, by a path from the top folder; the path must outlive the reading. */
void capture_open(struct capture *c, const char *path);
/* The next datagram; false behind the last. */
bool capture_next(struct capture *c, struct captured *datagram);
void capture_close(struct capture *c);

/* The files that hold CoAP, ended by NULL; dtls12-psk-ccm8.hex holds DTLS records. */
extern const char *const capture_coap_files[];
#define CAPTURE_DTLS "tests/captures/dtls12-psk-ccm8.hex"
