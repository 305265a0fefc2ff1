/* Loads a configuration: prints it canonically, faults on stderr. Stands in for `lwgate check`.
 * usage: conf-check FILE; exit 0, or 1 for an error. */
#include "conf/conf.h"
#include <stdlib.h>

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: conf-check FILE\n");
		return 2;
	}
	struct conf_faults faults;
	struct conf *conf = conf_load(argv[1], &faults);
	for (size_t i = 0; i < faults.count; i++) {
		char text[1024];
		conf_fault_print(&faults.list[i], text, sizeof(text));
		fprintf(stderr, "%s\n", text);
	}
	int rc = conf != NULL ? conf_print(conf, stdout) : -1;
	conf_faults_free(&faults);
	conf_free(conf);
	return rc == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
