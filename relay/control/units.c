/* Numbers as people read them. */
#include "units.h"
#include <inttypes.h>
#include <stdio.h>

const char *units_bytes(uint64_t bytes, char text[UNITS_TEXT])
{
	static const char letters[] = "kMGTPE";
	if (bytes < 1000) {
		snprintf(text, UNITS_TEXT, "%" PRIu64 " B", bytes);
		return text;
	}
	uint64_t unit = 1000;
	unsigned i = 0;
	/* From 999.95 on it would be printed as 1000.0. */
	while (i + 1 < sizeof(letters) - 1 && bytes >= unit * 1000 - unit / 20) {
		unit *= 1000;
		i++;
	}
	uint64_t tenths = bytes / (unit / 10) + (bytes % (unit / 10) >= unit / 20);
	snprintf(text, UNITS_TEXT, "%" PRIu64 ".%u %cB", tenths / 10, (unsigned)(tenths % 10),
		letters[i]);
	return text;
}

const char *units_age(int64_t s, char text[UNITS_TEXT])
{
	if (s < 0)
		s = 0;
	if (s < 60)
		snprintf(text, UNITS_TEXT, "%ds", (int)s);
	else if (s < 3600)
		snprintf(text, UNITS_TEXT, "%dm", (int)(s / 60));
	else if (s < 86400)
		snprintf(text, UNITS_TEXT, "%dh", (int)(s / 3600));
	else
		snprintf(text, UNITS_TEXT, "%" PRId64 "d", s / 86400);
	return text;
}
