/* Looks through all memory of a process for a key: its bytes, and its hex text in both cases. The second
 * half of them is enough, since what went back to a heap loses its beginning. A line for each copy:
 * what, where, and whether a core dump would show it.
 * usage: memscan PID HEXKEY; exit 0, or 1 when the memory is not to be had */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/hex.h"

#define KEY_MAX 64
#define BLOCK   ((size_t)1024 * 1024)

/* What is looked for. */
struct needle {
	const char *kind;
	uint8_t bytes[2 * KEY_MAX + 1];
	size_t n;
};

/* A range of pages as smaps tells of it. */
struct area {
	uint64_t from, to;
	char mode[5], name[128];
	bool undumped; /* VmFlags has dd */
};

struct scan {
	int mem;
	struct needle needle[3];
	uint64_t bytes;
	unsigned copies, dumped;
};

static void report(struct scan *s, const struct needle *needle, const struct area *a, uint64_t at)
{
	s->copies++;
	s->dumped += !a->undumped;
	printf("%s at %jx in %s %s\n", needle->kind, (uintmax_t)at, a->undumped ? "undumped" : "dumped",
		a->name[0] != '\0' ? a->name : "anonymous");
}

static void look(struct scan *s, const struct area *a, const uint8_t *block, size_t n, uint64_t at)
{
	for (size_t i = 0; i < sizeof(s->needle) / sizeof(s->needle[0]); i++) {
		const struct needle *needle = &s->needle[i];
		const uint8_t *p = block, *end = block + n;
		while ((p = memmem(p, (size_t)(end - p), needle->bytes, needle->n)) != NULL)
			report(s, needle, a, at + (uint64_t)(p++ - block));
	}
}

/* Blocks overlap by less than a hex text, so that a copy across two is found; bytes in the overlap may
 * be told twice. */
static void scan_area(struct scan *s, const struct area *a)
{
	static uint8_t block[BLOCK + 2 * KEY_MAX];
	for (uint64_t at = a->from; at < a->to; at += BLOCK) {
		size_t want = BLOCK + s->needle[1].n - 1;
		if (want > a->to - at)
			want = (size_t)(a->to - at);
		ssize_t got = pread(s->mem, block, want, (off_t)at);
		if (got <= 0)
			continue; /* a guard page or a device's */
		s->bytes += (uint64_t)got;
		look(s, a, block, (size_t)got, at);
	}
}

static bool is_range(const char *line, struct area *a)
{
	struct area next = { .from = 0 };
	uintmax_t from, to;
	if (sscanf(line, "%jx-%jx %4s %*s %*s %*s %127s", &from, &to, next.mode, next.name) < 3)
		return false;
	next.from = from;
	next.to = to;
	*a = next;
	return true;
}

static void scan_all(struct scan *s, FILE *smaps)
{
	char line[512];
	struct area a = { .from = 0 };
	while (fgets(line, sizeof(line), smaps) != NULL) {
		if (is_range(line, &a) || strncmp(line, "VmFlags:", 8) != 0)
			continue;
		a.undumped = strstr(line, " dd") != NULL;
		if (a.mode[0] == 'r' && strncmp(a.name, "[v", 2) != 0) /* not the kernel's own */
			scan_area(s, &a);
	}
}

static bool set_needles(struct scan *s, const char *hex)
{
	size_t n = strlen(hex) / 4 * 2; /* hex digits of the second half */
	if (n < 16 || n > 2 * KEY_MAX)
		return false;
	const char *half = hex + strlen(hex) - n;
	s->needle[0] = (struct needle){ .kind = "bytes", .n = n / 2 };
	s->needle[1] = (struct needle){ .kind = "text", .n = n };
	s->needle[2] = (struct needle){ .kind = "TEXT", .n = n };
	for (size_t i = 0; i < n; i++) {
		s->needle[1].bytes[i] = (uint8_t)tolower(half[i]);
		s->needle[2].bytes[i] = (uint8_t)toupper(half[i]);
	}
	return hex_decode(half, n, s->needle[0].bytes, KEY_MAX) == (long)(n / 2);
}

int main(int argc, char **argv)
{
	char path[64];
	struct scan s = { .mem = -1 };
	if (argc != 3 || !set_needles(&s, argv[2])) {
		fprintf(stderr, "usage: memscan PID HEXKEY, of 16 to 64 bytes\n");
		return 2;
	}
	snprintf(path, sizeof(path), "/proc/%.20s/mem", argv[1]);
	s.mem = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%.20s/smaps", argv[1]);
	FILE *smaps = s.mem >= 0 ? fopen(path, "r") : NULL;
	if (smaps == NULL) {
		fprintf(stderr, "memscan: %s: %s\n", path, strerror(errno));
		return 1;
	}
	scan_all(&s, smaps);
	fclose(smaps);
	close(s.mem);
	printf("%u copies, %u dumped, in %ju bytes\n", s.copies, s.dumped, (uintmax_t)s.bytes);
	return s.bytes > 0 ? 0 : 1;
}
