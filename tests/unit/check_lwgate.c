/* The lwgate command: what people read, golden, and its exit statuses. */
#include "suite.h"
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "control/ask.h"
#include "control/command.h"

Suite *lwgate_suite(void);

static char *out_text, *err_text;
static size_t out_n, err_n;
static char dir[64], path[96];

static struct command begin(void)
{
	struct command c = { .socket = path, .file = path };
	c.out = open_memstream(&out_text, &out_n);
	c.err = open_memstream(&err_text, &err_n);
	ck_assert(c.out != NULL && c.err != NULL);
	return c;
}

static void end(struct command *c)
{
	fclose(c->out);
	fclose(c->err);
}

static void forget(void)
{
	free(out_text);
	free(err_text);
	out_text = err_text = NULL;
}

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/lwgate-command-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/it", dir);
}

static void teardown(void)
{
	forget();
	unlink(path);
	rmdir(dir);
}

/* ---- tables ---- */

static void shows(int (*table)(struct json_object *answer, FILE *out), const char *answer,
	const char *wanted)
{
	struct json_object *o = json_tokener_parse(answer);
	char *page = NULL;
	size_t n;
	FILE *out = open_memstream(&page, &n);
	ck_assert(o != NULL && out != NULL);
	ck_assert_int_eq(table(o, out), 0);
	fclose(out);
	ck_assert_str_eq(page, wanted);
	free(page);
	json_object_put(o);
}

START_TEST(test_routes_table)
{
	shows(tables_routes,
		"{\"routes\":[{\"endpoint\":\"urn:imei:490154203237518\",\"device\":\"192.168.1.5:5683\","
		"\"listener\":\"lan\",\"server\":\"cloud\",\"mode\":\"transparent\",\"kind\":\"server\","
		"\"lan_security\":\"nosec\",\"state\":\"up\",\"late\":false,\"suite\":\"TLS_PSK_WITH_AES_128_CCM_8\",\"cid\":8,"
		"\"port\":40001,\"location\":\"/rd/5\",\"lifetime_s\":86400,\"expires_in_s\":5400,"
		"\"up\":{\"messages\":12,\"bytes\":12345,\"last_s\":3},"
		"\"down\":{\"messages\":7,\"bytes\":999,\"last_s\":125},\"waiting\":0,\"drops\":{}},"
		"{\"endpoint\":\"b\\u001b[31m\",\"device\":\"[2001:db8::17]:5683\",\"server\":\"boot\","
		"\"lan_security\":\"away\",\"kind\":\"bootstrap\",\"state\":\"back-off\",\"late\":true,\"suite\":null,\"cid\":null,"
		"\"port\":null,\"location\":null,\"lifetime_s\":null,\"expires_in_s\":null,"
		"\"up\":{\"messages\":1,\"bytes\":20,\"last_s\":61},"
		"\"down\":{\"messages\":0,\"bytes\":0,\"last_s\":null},\"waiting\":2,"
		"\"drops\":{\"held_full\":3,\"wan_record\":1}},"
		"{\"endpoint\":\"o\",\"device\":\"192.168.1.6:5684\",\"server\":\"cloud\","
		"\"lan_security\":\"opaque\",\"kind\":\"server\",\"state\":\"up\",\"late\":false,"
		"\"suite\":null,\"cid\":4,\"port\":40002,\"location\":null,\"lifetime_s\":null,"
		"\"expires_in_s\":null,\"up\":{\"messages\":1,\"bytes\":20,\"last_s\":61},"
		"\"down\":{\"messages\":0,\"bytes\":0,\"last_s\":null},\"waiting\":0,\"drops\":{}}]}",
		"STATE          SUITE          CID   PORT           UP      DOWN   SEEN  LIFE  ENDS  "
		"LOCATION  SERVER     LAN     DEVICE               ENDPOINT\n"
		"up             AES_128_CCM_8    8  40001  12  12.3 kB  7  999 B  3s/2m    1d    1h  "
		"/rd/5     cloud      nosec   192.168.1.5:5683     urn:imei:490154203237518\n"
		"back-off late  -                -      -      1  20 B    0  0 B   1m/-     -     -  "
		"-         boot (bs)  away    [2001:db8::17]:5683  b?[31m\n"
		"    waiting 2; lost: held_full 3, wan_record 1\n"
		"up             -                4  40002      1  20 B    0  0 B   1m/-     -     -  "
		"-         cloud      opaque  192.168.1.6:5684     o\n");
}
END_TEST

