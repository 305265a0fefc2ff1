/* Loading: what arrives in struct conf, files that are odd, memory that runs out. */
#include "check_conf.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/secret.h"

static const struct text nothing = { .n = 0 };

struct conf *load_text(const char *text, struct conf_faults *faults)
{
	return conf_load_text("/x/conf", text, strlen(text), &nothing, 0, faults);
}

struct conf *load_good(const char *text)
{
	struct conf_faults faults;
	char line[512] = "";
	struct conf *conf = load_text(text, &faults);
	for (size_t i = 0; conf == NULL && i < faults.count; i++) {
		conf_fault_print(&faults.list[i], line, sizeof(line));
		fprintf(stderr, "%s\n", line);
	}
	ck_assert_msg(conf != NULL, "refused: %s\n%s", line, text);
	conf_faults_free(&faults);
	return conf;
}

static const char sample[] =
	"config gateway 'main'\n\toption name 'gw'\n\toption log_level 'debug'\n"
	"\toption workers '3'\n"
	"config server 'cloud'\n\toption uri 'coaps://[2001:db8::5]'\n"
	"config server 'plain'\n\toption uri 'coap://lwm2m.example.org:7000/'\n"
	"config listen 'lan'\n\tlist interface 'br-lan'\n\toption address '192.0.2.1 ::1'\n"
	"\toption coaps '0'\n\toption server 'plain'\n\toption unknown_endpoints 'accept'\n"
	"config endpoint\n\toption name 'e'\n\toption server 'cloud'\n\toption identity 'i'\n"
	"\toption key '000102030405060708090a0b0c0d0e0f'\n\toption address '192.0.2.7:5683'\n"
	"config endpoint\n\toption name 'b'\n\toption bootstrap_server 'plain'\n";

START_TEST(everything_arrives)
{
	struct conf *conf = load_good(sample);
	ck_assert_str_eq(conf->gateway.name, "gw");
	ck_assert_int_eq(conf->gateway.log_level, LOG_LEVEL_DEBUG);
	ck_assert_uint_eq(conf->gateway.workers, 3);
	ck_assert_uint_eq(conf->gateway.max_endpoints, 4096);
	ck_assert_uint_eq(conf->gateway.where.line, 1);
	ck_assert_uint_eq(conf->server_count, 2);
	ck_assert_str_eq(conf->server[0].host, "2001:db8::5");
	ck_assert_uint_eq(conf->server[0].port, 5684);
	ck_assert_int_eq(conf->server[0].security, CONF_PSK);
	ck_assert(conf->server[0].cid);
	ck_assert_uint_eq(conf->server[0].handshake_timeout, 60);
	ck_assert_str_eq(conf->server[1].host, "lwm2m.example.org");
	ck_assert_uint_eq(conf->server[1].port, 7000);
	ck_assert_int_eq(conf->server[1].security, CONF_NOSEC);
	const struct conf_listen *lan = &conf->listen[0];
	ck_assert_uint_eq(lan->interface.count, 1);
	ck_assert_uint_eq(lan->address_count, 2);
	ck_assert_uint_eq(lan->coap, 5683);
	ck_assert_uint_eq(lan->coaps, 0);
	ck_assert(lan->coaps_is_set && lan->move);
	ck_assert_ptr_eq(lan->server, &conf->server[1]);
	const struct conf_endpoint *e = conf->endpoint;
	ck_assert_uint_eq(conf->endpoint_count, 2);
	ck_assert_ptr_eq(e[0].server, &conf->server[0]);
	ck_assert_uint_eq(e[0].key.n, 16);
	ck_assert_uint_eq(e[0].key.bytes[15], 15);
	ck_assert(e[0].has_address && !e[1].has_address);
	ck_assert_uint_eq(e[0].address.port, 5683);
	ck_assert_ptr_null(e[1].server);
	ck_assert_ptr_eq(e[1].bootstrap_server, &conf->server[1]);
	ck_assert_str_eq(e[1].where.file, "/x/conf");
	ck_assert_uint_eq(e[1].where.line, 21);
	conf_free(conf);
}
END_TEST

