/* Numbers as people read them. */
#pragma once
#include <stdint.h>

/* Room for any of the texts below. */
#define UNITS_TEXT 32

/* "0 B", "999 B", "12.3 kB", "4.0 GB"; a kB is 1000 bytes. Returns text. */
const char *units_bytes(uint64_t bytes, char text[UNITS_TEXT]);
/* "3s", "2m", "1h", "4d": the largest unit of which there is a whole one; negative ones are "0s". */
const char *units_age(int64_t seconds, char text[UNITS_TEXT]);
