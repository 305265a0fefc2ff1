/* The canonical print of random configurations is read back as the same configuration. */
#include "check_conf.h"
#include <string.h>
#include "base/hex.h"
#include "base/rand.h"
#include "conf/uci_int.h"

/* xorshift64: a seed tells the whole run. */
static uint64_t state;

static unsigned any(unsigned below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 11) % below);
}

static const char *pick(const char *words)
{
	static char word[64];
	unsigned count = 1;
	for (const char *c = words; *c != '\0'; c++)
		count += *c == ' ';
	for (unsigned skip = any(count); skip > 0; skip--)
		words = strchr(words, ' ') + 1;
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(words, " "), words);
	return word;
}

/* Text that quoting can get wrong. */
static void put_text(FILE *out, const char *name, unsigned unique, unsigned most)
{
	static const char odd[] = "'\"\\#; a\xc3\xa4$`,=/";
	char text[300];
	unsigned n = (unsigned)snprintf(text, sizeof(text), "%u", unique);
	unsigned more = any(most - 12);
	for (unsigned i = 0; i < more; i++)
		text[n++] = odd[any(sizeof(odd) - 1)];
	text[n] = '\0';
	fprintf(out, "\toption %s ", name);
	uci_quote(text, out);
	fputc('\n', out);
}

static void put_key(FILE *out, const char *name)
{
	uint8_t bytes[64];
	char hex[129];
	unsigned n = 1 + any(64);
	for (unsigned i = 0; i < n; i++)
		bytes[i] = (uint8_t)any(256);
	hex_encode(bytes, n, hex);
	fprintf(out, "\toption %s '%s'\n", name, hex);
}

static const char yes_or_no[] = "0 1 on off true false yes no enabled disabled";

static void put_gateway(FILE *out)
{
	fprintf(out, "config gateway\n\toption enabled %s\n", pick(yes_or_no));
	fprintf(out, "\toption workers %s\n", any(2) ? "auto" : "0x1f");
	fprintf(out, "\toption log_level %s\n", pick("err warn info debug"));
	fprintf(out, "\toption mark_mask 0xff00ff00\n\toption mark 0x%x\n", 1u << (8 + any(8)));
	if (any(2))
		put_text(out, "name", any(9), 255);
}

static void put_server(FILE *out, unsigned i)
{
	fprintf(out, "config server s%u\n\toption uri %s://%s", i, i % 2 ? "coaps" : "coap",
		pick("h 192.0.2.1 [2001:db8::1] a.b.example."));
	fprintf(out, "%s\n", pick(":1 :5683 :65535 /"));
	if (any(2))
		fprintf(out, "\toption security %s\n", i % 2 ? "psk" : "nosec");
	fprintf(out, "\toption cid %s\n", pick(yes_or_no));
	fprintf(out, "\toption handshake_timeout %u\n", 1 + any(600));
	if (any(2))
		put_text(out, "ca_file", 1, 100);
	if (any(2))
		put_text(out, "server_key_file", 1, 100);
	fprintf(out, "\toption dtls %s\n", pick("1.2 1.3"));
	if (any(2))
		put_text(out, "server_name", 1, 253);
	if (any(2))
		fprintf(out, "\toption interface %s\n", pick("wan eth0.2 pppoe-wan"));
}

static void put_listen(FILE *out, unsigned i)
{
	fprintf(out, any(2) ? "config listen l%u\n" : "config listen\n", i);
	fprintf(out, "\toption coap %u\n\toption coaps %u\n", 1000 + i, any(2) * (2000 + i));
	for (unsigned k = any(3); k > 0; k--)
		fprintf(out, "\tlist interface if%u\n", k);
	for (unsigned k = any(3); k > 0; k--)
		fprintf(out, "\tlist address 192.0.2.%u\n", k);
	fprintf(out, "\toption foreign %s\n", pick("refuse pass relay"));
	fprintf(out, "\toption without_relay %s\n", pick("open closed"));
	fprintf(out, "\toption move %s\n", pick(yes_or_no));
	if (any(2))
		fprintf(out, "\toption server s0\n\toption unknown_endpoints %s\n",
			pick("refuse accept"));
}