START_TEST(test_endpoints_table)
{
	shows(tables_endpoints,
		"{\"endpoints\":[{\"endpoint\":\"meter\",\"server\":\"cloud\",\"kind\":\"server\","
		"\"dynamic\":false,\"address\":\"192.168.1.9\",\"credential\":\"psk\","
		"\"lan_secured\":true,\"port\":40001,\"state\":\"up\"},"
		"{\"endpoint\":\"x\",\"server\":\"cloud\",\"kind\":\"server\",\"dynamic\":true,"
		"\"address\":null,\"credential\":\"none\",\"lan_secured\":false,\"port\":null,"
		"\"state\":\"no flow\"},{\"endpoint\":\"o\",\"server\":\"cloud\",\"dynamic\":false,"
		"\"kind\":\"server\",\"mode\":\"opaque\",\"address\":null,\"credential\":\"none\","
		"\"lan_secured\":true,\"port\":null,\"state\":\"up\"}]}",
		"STATE    KIND     CREDENTIAL  LAN       PORT  ADDRESS      SERVER  ENDPOINT\n"
		"up       server   psk         secured  40001  192.168.1.9  cloud   meter\n"
		"no flow  unknown  none        nosec        -  -            cloud   x\n"
		"up       server   none        opaque       -  -            cloud   o\n");
}
END_TEST

START_TEST(test_status_page)
{
	shows(tables_status,
		"{\"version\":\"0.1.0\",\"uptime_ms\":93784000,\"workers\":1,\"config\":\"/etc/config/lwgate\","
		"\"state_file\":\"/var/lib/lwgate/routes.json\",\"memory_bytes\":4100000,\"endpoints\":3,"
		"\"flows\":{\"now\":3,\"max\":4096,\"live\":2,\"unproven\":1,\"late\":1,"
		"\"states\":{\"closed\":0,\"up\":2,\"back-off\":1}},"
		"\"servers\":[{\"name\":\"cloud\",\"uri\":\"coaps://a.example\","
		"\"addresses\":[\"192.0.2.1:5684\",\"192.0.2.2:5684\"],\"associations\":3,\"up\":2},"
		"{\"name\":\"lab\",\"uri\":\"coap://b.example\",\"addresses\":[],\"associations\":0,\"up\":0}],"
		"\"listeners\":[{\"section\":\"lan\",\"sockets\":[{\"address\":\"0.0.0.0:5683\","
		"\"interface\":null,\"dtls\":false,\"open\":true},{\"address\":\"[::]:5684\","
		"\"interface\":\"br-lan\",\"dtls\":true,\"open\":true}]}],"
		"\"sessions\":{\"now\":2,\"half_open\":1},\"overload\":true,"
		"\"totals\":{\"up_messages\":120,\"flows_moved\":0},"
		"\"drops\":[{\"reason\":\"lan_junk\",\"count\":4,\"text\":\"neither CoAP nor DTLS\"}]}",
		"lwgated    0.1.0, up 1d, 4.1 MB of memory, 1 worker\n"
		"config     /etc/config/lwgate\n"
		"state      /var/lib/lwgate/routes.json\n"
		"endpoints  3 configured\n"
		"flows      3 of 4096 (2 live, 1 unproven), 2 up, 1 back-off, 1 late\n"
		"sessions   2 of devices with DTLS, 1 half-open\n"
		"overload   devices send more than can be carried\n"
		"\n"
		"SERVER  UP  ALL  ADDRESS                        URI\n"
		"cloud    2    3  192.0.2.1:5684 192.0.2.2:5684  coaps://a.example\n"
		"lab      0    0  not found                      coap://b.example\n"
		"\n"
		"LISTEN  SPEAKS  CAPTURES  INTERFACE  ADDRESS\n"
		"lan     coap    no        every      0.0.0.0:5683\n"
		"lan     coaps   no        br-lan     [::]:5684\n"
		"\n"
		"COUNT  OF\n"
		"  120  up_messages\n"
		"\n"
		"LOST  REASON    MEANS\n"
		"   4  lan_junk  neither CoAP nor DTLS\n");
}
END_TEST

