/* Any bytes as a file of certificates or keys: told apart within their bytes, and a configuration that
 * names them holds them unchanged, or is refused with a fault. */
#include <stdint.h>
#include <string.h>
#include "conf/conf_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(const struct conf_blob *blob, const uint8_t *data, size_t size)
{
	BUG_UNLESS(blob->n == size && memcmp(blob->bytes, data, size) == 0);
	BUG_UNLESS(blob->bytes[size] == 0);
}

/* Takes the bytes for what this option names; place is where they are to arrive. */
static bool is_taken(const char *uci, size_t place, const uint8_t *data, size_t size)
{
	const struct text file = { .bytes = (char *)(uintptr_t)data, .n = size };
	struct conf_faults faults;
	struct conf *conf = conf_load_text("/x/fuzz", uci, strlen(uci), &file, 0, &faults);
	BUG_UNLESS((conf == NULL) == (faults.errors != 0));
	if (conf != NULL)
		expect((const void *)((const char *)conf->server + place), data, size);
	conf_free(conf);
	conf_faults_free(&faults);
	return conf != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char ca[] = "config server 's'\n\toption uri 'coaps://h'\n"
		"\toption security 'x509'\n\toption ca_file 'f'\nconfig listen 'l'\n";
	static const char public_key[] = "config server 's'\n\toption uri 'coaps://h'\n"
		"\toption security 'rpk'\n\toption server_key_file 'f'\nconfig listen 'l'\n";
	static const char private_key[] = "config server 's'\n\toption uri 'coap://h'\n"
		"config listen 'l'\n\toption private_key_file 'f'\n";
	const struct text file = { .bytes = (char *)(uintptr_t)data, .n = size };
	struct conf_faults faults;
	struct content content;
	content_find(data, size, &content);
	BUG_UNLESS(memchr(content.label, '\0', sizeof(content.label)) != NULL);
	bool as_ca = is_taken(ca, offsetof(struct conf_server, ca), data, size);
	bool as_public =
		is_taken(public_key, offsetof(struct conf_server, server_key), data, size);
	struct conf *conf = conf_load_text("/x/fuzz", private_key, sizeof(private_key) - 1, &file, 0,
		&faults);
	if (conf != NULL)
		expect(&conf->listen[0].private_key, data, size);
	/* What is taken for a private key is nothing that may be for all to read. */
	BUG_UNLESS(conf == NULL || (!as_ca && !as_public));
	conf_free(conf);
	conf_faults_free(&faults);
	return 0;
}