/* An opaque endpoint, and the listener that may be its own. */
static void put_opaque(FILE *out, unsigned i)
{
	fprintf(out, "config listen own%u\n\toption coap 0\n\toption coaps %u\n", i, 3000 + i);
	fputs("config endpoint\n", out);
	put_text(out, "name", i, 255);
	fputs("\toption server s1\n\toption mode opaque\n", out);
	bool listen = any(2);
	if (listen)
		fprintf(out, "\toption listen own%u\n", i);
	if (!listen || any(2))
		fprintf(out, "\toption address [2001:db8::%x]\n", i + 1);
}

static void put_endpoint(FILE *out, unsigned i, unsigned servers)
{
	fputs("config endpoint\n", out);
	put_text(out, "name", i, 255);
	fprintf(out, "\toption server s%u\n", any(servers));
	if (any(2))
		fprintf(out, "\toption bootstrap_server s%u\n", any(servers));
	put_text(out, "identity", i, 128);
	put_key(out, "key");
	if (any(2)) {
		put_text(out, "lan_identity", i, 128);
		put_key(out, "lan_key");
	}
	if (any(2))
		fprintf(out, "\toption address [2001:db8::%x]%s\n", i + 1, any(2) ? ":5683" : "");
	if (any(2))
		fprintf(out, "\toption prefix p%u\n", i);
	if (any(2))
		put_text(out, "type", i, 255);
}

static char *random_text(void)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	unsigned servers = 1 + any(4);
	if (any(4))
		put_gateway(out);
	for (unsigned i = 0; i < servers; i++)
		put_server(out, i);
	for (unsigned i = 0; i <= any(4); i++)
		put_listen(out, i);
	for (unsigned i = any(10); i > 0; i--)
		if (servers > 1 && any(4) == 0)
			put_opaque(out, i);
		else
			put_endpoint(out, i, servers);
	fclose(out);
	return text;
}

/* Every file holds the outside of a certificate. */
static struct conf *load_with_files(const char *text)
{
	static char cert[] = { 0x30, 8, 0x30, 4, (char)0xa0, 2, 5, 0, 5, 0 };
	const struct text file = { .bytes = cert, .n = sizeof(cert) };
	struct conf_faults faults;
	struct conf *conf = conf_load_text("/x/conf", text, strlen(text), &file, 0, &faults);
	for (size_t i = 0; conf == NULL && i < faults.count; i++)
		if (faults.list[i].severity == CONF_ERROR)
			fprintf(stderr, "%u: %s\n", faults.list[i].where.line, faults.list[i].text);
	ck_assert(conf != NULL);
	conf_faults_free(&faults);
	return conf;
}

static char *print_text(const struct conf *conf)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	ck_assert_int_eq(conf_print(conf, out), 0);
	fclose(out);
	return text;
}