START_TEST(test_odd_answers)
{
	static const char *const answers[] = { "{}", "{\"routes\":7}", "{\"routes\":[7,null,[]]}",
		"{\"routes\":[{\"up\":3,\"drops\":[1],\"state\":{}}],\"endpoints\":[[]],"
		"\"servers\":[{\"addresses\":[1,null]}],\"listeners\":[{\"sockets\":[3]}],"
		"\"totals\":[],\"drops\":{},\"flows\":[]}" };
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct json_object *o = json_tokener_parse(answers[i]);
		FILE *out = fopen("/dev/null", "w");
		ck_assert_int_eq(tables_routes(o, out), 0);
		ck_assert_int_eq(tables_endpoints(o, out), 0);
		ck_assert_int_eq(tables_status(o, out), 0);
		fclose(out);
		json_object_put(o);
	}
}
END_TEST

/* ---- check ---- */

static void write_conf(const char *text)
{
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

/* At a port that nobody holds where this runs. */
static const char good_conf[] =
	"config gateway 'main'\n\toption max_endpoints '10'\n\n"
	"config server 'cloud'\n\toption uri 'coap://192.0.2.1'\n\n"
	"config listen 'lan'\n\toption coap '61'\n\n"
	"config endpoint\n\toption name 'meter'\n\toption server 'cloud'\n";

START_TEST(test_check_good)
{
	char wanted[160];
	write_conf(good_conf);
	struct command c = begin();
	ck_assert_int_eq(command_check(&c), STATUS_OK);
	end(&c);
	snprintf(wanted, sizeof(wanted), "%s: ok (1 endpoint, 1 server)\n", path);
	ck_assert_str_eq(out_text, wanted);
	ck_assert_str_eq(err_text, "");
}
END_TEST

START_TEST(test_check_every_fault)
{
	char line[4][128];
	write_conf("config server 'cloud'\n\toption uri 'http://192.0.2.1'\n\n"
		   "config endpoint\n\toption name 'meter'\n\toption server 'claud'\n"
		   "\toption colour 'red'\n");
	struct command c = begin();
	ck_assert_int_eq(command_check(&c), STATUS_FAULT);
	end(&c);
	ck_assert_str_eq(out_text, "");
	for (unsigned i = 0; i < 3; i++) {
		static const unsigned at[] = { 2, 6, 7 };
		snprintf(line[i], sizeof(line[i]), "%s:%u: ", path, at[i]);
		ck_assert_msg(strstr(err_text, line[i]) != NULL, "%s not in\n%s", line[i], err_text);
	}
}
END_TEST

START_TEST(test_check_print)
{
	write_conf(good_conf);
	struct command c = begin();
	c.print = true;
	ck_assert_int_eq(command_check(&c), STATUS_OK);
	end(&c);
	char *first = strdup(out_text);
	ck_assert_ptr_nonnull(strstr(first, "option uri 'coap://192.0.2.1'"));
	ck_assert_ptr_null(strstr(first, ": ok ("));
	write_conf(first);
	forget();
	c = begin();
	c.print = true;
	ck_assert_int_eq(command_check(&c), STATUS_OK);
	end(&c);
	ck_assert_str_eq(out_text, first);
	free(first);
}
END_TEST

START_TEST(test_check_for_programs)
{
	struct json_object *value;
	write_conf("config server 'cloud'\n\toption uri 'http://192.0.2.1'\n");
	struct command c = begin();
	c.as_json = true;
	ck_assert_int_eq(command_check(&c), STATUS_FAULT);
	end(&c);
	struct json_object *o = json_tokener_parse(out_text);
	ck_assert(json_object_object_get_ex(o, "ok", &value));
	ck_assert(!json_object_get_boolean(value));
	ck_assert(json_object_object_get_ex(o, "faults", &value));
	ck_assert_uint_ge(json_object_array_length(value), 1);
	ck_assert_str_eq(err_text, "");
	json_object_put(o);
}
END_TEST

START_TEST(test_check_what_the_machine_lacks)
{
	write_conf("config gateway\n\toption max_endpoints '60000'\n\n"
		   "config server 'cloud'\n\toption uri 'coap://192.0.2.1'\n\n"
		   "config listen 'lan'\n\toption server 'cloud'\n");
	struct command c = begin();
	ck_assert_int_eq(command_check(&c), STATUS_OK);
	end(&c);
	ck_assert_ptr_nonnull(strstr(err_text, "warning: on this machine, max_endpoints 60000"));
	ck_assert_ptr_nonnull(strstr(err_text, " missing"));
}
END_TEST

START_TEST(test_check_missing_file)
{
	struct command c = begin();
	ck_assert_int_eq(command_check(&c), STATUS_FAULT);
	end(&c);
	ck_assert_str_ne(err_text, "");
}
END_TEST

/* ---- asking ---- */

/* A daemon that takes one client and answers this. */
static pid_t daemon_that_says(const char *answer)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(at.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		char line[256];
		int one = accept(fd, NULL, NULL);
		ssize_t n = recv(one, line, sizeof(line), 0);
		send(one, answer, strlen(answer), MSG_NOSIGNAL);
		_exit(n > 0 && line[n - 1] == '\n' ? 0 : 1);
	}
	close(fd);
	return child;
}

