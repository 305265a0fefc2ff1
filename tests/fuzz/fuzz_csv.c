/* Any bytes as an endpoints_file: taken whole, or refused with a fault, within its bytes. */
#include <stdint.h>
#include "conf/conf_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char uci[] = "config gateway 'main'\n"
		"\toption endpoints_file 'e.csv'\n"
		"\toption max_endpoints '60000'\n"
		"config server 's'\n\toption uri 'coaps://h'\n"
		"config server 'n'\n\toption uri 'coap://h'\n"
		"config server 'r'\n\toption uri 'coaps://r'\n"
		"config listen 'o'\n\toption coap '0'\n\toption coaps '7000'\n"
		"config listen 'l'\n\toption coaps '0'\n\toption server 'n'\n";
	const struct text csv = { .bytes = (char *)(uintptr_t)data, .n = size };
	struct conf_faults faults;
	struct conf *conf = conf_load_text("/x/fuzz", uci, sizeof(uci) - 1, &csv, 0, &faults);
	BUG_UNLESS((conf == NULL) == (faults.errors != 0));
	for (size_t i = 0; conf != NULL && i < conf->endpoint_count; i++)
		BUG_UNLESS(conf->endpoint[i].name[0] != '\0' && conf->endpoint[i].key.n <= 64);
	conf_free(conf);
	conf_faults_free(&faults);
	return 0;
}
