/* Who holds a listener's ports, judged from /proc/net/udp and udp6. */
#include "suite.h"
#include <stdio.h>
#include <string.h>
#include "conf/conf.h"
#include "control/look.h"
#include "control/text.h"

Suite *look_ports_suite(void);

/* As a kernel 6.18 wrote them. 0x1633 is 5683, 0x163A is 5690; addresses of every byte order. */
static const char udp[] =
	"   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref "
	"pointer drops            \n"
	" 4584: 00000000:1633 00000000:0000 07 00000000:00000000 00:00000000 00000000   108        0 11787517 2 "
	"0000000072ab9d1e 0      \n"
	" 7092: 00000000:9FFF 0100007F:1633 01 00000000:00000000 00:00000000 00000000     0        0 11787520 2 "
	"000000007e420a12 0      \n";
static const char udp6[] =
	"  sl  local_address                         remote_address                        st tx_queue rx_queue tr "
	"tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
	" 4591: 00000000000000000000000000000000:163A 00000000000000000000000000000000:0000 07 00000000:00000000 "
	"00:00000000 00000000     0        0 11787519 2 00000000a54cb2cb 0\n";

static char said[4096];
static unsigned warnings;

static void note(void *arg, const struct conf_listen *listen, const char *text)
{
	(void)arg;
	(void)listen;
	size_t n = strlen(said);
	snprintf(said + n, sizeof(said) - n, "%s\n", text);
	warnings++;
}

/* What a test changes of its one listener, which has a server at 5690. */
static struct conf_server server;
static struct conf_listen lan;
static struct conf_endpoint endpoint;
static struct conf conf;
static struct look_sockets sockets;

static void setup(void)
{
	server = (struct conf_server){ .name = "cloud", .host = "198.51.100.10",
		.port = 5690 };
	lan = (struct conf_listen){ .name = "lan", .coap = 5683, .coaps = 5684 };
	endpoint = (struct conf_endpoint){ .name = "meter" };
	conf = (struct conf){ .server = &server, .server_count = 1, .listen = &lan,
		.listen_count = 1, .endpoint = &endpoint, .endpoint_count = 1 };
	sockets = (struct look_sockets){ .count = 0 };
}

static void read_rows(const char *text)
{
	look_bound(&sockets, &conf, slice_str(text));
}

static void judge(bool is_served)
{
	said[0] = '\0';
	warnings = 0;
	look_ports(&sockets, &conf, is_served, note, NULL);
}

/* A row as the kernel writes it, whatever the byte order. */
static void read_one(const char *address)
{
	struct addr a;
	char hex[33] = "", row[256];
	ck_assert_int_eq(addr_parse(&a, address), 0);
	bool is_4 = strchr(address, '[') == NULL;
	for (unsigned i = is_4 ? 12 : 0; i < 16; i += 4) {
		uint32_t word;
		memcpy(&word, a.ip + i, 4);
		snprintf(hex + strlen(hex), sizeof(hex) - strlen(hex), "%08X", word);
	}
	snprintf(row, sizeof(row), "  1: %s:%04X 00000000:0000 07 00000000:00000000 00:00000000 00000000 "
		"    0        0 77 2 0 0\n", hex, a.port);
	read_rows(row);
}

START_TEST(rows_of_the_kernel_are_read)
{
	lan.intercept = true;
	read_rows(udp);
	ck_assert_uint_eq(sockets.count, 1);
	read_rows(udp6);
	ck_assert_uint_eq(sockets.count, 2);
	const struct look_socket *four = &sockets.socket[0], *six = &sockets.socket[1];
	ck_assert(addr_is_v4(&four->at) && addr_is_any(&four->at));
	ck_assert_uint_eq(four->at.port, 5683);
	ck_assert_uint_eq(four->inode, 11787517);
	ck_assert_uint_eq(four->uid, 108);
	ck_assert(!addr_is_v4(&six->at) && addr_is_any(&six->at));
	ck_assert_uint_eq(six->at.port, 5690);
	ck_assert_uint_eq(six->inode, 11787519);
}
END_TEST

static const char *const malformed[] = { "", "\n\n\n", "x", " 1:", " 1: 00000000", " 1: 00000000:1633",
	" 1: 0000000:1633 00000000:0000 07 0:0 0:0 0 0 0 7 2 0 0\n",
	" 1: 000000000:1633 00000000:0000 07 0:0 0:0 0 0 0 7 2 0 0\n",
	" 1: 000000000000000000000000:1633 00000000:0000 07 0:0 0:0 0 0 0 7 2 0 0\n",
	" 1: 0000000000000000000000000000000000000000:1633 0:0 07 0:0 0:0 0 0 0 7 2 0 0\n",
	" 1: 00000000:11633 00000000:0000 07 0:0 0:0 0 0 0 7 2 0 0\n",
	" 1: 0000000g:1633 00000000:0000 07 0:0 0:0 0 0 0 7 2 0 0\n",
	" 1: 00000000:1633 00000000:0000 07 0:0 0:0 0 0 0\n", "\xff\xfe: 00000000:1633 \x01\n" };

