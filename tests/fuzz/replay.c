/* A main() for fuzz targets that runs files instead of inventing them, one after the other. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static int replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (f == NULL || fseek(f, 0, SEEK_END) != 0)
		return -1;
	size_t n = (size_t)ftell(f);
	rewind(f);
	/* Exactly as large as the input, so that the sanitizer sees the first byte too many. */
	uint8_t *bytes = malloc(n > 0 ? n : 1);
	if (bytes == NULL || fread(bytes, 1, n, f) != n)
		return -1;
	fclose(f);
	int rc = LLVMFuzzerTestOneInput(bytes, n);
	free(bytes);
	return rc;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++) {
		printf("try %s\n", argv[i]);
		if (replay(argv[i]) != 0)
			return EXIT_FAILURE;
		printf("ok %s\n", argv[i]);
	}
	return EXIT_SUCCESS;
}
