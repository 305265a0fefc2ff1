/* Prints what conf's UCI reader understood as `uci export` would, or the fault as `uci` words it.
 * usage: uci-export FILE; the package is named as the file, without .uci. Exit 1 for a fault. */
#include "conf/uci_int.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *package_of(char *path)
{
	char *name = strrchr(path, '/');
	name = name != NULL ? name + 1 : path;
	size_t n = strlen(name);
	if (n > 4 && strcmp(name + n - 4, ".uci") == 0)
		name[n - 4] = '\0';
	return name;
}

/* libuci stops at the first thing that it refuses; lost text it does not see. */
static int print(const struct uci_doc *doc, const char *package)
{
	for (const struct uci_fault *f = doc->fault; f != NULL; f = f->next) {
		if (f->lost)
			continue;
		fprintf(stderr, "uci: Parse error (%s) at line %u, byte %zu\n", f->reason,
			f->libuci_line, f->byte);
		return EXIT_FAILURE;
	}
	if (doc->failed) {
		fprintf(stderr, "uci: Out of memory\n");
		return EXIT_FAILURE;
	}
	uci_export(doc, package, stdout);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: uci-export FILE\n");
		return 2;
	}
	struct text text;
	int rc = file_read(argv[1], CONF_FILE_MAX, NULL, &text);
	if (rc != 0) {
		bool absent = rc == -ENOENT || rc == -EISDIR;
		fprintf(stderr, "uci: %s\n", absent ? "Entry not found" : "I/O error");
		return EXIT_FAILURE;
	}
	struct uci_doc doc;
	uci_read(&doc, text.bytes, text.n, false, 0);
	rc = print(&doc, package_of(argv[1]));
	uci_fini(&doc);
	text_wipe(&text);
	return rc;
}
