/* What strangers, or a restart, may make several workers do: no more than one. */
#include "trunk.h"
#include "suite.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "crew.h"
#include "lan_session.h"
#include "rig.h"
#include "rig_lan.h"

#define NAME "cloud.example"
#define MANY 390

/* So many endpoints, dev0 and on, of one server. */
static struct rig *prepare(unsigned workers, unsigned endpoints)
{
	static char name[MANY][16];
	struct rig *r = rig_create();
	r->workers = workers;
	r->conf.gateway.max_endpoints = MANY;
	for (unsigned i = 0; i < endpoints; i++) {
		snprintf(name[i], sizeof(name[i]), "dev%u", i);
		rig_endpoint(r, name[i], "cloud");
	}
	return r;
}

static const char *address(unsigned host, unsigned port)
{
	static char text[32];
	snprintf(text, sizeof(text), "192.168.%u.10:%u", host, 20000 + port);
	return text;
}

static const char *query(unsigned endpoint)
{
	static char text[32];
	snprintf(text, sizeof(text), "rd?ep=dev%u", endpoint);
	return text;
}

/* Registers them, by turns at each worker. */
static void register_all(struct rig *r, unsigned endpoints)
{
	for (unsigned i = 0; i < endpoints; i++) {
		char location[16];
		snprintf(location, sizeof(location), "rd/%u", i);
		fake_lan_steer(r->net, (int)(i % r->workers));
		rig_register(r, address(1, i), r->endpoints[i].name, location);
	}
}

/* ---- the log ---- */

static FILE *log_to_file(void)
{
	FILE *file = tmpfile();
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
	log_open(LOG_TO_STDERR, "rig");
	return file;
}

/* Lines of the log with this text, and how many others they tell of. */
static unsigned lines(FILE *file, const char *text, unsigned *untold)
{
	char line[1024];
	unsigned n = 0;
	*untold = 0;
	rewind(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		const char *more = strstr(line, " more like this");
		n += strstr(line, text) != NULL;
		while (more != NULL && more[-1] != '(')
			more--;
		*untold += more != NULL ? (unsigned)strtoul(more, NULL, 10) : 0;
	}
	return n;
}

/* Somebody wants each of the endpoints so often. */
static void contest(struct rig *r, unsigned endpoints, unsigned times)
{
	for (unsigned i = 0; i < endpoints * times; i++)
		rig_device(r, B, coap(NON, "0.02", i, "aa", query(i % endpoints)));
}

START_TEST(workers_write_no_more_lines_than_one)
{
	struct rig *r = prepare((unsigned)_i, 4);
	unsigned untold;
	r->listens[0].move = false;
	rig_start(r);
	register_all(r, 4);
	FILE *file = log_to_file();
	contest(r, 4, 100);
	ck_assert_uint_eq(lines(file, "was refused", &untold), NOTICE_BURST);
	ck_assert_uint_eq(untold, 0);
	for (unsigned s = 1; s <= 100; s++) {
		rig_advance(r, 1000);
		contest(r, 4, 1);
	}
	ck_assert_uint_eq(lines(file, "was refused", &untold), NOTICE_BURST + 100 * NOTICE_PER_SECOND);
	ck_assert_uint_eq(untold, 800 - NOTICE_BURST - 100 * NOTICE_PER_SECOND - 3); /* of the last second */
	rig_free(r);
}
END_TEST

/* ---- Registers that wait ---- */

START_TEST(rule15_so_many_moves_wait_at_all_workers)
{
	enum { MORE = MOVES_MAX + 16 };
	struct rig *r = prepare((unsigned)_i, MORE);
	rig_start(r);
	register_all(r, MORE);
	for (unsigned i = 0; i < MORE; i++)
		rig_device(r, address(2, i), coap(CON, "0.02", i, "aa", query(i)));
	ck_assert_uint_eq(crew_moves(r->dp), MOVES_MAX);
	ck_assert_uint_eq(rig_drops(r, DROP_MOVE_WAITING), MORE - MOVES_MAX);
	ck_assert_int_eq(rig_apply(r), 0); /* gives them up */
	ck_assert_uint_eq(crew_moves(r->dp), 0);
	for (unsigned i = 0; i < MOVES_MAX; i++)
		ck_assert_str_ne(rig_device_got(r, address(1, i)), ""); /* a ping */
	rig_free(r);
}
END_TEST

/* ---- answers ---- */