START_TEST(what_is_no_row_is_skipped)
{
	struct text all = { 0 };
	read_rows(malformed[_i]);
	ck_assert_msg(sockets.count == 0, "%s", malformed[_i]);
	/* A row of any length, and then a good one. */
	text_add(&all, malformed[_i]);
	for (unsigned i = 0; i < 5000; i++)
		text_add(&all, " 00000000:1633");
	text_addf(&all, "\n%s", udp);
	read_rows(text_str(&all));
	ck_assert_uint_eq(sockets.count, 1);
	text_fini(&all);
}
END_TEST

START_TEST(more_sockets_than_are_looked_at_do_no_harm)
{
	for (unsigned i = 0; i < LOOK_SOCKETS + 10; i++)
		read_one("127.0.0.1:5683");
	ck_assert_uint_eq(sockets.count, LOOK_SOCKETS);
	judge(false);
	ck_assert_uint_eq(warnings, 1);
}
END_TEST

static void hold(unsigned pid, const char *program)
{
	for (size_t i = 0; i < sockets.count; i++) {
		sockets.socket[i].pid = pid;
		snprintf(sockets.socket[i].program, sizeof(sockets.socket[i].program), "%s", program);
	}
}

START_TEST(who_holds_a_port_is_named)
{
	read_rows(udp);
	hold(4711, "coap-server");
	judge(false);
	ck_assert_str_eq(said, "UDP port 5683 of listen 'lan' is held at 0.0.0.0:5683 by coap-server (pid 4711); "
		"right is that it leaves the port, or another port\n");
	/* One that is not known, of which the user is. */
	hold(0, "");
	judge(false);
	ck_assert_ptr_nonnull(strstr(said, "by a process of uid 108, which root could name; right"));
}
END_TEST

START_TEST(lwgated_itself_holds_its_ports)
{
	read_rows(udp);
	hold(4711, "lwgated");
	judge(false);
	ck_assert_uint_eq(warnings, 0);
	hold(4711, "lwgate-net");
	judge(false);
	ck_assert_uint_eq(warnings, 0);
	/* Whose it is can not be seen: most likely the daemon's that answers. */
	hold(0, "");
	judge(true);
	ck_assert_uint_eq(warnings, 0);
	/* It answers, and yet another is seen. */
	hold(4711, "lwgated2");
	judge(true);
	ck_assert_uint_eq(warnings, 1);
}
END_TEST

START_TEST(servers_ports_count_where_they_are_captured)
{
	read_one("0.0.0.0:5690");
	ck_assert_uint_eq(sockets.count, 0);
	lan.intercept = true;
	read_one("0.0.0.0:5690");
	judge(false);
	ck_assert_ptr_nonnull(strstr(said, "UDP port 5690 of listen 'lan'"));
	/* With DTLS it is opened only where somebody may come by it. */
	server.security = CONF_PSK;
	judge(false);
	ck_assert_uint_eq(warnings, 0);
	endpoint.lan_identity = "meter";
	judge(false);
	ck_assert_uint_eq(warnings, 1);
}
END_TEST

START_TEST(a_port_for_DTLS_counts_where_it_is_opened)
{
	struct conf_listen another = { .name = "other" };
	uint8_t key[16] = { 0 };
	read_one("0.0.0.0:5684");
	ck_assert_uint_eq(sockets.count, 0);
	lan.coaps_is_set = true;
	read_one("0.0.0.0:5684");
	ck_assert_uint_eq(sockets.count, 1);
	judge(false);
	ck_assert_uint_eq(warnings, 1);
	lan.coaps_is_set = false;
	endpoint.lan_key = (struct conf_key){ key, sizeof(key) };
	judge(false);
	ck_assert_uint_eq(warnings, 1);
	endpoint.lan_key.n = 0;
	endpoint.mode = CONF_OPAQUE;
	judge(false);
	ck_assert_uint_eq(warnings, 1);
	endpoint.listen = &another;
	judge(false);
	ck_assert_uint_eq(warnings, 0);
	lan.ca = (struct conf_blob){ key, sizeof(key) };
	judge(false);
	ck_assert_uint_eq(warnings, 1);
	lan.coaps = 0;
	judge(false);
	ck_assert_uint_eq(warnings, 0);
}
END_TEST

