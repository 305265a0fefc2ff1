/* Any bytes as a configuration file: the reader stays within them, its export reads back the same,
 * and a configuration that was taken prints to one that is taken again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "conf/uci_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *export_text(const struct uci_doc *doc, size_t *n)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, n);
	BUG_UNLESS(out != NULL);
	uci_export(doc, "x", out);
	fclose(out);
	return text;
}

/* A quote, # or ; in a type does not survive libuci's export. */
static bool is_plain(const struct uci_doc *doc)
{
	for (const struct uci_section *s = doc->first; s != NULL; s = s->next)
		if (strpbrk(s->type, "'\"#;\\") != NULL)
			return false;
	return true;
}

static void check_reader(const char *data, size_t size)
{
	struct uci_doc doc;
	struct uci_doc again;
	size_t n[2];
	uci_read(&doc, data, size, false, 0);
	if (doc.refused == 0 && is_plain(&doc)) {
		char *first = export_text(&doc, &n[0]);
		uci_read(&again, first, n[0], false, 0);
		BUG_UNLESS(again.refused == 0);
		char *second = export_text(&again, &n[1]);
		BUG_UNLESS(n[0] == n[1] && memcmp(first, second, n[0]) == 0);
		uci_fini(&again);
		free(first);
		free(second);
	}
	uci_fini(&doc);
}

static char *print_text(const struct conf *conf, size_t *n)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, n);
	BUG_UNLESS(out != NULL && conf_print(conf, out) == 0);
	fclose(out);
	return text;
}

static void check_print(const struct conf *conf, const struct text *stand_in)
{
	struct conf_faults faults;
	size_t n[2];
	char *first = print_text(conf, &n[0]);
	struct conf *again = conf_load_text("/x/fuzz", first, n[0], stand_in, 0, &faults);
	BUG_UNLESS(again != NULL);
	char *second = print_text(again, &n[1]);
	BUG_UNLESS(n[0] == n[1] && memcmp(first, second, n[0]) == 0);
	conf_free(again);
	conf_faults_free(&faults);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char key[] = "000102030405060708090a0b0c0d0e0f\n";
	static char cert[] = { 0x30, 8, 0x30, 4, (char)0xa0, 2, 5, 0, 5, 0 };
	static char private[] = { 0x30, 3, 2, 1, 0 };
	const struct text others[] = { { .bytes = key, .n = sizeof(key) - 1 },
		{ .bytes = cert, .n = sizeof(cert) }, { .bytes = private, .n = sizeof(private) },
		{ .n = 0 } };
	struct conf_faults faults;
	check_reader((const char *)data, size);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		const struct text *other = &others[i];
		struct conf *conf = conf_load_text("/x/fuzz", (const char *)data, size, other, 0,
			&faults);
		BUG_UNLESS((conf == NULL) == (faults.errors != 0));
		if (conf != NULL)
			check_print(conf, other);
		conf_free(conf);
		conf_faults_free(&faults);
	}
	return 0;
}