/* The worker's number decides who has one more; a bucket that is empty is full again after a second. */
START_TEST(rule1_workers_answer_strangers_as_seldom_as_one)
{
	struct rig *r = prepare((unsigned)_i, 0);
	rig_start(r);
	for (unsigned again = 0; again < 3; again++) {
		unsigned answers = 0;
		for (unsigned i = 0; i < 20 * r->workers; i++) {
			fake_lan_steer(r->net, (int)(i % r->workers));
			rig_device(r, A, coap(CON, "0.01", i, "aa", "3/0"));
			answers += rig_device_got(r, A)[0] != '\0';
		}
		ck_assert_uint_eq(answers, STRANGER_404_PER_SECOND);
		rig_advance(r, 1000);
	}
	rig_free(r);
}
END_TEST

START_TEST(limits_are_divided_without_a_rest)
{
	for (unsigned workers = 1; workers <= 64; workers++) {
		unsigned sum = 0;
		for (unsigned i = 0; i < workers; i++)
			sum += LIMIT_PART(10, workers, i);
		ck_assert_uint_eq(sum, 10);
		ck_assert_uint_ge(workers * LIMIT_SHARE(10, workers), 10);
		ck_assert_uint_lt(workers * (LIMIT_SHARE(10, workers) - 1), 10);
	}
}
END_TEST

/* ---- handshakes of devices ---- */

static bool is_known(const struct rig *r, unsigned worker)
{
	return lan_session_next(rig_worker(r, worker)->sessions, LAN_KNOWN, NULL) != NULL;
}

/* Answers the cookie, and goes no further. */
static void half(struct rig *r, const char *from)
{
	struct rig_dtls *d = rig_dtls_begin(r, from, "dev-lan", true);
	rig_lan_step(r);
	while (fake_lan_take(r->net) != NULL)
		;
	rig_dtls_free(d);
}

/* A device begins anew, from another port, at another worker; and as long as its host has a flow. */
START_TEST(rule12_strangers_do_not_push_out_who_has_a_flow_elsewhere)
{
	struct rig *r = prepare(2, 2);
	rig_lan_secure(r, "dev0");
	rig_start(r);
	fake_lan_steer(r->net, 0);
	struct rig_dtls *old = rig_dtls_register(r, A, "dev0");
	fake_lan_steer(r->net, 1);
	half(r, A2);
	ck_assert(is_known(r, 1));
	half(r, B);
	for (unsigned i = 0; i < HALF_OPEN_MAX; i++)
		half(r, address(i % 200 + 2, 40 + i));
	ck_assert(is_known(r, 1));
	ck_assert_uint_eq(rig_half_open(r), HALF_OPEN_MAX / 2 + 1);
	rig_dtls_free(old);
	rig_free(r);
}
END_TEST

START_TEST(rule12_host_is_unknown_again_when_its_flow_has_left)
{
	struct rig *r = prepare(2, 2);
	rig_lan_secure(r, "dev0");
	rig_start(r);
	fake_lan_steer(r->net, 0);
	rig_register(r, A, "dev1", "rd/0");
	rig_register(r, A, "dev1", "rd/0");
	if (_i == 0) {
		rig_device(r, A, coap(CON, "0.04", 5, "ab", "rd/0"));
		(void)rig_server_got(r);
		rig_server(r, r->port, coap(ACK, "2.02", 5, "ab", NULL));
		(void)rig_device_got(r, A);
	} else {
		rig_device(r, B, coap(CON, "0.02", 5, "ab", query(1))); /* it moves */
	}
	rig_advance(r, MOVE_SILENCE_MS);
	while (fake_lan_take(r->net) != NULL)
		;
	(void)rig_server_got(r);
	fake_lan_steer(r->net, 1);
	half(r, A2);
	ck_assert(!is_known(r, 1));
	half(r, "192.168.1.11:50000");
	ck_assert(is_known(r, 1) == (_i != 0));
	rig_free(r);
}
END_TEST

/* ---- handshakes with a server ---- */

/* They begin at RESTORE_PER_SECOND, and at each worker the first one at once. */
START_TEST(rule19_workers_open_static_devices_as_slowly_as_one)
{
	struct rig *r = prepare((unsigned)_i, 300);
	rig_secure(r);
	r->server_deaf = true;
	for (unsigned i = 0; i < 300; i++) {
		r->endpoints[i].has_address = true;
		r->endpoints[i].address = at(address(1, i));
	}
	rig_start(r);
	rig_advance(r, 200);
	ck_assert_uint_le(rig_counts(r, COUNT_HANDSHAKES), 100 + 2U * (unsigned)_i);
	ck_assert_uint_ge(rig_counts(r, COUNT_HANDSHAKES), 60);
	rig_advance(r, 700);
	ck_assert_uint_ge(rig_counts(r, COUNT_HANDSHAKES), 300);
	rig_free(r);
}
END_TEST