static int asked(const char *what, const char *answer, bool as_json)
{
	int status;
	pid_t child = daemon_that_says(answer);
	struct command c = begin();
	c.as_json = as_json;
	int rc = command_ask(&c, what);
	end(&c);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(unlink(path), 0);
	return rc;
}

START_TEST(test_ask)
{
	ck_assert_int_eq(asked("metrics", "{\"metrics\":\"a 1\\nb 2\\n\"}\n", false), STATUS_OK);
	ck_assert_str_eq(out_text, "a 1\nb 2\n");
	forget();
	ck_assert_int_eq(asked("routes", "{\"routes\":[]}\n", true), STATUS_OK);
	ck_assert_str_eq(out_text, "{\"routes\":[]}\n");
	forget();
	ck_assert_int_eq(asked("reload", "{\"ok\":true,\"said\":[\"f:1: warning: x\"]}\n", false),
		STATUS_OK);
	ck_assert_str_eq(out_text, "the configuration is in use\n");
	ck_assert_str_eq(err_text, "f:1: warning: x\n");
	forget();
	ck_assert_int_eq(asked("reload", "{\"error\":\"no\\u001b\",\"ok\":false,\"said\":[\"f:1: y\"]}\n",
		false), STATUS_FAULT);
	ck_assert_str_eq(out_text, "");
	ck_assert_str_eq(err_text, "f:1: y\nlwgate: no?\n");
	forget();
	ck_assert_int_eq(asked("status", "{\"error\":\"too many\"}\n", true), STATUS_FAULT);
	forget();
	ck_assert_int_eq(asked("status", "garbage", false), STATUS_UNREACHABLE);
	forget();
	ck_assert_int_eq(asked("status", "{\"flows\":", false), STATUS_UNREACHABLE);
	forget();
	ck_assert_int_eq(asked("status", "", false), STATUS_UNREACHABLE);
}
END_TEST

START_TEST(test_nobody_answers)
{
	struct command c = begin();
	ck_assert_int_eq(command_ask(&c, "status"), STATUS_UNREACHABLE);
	ck_assert_int_eq(command_top(&c), STATUS_UNREACHABLE);
	end(&c);
	ck_assert_str_eq(out_text, "");
	ck_assert_ptr_nonnull(strstr(err_text, path));
	ck_assert_ptr_nonnull(strstr(err_text, "is lwgated running?"));
	char longest[300];
	struct text answer = { 0 };
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_lt(ask(longest, "status", &answer), 0);
}
END_TEST

#define COMMAND_TEST(test)                                                                         \
	do {                                                                                       \
		TCase *c = tcase_create(#test);                                                    \
		tcase_set_timeout(c, 60);                                                          \
		tcase_add_checked_fixture(c, setup, teardown);                                     \
		tcase_add_test(c, test);                                                           \
		suite_add_tcase(s, c);                                                             \
	} while (0)

Suite *lwgate_suite(void)
{
	Suite *s = suite_create("lwgate");
	SUITE_TEST(s, test_routes_table);
	SUITE_TEST(s, test_endpoints_table);
	SUITE_TEST(s, test_status_page);
	SUITE_TEST(s, test_odd_answers);
	COMMAND_TEST(test_check_good);
	COMMAND_TEST(test_check_every_fault);
	COMMAND_TEST(test_check_print);
	COMMAND_TEST(test_check_for_programs);
	COMMAND_TEST(test_check_what_the_machine_lacks);
	COMMAND_TEST(test_check_missing_file);
	COMMAND_TEST(test_ask);
	COMMAND_TEST(test_nobody_answers);
	return s;
}
