/* Reads what tests/lib/pki made; it lies beside the running program. */
#include "pki.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/bug.h"
#include "dtls/dtls.h"

#define FILES    80
#define FILE_MAX 8192

static struct {
	char name[64];
	size_t n;
	uint8_t bytes[FILE_MAX];
} files[FILES];

int64_t pki_now = PKI_NOW;

int64_t pki_wall(void)
{
	return pki_now;
}

static FILE *open_beside(const char *name)
{
	char path[4096] = "";
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	BUG_UNLESS(n > 0);
	path[n] = '\0';
	char *slash = strrchr(path, '/');
	BUG_UNLESS(slash != NULL);
	snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "pki/%s", name);
	return fopen(path, "rb");
}

struct slice pki(const char *name)
{
	unsigned i = 0;
	while (i < FILES && files[i].name[0] != '\0' && strcmp(files[i].name, name) != 0)
		i++;
	BUG_UNLESS(i < FILES && strlen(name) < sizeof(files[i].name));
	if (files[i].name[0] == '\0') {
		FILE *f = open_beside(name);
		BUG_UNLESS(f != NULL);
		files[i].n = fread(files[i].bytes, 1, FILE_MAX, f);
		BUG_UNLESS(files[i].n > 0 && files[i].n < FILE_MAX);
		fclose(f);
		memcpy(files[i].name, name, strlen(name));
	}
	return (struct slice){ files[i].bytes, files[i].n };
}

struct slice pki_spki(const char *name)
{
	static uint8_t room[16][DTLS_SPKI_MAX];
	static unsigned used;
	size_t n;
	uint8_t *out = room[used++ % 16];
	BUG_UNLESS(dtls_public_key_read(pki(name), out, &n) == 0);
	return (struct slice){ out, n };
}
