/* Reads files of keys and certificates. */
#include "files.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FILE_MAX 65536

struct slice read_file(const char *path)
{
	if (strcmp(path, "-") == 0)
		return (struct slice){ NULL, 0 };
	uint8_t *bytes = malloc(FILE_MAX);
	FILE *f = fopen(path, "rb");
	if (bytes == NULL || f == NULL) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	size_t n = fread(bytes, 1, FILE_MAX, f);
	fclose(f);
	return (struct slice){ bytes, n };
}

int64_t wall_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec;
}