/* Whatever is allowed of memory: a configuration, or a fault that says so, and no leak. */
static void expect_loads_or_says_so(const char *text, const struct text *file)
{
	unsigned given = 0;
	for (size_t limit = 1; limit < 30000; limit += 16) {
		struct conf_faults faults;
		struct conf *conf = conf_load_text("c", text, strlen(text), file, limit, &faults);
		ck_assert((conf != NULL) == (faults.errors == 0));
		given += conf != NULL;
		conf_free(conf);
		conf_faults_free(&faults);
	}
	ck_assert_uint_gt(given, 0);
	ck_assert_uint_eq(secret_held(), 0);
}

START_TEST(memory_may_run_out_anywhere)
{
	static char csv[] = "name,server,identity,key\n"
		"r,cloud,ri,101112131415161718191a1b1c1d1e1f\n";
	const struct text rows = { .bytes = csv, .n = sizeof(csv) - 1 };
	char text[2048];
	snprintf(text, sizeof(text), "%s\nconfig gateway\n\toption endpoints_file 'f'\n",
		strstr(sample, "config server"));
	expect_loads_or_says_so(text, &rows);
}
END_TEST

START_TEST(memory_may_run_out_at_any_file)
{
	static char key[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
	const struct text file = { .bytes = key, .n = sizeof(key) - 1 };
	expect_loads_or_says_so("config server s\n\toption uri coaps://h\n"
		"config listen l\n\toption private_key_file k\nconfig listen o\n\toption coap 0\n"
		"\toption coaps 7000\nconfig endpoint\n\toption name e\n\toption server s\n"
		"\toption identity i\n\toption key 000102030405060708090a0b0c0d0e0f\n"
		"\toption private_key_file k\nconfig endpoint\n\toption name o\n"
		"\toption server s\n\toption mode opaque\n\toption listen o\n", &file);
}
END_TEST

static char path[] = "/tmp/check_conf.XXXXXX";

static void with_file(const char *text)
{
	strcpy(path + strlen(path) - 6, "XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void expect_refused(const char *name, const char *words)
{
	struct conf_faults faults;
	ck_assert_ptr_null(conf_load(name, &faults));
	ck_assert_uint_eq(faults.errors, 1);
	ck_assert_ptr_nonnull(strstr(faults.list[0].text, words));
	ck_assert_str_eq(faults.list[0].where.file, name);
	conf_faults_free(&faults);
}

START_TEST(only_a_readable_regular_file_is_read)
{
	expect_refused("/nonexistent/lwgate", "no such file");
	expect_refused("/tmp", "regular");
	expect_refused("/dev/null", "regular");
	with_file("");
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	expect_refused(path, "regular");
	unlink(path);
}
END_TEST

START_TEST(a_file_beyond_the_limit_is_refused)
{
	with_file("");
	ck_assert_int_eq(truncate(path, (off_t)CONF_FILE_MAX + 1), 0);
	expect_refused(path, "too large");
	unlink(path);
}
END_TEST

START_TEST(the_reader_waits_for_a_writer)
{
	struct text text;
	int ready[2];
	with_file("old");
	ck_assert_int_eq(pipe(ready), 0);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	pid_t reader = fork();
	if (reader == 0) {
		close(fd);
		ck_assert_int_eq(write(ready[1], "x", 1), 1);
		int rc = file_read(path, 100, NULL, &text);
		_exit(rc == 0 && text.n == 8 && memcmp(text.bytes, "new text", 8) == 0 ? 0 : 1);
	}
	char go;
	ck_assert_int_eq(read(ready[0], &go, 1), 1);
	ck_assert_int_eq(pwrite(fd, "new text", 8, 0), 8);
	close(fd); /* the lock goes with it */
	int status;
	ck_assert_int_eq(waitpid(reader, &status, 0), reader);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(ready[0]);
	close(ready[1]);
	unlink(path);
}
END_TEST

START_TEST(keys_never_stand_in_messages)
{
	struct conf_faults faults;
	const char *secret[] = { "deadbeefdeadbeefdeadbeefdeadbee", "deadbeef passphrase deadbeef",
		"deadbeefdeadbeef" };
	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
		char text[512];
		snprintf(text, sizeof(text), "config server s\n\toption uri coaps://h\n"
			"config listen\n\toption coaps 0\nconfig endpoint\n\toption name e\n"
			"\toption server s\n\toption identity i\n\toption key '%s'\n", secret[i]);
		struct conf *conf = load_text(text, &faults);
		ck_assert_uint_gt(faults.count, 0);
		for (size_t k = 0; k < faults.count; k++)
			ck_assert_ptr_null(strstr(faults.list[k].text, "deadbeef"));
		conf_free(conf);
		conf_faults_free(&faults);
	}
}
END_TEST

START_TEST(faults_are_sorted_by_file_and_line)
{
	static char csv[] = "name,server\na,none\n\nb,none\n";
	const struct text rows = { .bytes = csv, .n = sizeof(csv) - 1 };
	const char *text = "config endpoint\n\toption name x\n\toption server none\n"
		"config gateway\n\toption bogus 1\n\toption endpoints_file a\n";
	struct conf_faults faults;
	ck_assert_ptr_null(conf_load_text("z", text, strlen(text), &rows, 0, &faults));
	const struct { const char *file; unsigned line; } expect[] = { { "z", 0 }, { "z", 0 },
		{ "z", 3 }, { "z", 5 }, { "a", 2 }, { "a", 4 } };
	ck_assert_uint_eq(faults.count, 6);
	for (size_t i = 0; i < 6; i++) {
		ck_assert_str_eq(faults.list[i].where.file, expect[i].file);
		ck_assert_uint_eq(faults.list[i].where.line, expect[i].line);
	}
	conf_faults_free(&faults);
	conf_faults_free(&faults); /* twice does no harm */
}
END_TEST

START_TEST(a_fault_prints_its_place)
{
	char text[64];
	struct conf_fault fault = { { "f", 7 }, CONF_WARNING, "odd" };
	ck_assert_int_eq(conf_fault_print(&fault, text, sizeof(text)), 17);
	ck_assert_str_eq(text, "f:7: warning: odd");
	fault = (struct conf_fault){ { "f", 0 }, CONF_ERROR, "bad" };
	conf_fault_print(&fault, text, sizeof(text));
	ck_assert_str_eq(text, "f: bad");
}
END_TEST

START_TEST(the_default_path_is_one_of_two)
{
	const char *name = conf_default_path();
	bool runtime = access("/var/run/uci/lwgate", F_OK) == 0;
	ck_assert_str_eq(name, runtime ? "/var/run/uci/lwgate" : "/etc/config/lwgate");
}
END_TEST

static Suite *conf_suite(void)
{
	Suite *s = suite_create("conf");
	SUITE_TEST(s, everything_arrives);
	SUITE_TEST(s, memory_may_run_out_anywhere);
	SUITE_TEST(s, memory_may_run_out_at_any_file);
	SUITE_TEST(s, only_a_readable_regular_file_is_read);
	SUITE_TEST(s, a_file_beyond_the_limit_is_refused);
	SUITE_TEST(s, the_reader_waits_for_a_writer);
	SUITE_TEST(s, keys_never_stand_in_messages);
	SUITE_TEST(s, faults_are_sorted_by_file_and_line);
	SUITE_TEST(s, a_fault_prints_its_place);
	SUITE_TEST(s, the_default_path_is_one_of_two);
	return s;
}

SUITE_MAIN(conf_suite, conf_uci_suite, conf_parts_suite, conf_print_suite, conf_key_suite,
	conf_blob_suite)
