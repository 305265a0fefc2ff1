/* What the raw ends of the tests share: datagrams as lines of hex, in and out. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Bytes of the largest datagram. */
#define DATAGRAM 65536

/* One descriptor beside standard input. */
struct lines {
	const char *name; /* the program's, for what it says */
	int fd; /* the socket, or -1 while there is none */
	void (*on_line)(char *line); /* a line came, without its end */
	void (*on_socket)(void); /* the socket has something, or the wait is over */
	int wait_ms; /* the longest wait; 0: as long as nothing comes */
	uint8_t bytes[DATAGRAM]; /* for on_line and on_socket */
	char in[2 * DATAGRAM + 256]; /* an unfinished line */
	size_t in_len; /* its bytes */
};

/* Waits for lines and datagrams until the process is ended. */
void lines_run(struct lines *l) __attribute__((noreturn));
/* Prints the words and the bytes in hex as one line. */
void lines_bytes(const char *words, const uint8_t *bytes, size_t n);
/* Prints why, with errno's text, and ends the program with 2. */
void lines_die(const struct lines *l, const char *what) __attribute__((noreturn));
