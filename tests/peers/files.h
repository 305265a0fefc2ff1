/* Files of keys and certificates for the programs that try the room dtls, and a clock for them. */
#pragma once
#include "base/cursor.h"

/* The bytes of a file, which stay; ends the program where there is none. "-" is an empty one. */
struct slice read_file(const char *path);
/* Seconds since 1970. */
int64_t wall_s(void);
