/* A line of text from the generator to the echo server's control port, and one back: what the server is
 * to ask, and what it saw. Both ends are here. */
#pragma once
#include <stddef.h>
#include "base/addr.h"
#include "base/bug.h"

#define CONTROL_ROOM 1024

/* Sends a line and waits for the answer, which must begin with "ok". Leaves with a message when there
 * is none. The answer stands until the next call. */
const char *control_ask(const struct addr *server, const char *format, ...) PRINTF_LIKE(2, 3);
/* The number behind key= in a line; standard when it is not there. */
double control_number(const char *line, const char *key, double standard) MUST_CHECK;