static bool same_string(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Compares one option of two sections of a kind. */
static void expect_same(enum option_id id, const void *a, const void *b)
{
	const struct conf_option *row = schema_row(id);
	const char *pa = (const char *)a + row->place;
	const char *pb = (const char *)b + row->place;
	bool same = true;
	bool text = row->type == CONF_TYPE_TEXT || row->type == CONF_TYPE_PATH;
	if (text || row->type == CONF_TYPE_URI) {
		const char *s[2] = { NULL, NULL };
		memcpy(&s[0], pa, row->size);
		memcpy(&s[1], pb, row->size);
		same = same_string(s[0], s[1]);
	} else if (row->type == CONF_TYPE_KEY) {
		const struct conf_key *k[2] = { (const void *)pa, (const void *)pb };
		same = slice_eq((struct slice){ k[0]->bytes, k[0]->n },
			(struct slice){ k[1]->bytes, k[1]->n });
	} else if (row->type == CONF_TYPE_TEXTS) {
		const struct conf_list *l[2] = { (const void *)pa, (const void *)pb };
		same = l[0]->count == l[1]->count;
		for (size_t i = 0; same && i < l[0]->count; i++)
			same = same_string(l[0]->item[i], l[1]->item[i]);
	} else if (row->type != CONF_TYPE_SERVER && row->type != CONF_TYPE_LISTEN && row->type != CONF_TYPE_ADDRESSES) {
		same = memcmp(pa, pb, row->size) == 0;
	}
	ck_assert_msg(same, "%s %s differs", row->section, row->name);
}

static void expect_same_section(enum kind_id kind, const void *a, const void *b)
{
	for (enum option_id id = section_kinds[kind].first; id <= section_kinds[kind].last; id++)
		expect_same(id, a, b);
}

static void expect_same_server(const struct conf_server *a, const struct conf_server *b)
{
	ck_assert((a == NULL) == (b == NULL));
	ck_assert(a == NULL || same_string(a->name, b->name));
}

static void expect_same_listen(const struct conf_listen *a, const struct conf_listen *b)
{
	expect_same_section(KIND_LISTEN, a, b);
	expect_same_server(a->server, b->server);
	ck_assert_str_eq(a->name, b->name);
	ck_assert(a->coaps_is_set == b->coaps_is_set);
	ck_assert_uint_eq(a->address_count, b->address_count);
	for (size_t i = 0; i < a->address_count; i++)
		ck_assert(addr_eq(&a->address[i], &b->address[i]));
}

static void expect_same_conf(const struct conf *a, const struct conf *b)
{
	expect_same_section(KIND_GATEWAY, &a->gateway, &b->gateway);
	ck_assert_uint_eq(a->server_count, b->server_count);
	ck_assert_uint_eq(a->listen_count, b->listen_count);
	ck_assert_uint_eq(a->endpoint_count, b->endpoint_count);
	for (size_t i = 0; i < a->server_count; i++) {
		expect_same_section(KIND_SERVER, &a->server[i], &b->server[i]);
		ck_assert_str_eq(a->server[i].host, b->server[i].host);
		ck_assert_uint_eq(a->server[i].port, b->server[i].port);
		ck_assert_int_eq(a->server[i].scheme, b->server[i].scheme);
		ck_assert_uint_eq(a->server[i].ca.n, b->server[i].ca.n);
	}
	for (size_t i = 0; i < a->listen_count; i++)
		expect_same_listen(&a->listen[i], &b->listen[i]);
	for (size_t i = 0; i < a->endpoint_count; i++) {
		const struct conf_endpoint *e[2] = { &a->endpoint[i], &b->endpoint[i] };
		expect_same_section(KIND_ENDPOINT, e[0], e[1]);
		expect_same_server(e[0]->server, e[1]->server);
		expect_same_server(e[0]->bootstrap_server, e[1]->bootstrap_server);
		ck_assert(e[0]->has_address == e[1]->has_address);
		ck_assert((e[0]->listen == NULL) == (e[1]->listen == NULL));
		if (e[0]->listen != NULL)
			ck_assert_str_eq(e[0]->listen->name, e[1]->listen->name);
	}
}

static void check_one(void)
{
	char *text = random_text();
	struct conf *conf = load_with_files(text);
	char *printed = print_text(conf);
	struct conf *again = load_with_files(printed);
	char *twice = print_text(again);
	ck_assert_str_eq(printed, twice);
	expect_same_conf(conf, again);
	conf_free(conf);
	conf_free(again);
	free(text);
	free(printed);
	free(twice);
}

START_TEST(random_configurations_survive_print_and_load)
{
	uint64_t seed;
	const char *fixed = getenv("CONF_SEED");
	rand_bytes(&seed, sizeof(seed));
	if (fixed != NULL)
		seed = strtoull(fixed, NULL, 0);
	state = seed | 1;
	printf("random configurations: CONF_SEED=0x%llx\n", (unsigned long long)seed);
	fflush(stdout);
	for (int i = 0; i < 300; i++)
		check_one();
}
END_TEST

Suite *conf_print_suite(void)
{
	Suite *s = suite_create("conf print");
	SUITE_TEST(s, random_configurations_survive_print_and_load);
	return s;
}