/* Where somebody is, where we listen, and whether that goes together. */
enum outcome { SILENT, HELD, PERHAPS };
static const struct {
	const char *theirs, *ours; /* NULL: everywhere */
	const char *interface;     /* of ours, or NULL */
	enum outcome wanted;
} places[] = {
	{ "0.0.0.0:5683", NULL, NULL, HELD },
	{ "[::]:5683", NULL, NULL, HELD },
	{ "127.0.0.1:5683", NULL, NULL, HELD },
	{ "0.0.0.0:5683", "192.0.2.1", NULL, HELD },
	{ "192.0.2.1:5683", "192.0.2.1", NULL, HELD },
	{ "192.0.2.2:5683", "192.0.2.1", NULL, SILENT },
	{ "192.0.2.1:5682", "192.0.2.1", NULL, SILENT },
	{ "[2001:db8::1]:5683", "192.0.2.1", NULL, SILENT },
	{ "192.0.2.1:5683", "2001:db8::1", NULL, SILENT },
	{ "0.0.0.0:5683", "2001:db8::1", NULL, SILENT },
	{ "[2001:db8::1]:5683", "2001:db8::1", NULL, HELD },
	{ "[2001:db8::1:1]:5683", "2001:db8::1", NULL, SILENT },
	{ "[::ffff:192.0.2.1]:5683", "192.0.2.1", NULL, HELD },
	{ "[::]:5683", "192.0.2.1", NULL, PERHAPS },
	{ "[fe80::1]:5683", "fe80::1", NULL, PERHAPS },
	{ "0.0.0.0:5683", NULL, "br-lan", PERHAPS },
	{ "192.0.2.2:5683", "192.0.2.1", "br-lan", SILENT },
};

START_TEST(a_port_is_held_where_addresses_meet)
{
	const char *names[] = { places[_i].interface };
	struct addr ours;
	if (places[_i].ours != NULL) {
		ck_assert_int_eq(addr_parse(&ours, places[_i].ours), 0);
		lan.address = &ours;
		lan.address_count = 1;
	}
	lan.interface = (struct conf_list){ names, names[0] != NULL };
	read_one(places[_i].theirs);
	judge(false);
	const char *perhaps = strstr(said, ", perhaps only for another interface or family;");
	enum outcome o = warnings == 0 ? SILENT : perhaps != NULL ? PERHAPS : HELD;
	ck_assert_msg(o == places[_i].wanted, "%s and %s: %s", places[_i].theirs,
		places[_i].ours != NULL ? places[_i].ours : "everywhere", said);
}
END_TEST

START_TEST(a_program_is_told_once_a_port_and_listener)
{
	read_one("0.0.0.0:5683");
	read_one("[::]:5683");
	read_one("127.0.0.1:5683");
	hold(4711, "coap-server");
	judge(false);
	ck_assert_uint_eq(warnings, 1);
	sockets.socket[2].pid = 4712;
	judge(false);
	ck_assert_uint_eq(warnings, 2);
	/* What is no hindrance does not hide what is one. */
	struct addr ours;
	ck_assert_int_eq(addr_parse(&ours, "127.0.0.1"), 0);
	lan.address = &ours;
	lan.address_count = 1;
	sockets.count = 0;
	read_one("127.0.0.2:5683");
	read_one("127.0.0.1:5683");
	hold(4711, "coap-server");
	judge(false);
	ck_assert_uint_eq(warnings, 1);
	ck_assert_ptr_nonnull(strstr(said, "127.0.0.1:5683"));
	/* Each listener is told of. */
	struct conf_listen both[2] = { lan, lan };
	conf.listen = both;
	conf.listen_count = 2;
	judge(false);
	ck_assert_uint_eq(warnings, 2);
}
END_TEST

static void looped(Suite *s, const char *name, const TTest *test, size_t n)
{
	TCase *c = tcase_create(name);
	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_loop_test(c, test, 0, (int)n);
	suite_add_tcase(s, c);
}

Suite *look_ports_suite(void)
{
	Suite *s = suite_create("look_ports");
	looped(s, "malformed", what_is_no_row_is_skipped, sizeof(malformed) / sizeof(malformed[0]));
	looped(s, "places", a_port_is_held_where_addresses_meet, sizeof(places) / sizeof(places[0]));
	TCase *c = tcase_create("ports");
	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, rows_of_the_kernel_are_read);
	tcase_add_test(c, more_sockets_than_are_looked_at_do_no_harm);
	tcase_add_test(c, who_holds_a_port_is_named);
	tcase_add_test(c, lwgated_itself_holds_its_ports);
	tcase_add_test(c, servers_ports_count_where_they_are_captured);
	tcase_add_test(c, a_port_for_DTLS_counts_where_it_is_opened);
	tcase_add_test(c, a_program_is_told_once_a_port_and_listener);
	suite_add_tcase(s, c);
	return s;
}