START_TEST(rule19_workers_find_a_server_as_slowly_as_one)
{
	struct rig *r = prepare((unsigned)_i, MANY);
	rig_secure(r);
	r->servers[0].host = NAME;
	r->server_deaf = true;
	rig_start(r);
	for (unsigned i = 0; i < MANY; i++) {
		fake_lan_steer(r->net, (int)(i % r->workers));
		rig_device(r, address(1, i), coap(CON, "0.02", i, "aa", query(i)));
	}
	struct addr one = at(CLOUD);
	fake_name_set(r->net, NAME, &one, 1);
	rig_settle(r);
	ck_assert_uint_lt(rig_counts(r, COUNT_HANDSHAKES), RESTORE_BURST);
	rig_advance(r, 200);
	ck_assert_uint_le(rig_counts(r, COUNT_HANDSHAKES), 100 + 40); /* by chance */
	rig_advance(r, 800);
	ck_assert_uint_ge(rig_counts(r, COUNT_HANDSHAKES), MANY);
	rig_free(r);
}
END_TEST

/* Few of a server begin at once, though others have many. */
START_TEST(rule19_workers_find_a_server_of_few_at_once)
{
	struct rig *r = prepare((unsigned)_i, 40);
	rig_secure(r);
	r->servers[0].host = NAME;
	r->server_deaf = true;
	rig_start(r);
	for (unsigned i = 0; i < 40; i++) {
		fake_lan_steer(r->net, 0); /* all are one worker's: no more are there than flows */
		rig_device(r, address(1, i), coap(CON, "0.02", i, "aa", query(i)));
	}
	struct addr one = at(CLOUD);
	fake_name_set(r->net, NAME, &one, 1);
	rig_settle(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES), 40);
	rig_free(r);
}
END_TEST

/* Half a second, and 2 ms for each flow of all workers. */
START_TEST(rule20_workers_move_sockets_as_slowly_as_one)
{
	struct rig *r = prepare((unsigned)_i, MANY);
	rig_secure(r);
	rig_start(r);
	register_all(r, MANY);
	struct addr other = at("192.0.2.77");
	uint64_t before = rig_counts(r, COUNT_HANDSHAKES);
	fake_net_source(r->net, true, &other);
	for (unsigned i = 0; i < r->workers; i++)
		datapath_addresses_changed(rig_worker(r, i), fake_net_now(r->net));
	rig_advance(r, MOVE_SOCKETS_AFTER_MS + 700);
	ck_assert_uint_gt(rig_counts(r, COUNT_HANDSHAKES) - before, MANY / 2 - 40);
	ck_assert_uint_lt(rig_counts(r, COUNT_HANDSHAKES) - before, MANY / 2 + 80);
	rig_advance(r, 700);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES) - before, MANY);
	rig_free(r);
}
END_TEST

#define add_loop(suite, test) add_case(suite, #test, test)

/* With one worker, and with several. */
static void add_case(Suite *s, const char *name, const TTest *test)
{
	TCase *t = tcase_create(name);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test, 1, RIG_WORKERS + 1);
	suite_add_tcase(s, t);
}

Suite *crew_limits_suite(void)
{
	Suite *s = suite_create("crew_limits");
	add_loop(s, workers_write_no_more_lines_than_one);
	add_loop(s, rule15_so_many_moves_wait_at_all_workers);
	add_loop(s, rule1_workers_answer_strangers_as_seldom_as_one);
	SUITE_TEST(s, limits_are_divided_without_a_rest);
	SUITE_TEST(s, rule12_strangers_do_not_push_out_who_has_a_flow_elsewhere);
	TCase *t = tcase_create("rule12_host_is_unknown_again_when_its_flow_has_left");
	tcase_add_loop_test(t, rule12_host_is_unknown_again_when_its_flow_has_left, 0, 2);
	suite_add_tcase(s, t);
	add_loop(s, rule19_workers_open_static_devices_as_slowly_as_one);
	add_loop(s, rule19_workers_find_a_server_as_slowly_as_one);
	add_loop(s, rule19_workers_find_a_server_of_few_at_once);
	add_loop(s, rule20_workers_move_sockets_as_slowly_as_one);
	return s;
}
