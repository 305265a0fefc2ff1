/* The state file: a restart finds the routing table again, a broken file is set aside, and saving
 * never holds up the loop. */
#include "suite.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "control/rows.h"
#include "control/state.h"
#include "control/state_int.h"
#include "control/text.h"
#include "life.h"
#include "small_relay.h"

Suite *state_suite(void);

static struct small_relay relay;
static struct state *state;
static char dir[64];
static int64_t wall_now;

static int64_t wall(void)
{
	return wall_now;
}

static void changed(void *who)
{
	(void)who;
	state_changed(state);
}

static void relay_up(const struct small_spec *spec)
{
	struct small_spec none = { .endpoints = 0 };
	struct state_spec how = { .dir = dir, .wall = wall };
	small_relay_up(&relay, spec != NULL ? spec : &none);
	how.datapath = relay.dp;
	ck_assert_int_eq(state_create(&state, &how), 0);
	relay.changed = changed;
}

static void relay_down(void)
{
	state_free(state);
	state = NULL;
	small_relay_down(&relay);
}

static void setup(void)
{
	log_open(LOG_TO_NOBODY, "check");
	wall_now = 1750000000;
	snprintf(dir, sizeof(dir), "/tmp/lwgate-state-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static const char *path_of(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static bool is_there(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

/* The state file's content; the caller frees it. */
static struct text content(void)
{
	struct text t = { 0 };
	char piece[512];
	FILE *f = fopen(path_of(STATE_FILE), "r");
	ck_assert_ptr_nonnull(f);
	for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
		text_bytes(&t, piece, n);
	fclose(f);
	return t;
}

static void put_content(const char *bytes, size_t n)
{
	FILE *f = fopen(path_of(STATE_FILE), "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
}

static void load(void)
{
	state_load(state, fake_net_now(relay.net));
	fake_net_wake(relay.net);
}

static void save(void)
{
	ck_assert_int_eq(state_save(state, fake_net_now(relay.net)), 0);
}

START_TEST(test_round_trip)
{
	struct life_saved before, after;
	struct small_spec spec = { .endpoints = 2 };
	relay_up(&spec);
	load();
	struct flow *flow = small_relay_register(&relay, "ep-0", "192.168.1.5:5683", "5");
	small_relay_register(&relay, "other", "[fd00::7]:40000", "6");
	fake_net_advance(relay.net, 10000);
	life_save(flow, &before, fake_net_now(relay.net));
	char location[16];
	snprintf(location, sizeof(location), "%s", before.location);
	save();
	relay_down();

	wall_now += 20;
	relay_up(&spec);
	load();
	ck_assert_uint_eq(flows_count(relay.dp->flows), 2);
	ck_assert_uint_eq(relay.dp->env.stat.count[COUNT_FLOWS_RESTORED], 2);
	flow = small_relay_flow(&relay, "ep-0");
	ck_assert_ptr_nonnull(flow);
	life_save(flow, &after, fake_net_now(relay.net));
	ck_assert(addr_eq(&after.device, &before.device));
	ck_assert(addr_eq(&after.called, &before.called));
	ck_assert_uint_eq(after.ifindex, before.ifindex);
	ck_assert_uint_eq(after.port, before.port);
	ck_assert_str_eq(after.location, location);
	ck_assert_uint_eq(after.lifetime_s, 300);
	ck_assert_int_eq(after.expires_in_ms, before.expires_in_ms - 20000);
	ck_assert(after.is_live);
	ck_assert_uint_eq(after.up_messages, before.up_messages);
	ck_assert_uint_eq(after.up_bytes, before.up_bytes);
	ck_assert_uint_eq(after.down_messages, before.down_messages);
	ck_assert_uint_eq(after.down_bytes, before.down_bytes);
	ck_assert_uint_eq(flow->wan.port, before.port);
	ck_assert_ptr_nonnull(small_relay_flow(&relay, "other"));
	relay_down();
}
END_TEST

START_TEST(test_clock_that_jumps)
{
	static const int64_t jumps[] = { -1000000, -1750000000, 0 };
	relay_up(NULL);
	small_relay_register(&relay, "a", "192.168.1.5:5683", "5");
	save();
	relay_down();
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		wall_now = 1750000000 + jumps[i];
		relay_up(NULL);
		load();
		struct flow *flow = small_relay_flow(&relay, "a");
		ck_assert_ptr_nonnull(flow);
		ck_assert_int_eq(mono_since(fake_net_now(relay.net), flow->expires), 547000);
		relay_down();
	}
}
END_TEST

START_TEST(test_expired_meanwhile_keeps_its_port)
{
	struct small_spec spec = { .endpoints = 1 };
	relay_up(&spec);
	uint16_t port = small_relay_register(&relay, "ep-0", "192.168.1.5:5683", "5")->wan.port;
	save();
	relay_down();
	wall_now += 600;
	relay_up(&spec);
	load();
	ck_assert_uint_eq(flows_count(relay.dp->flows), 0);
	struct flow *flow = small_relay_register(&relay, "ep-0", "192.168.1.5:5683", "5");
	ck_assert_uint_eq(flow->wan.port, port);
	relay_down();
}
END_TEST

START_TEST(test_port_without_flow)
{
	struct small_spec spec = { .endpoints = 1 };
	relay_up(&spec);
	struct flow *flow = small_relay_register(&relay, "ep-0", "192.168.1.5:5683", "5");
	uint16_t port = flow->wan.port;
	life_end(relay.dp, flow, "the test ends it");
	save();
	relay_down();
	struct text t = content();
	ck_assert_ptr_nonnull(strstr(t.p, "\"port\":"));
	ck_assert_ptr_null(strstr(t.p, "device"));
	text_fini(&t);
	relay_up(&spec);
	load();
	ck_assert_uint_eq(route_find_exact(relay.dp->routes, "ep-0", "cloud", false)->port, port);
	relay_down();
}
END_TEST

START_TEST(test_name_of_any_bytes)
{
	relay_up(NULL);
	small_relay_register(&relay, "m\xe9ter \"7\"", "192.168.1.5:5683", "5");
	save();
	relay_down();
	relay_up(NULL);
	load();
	ck_assert_ptr_nonnull(small_relay_flow(&relay, "m\xe9ter \"7\""));
	relay_down();
}
END_TEST

START_TEST(test_static_device)
{
	struct small_spec spec = { .endpoints = 1, .fixed = "192.168.1.9" };
	relay_up(&spec);
	struct flow *flow = small_relay_register(&relay, "ep-0", "192.168.1.9:40000", "5");
	uint16_t port = flow->wan.port;
	save();
	relay_down();
	relay_up(&spec);
	load();
	flow = small_relay_flow(&relay, "ep-0");
	ck_assert_uint_eq(flows_count(relay.dp->flows), 1);
	ck_assert_uint_eq(flow->key.device.port, 40000);
	ck_assert_uint_eq(flow->wan.port, port);
	ck_assert_str_eq(flow->location, "/rd/5");
	relay_down();
}
END_TEST

START_TEST(test_link_local_device)
{
	struct addr device;
	relay_up(NULL);
	device = small_relay_register(&relay, "a", "[fe80::5%lo]:5683", "5")->key.device;
	ck_assert_uint_ne(device.scope, 0);
	save();
	relay_down();
	struct text t = content();
	ck_assert_ptr_nonnull(strstr(t.p, "\"device\":\"[fe80::5]:5683\""));
	ck_assert_ptr_nonnull(strstr(t.p, "\"zone\":\"lo\""));
	text_fini(&t);
	relay_up(NULL);
	load();
	ck_assert_ptr_nonnull(small_relay_flow(&relay, "a"));
	ck_assert(addr_eq(&small_relay_flow(&relay, "a")->key.device, &device));
	relay_down();
}
END_TEST

START_TEST(test_missing_file_is_a_first_start)
{
	relay_up(NULL);
	load();
	ck_assert_uint_eq(flows_count(relay.dp->flows), 0);
	ck_assert(!is_there("routes.json.broken-1"));
	relay_down();
}
END_TEST

/* A file with two flows, written by a relay. */
static struct text good_file(void)
{
	relay_up(NULL);
	small_relay_register(&relay, "a", "192.168.1.5:5683", "5");
	small_relay_register(&relay, "b", "192.168.1.6:5683", "6");
	save();
	relay_down();
	return content();
}

START_TEST(test_cut_file_is_set_aside)
{
	struct text t = good_file();
	for (size_t cut = 1; cut < t.n; cut += t.n - cut > 40 ? 7 : 1) {
		put_content(t.p, cut);
		relay_up(NULL);
		load();
		ck_assert_uint_eq(flows_count(relay.dp->flows), 0);
		ck_assert(!is_there(STATE_FILE));
		relay_down();
	}
	text_fini(&t);
	ck_assert(is_there("routes.json.broken-1"));
	ck_assert(is_there("routes.json.broken-4"));
	ck_assert(!is_there("routes.json.broken-5"));
}
END_TEST

START_TEST(test_empty_file_and_folder_in_place)
{
	put_content("", 0);
	relay_up(NULL);
	load();
	ck_assert(is_there("routes.json.broken-1"));
	relay_down();
	ck_assert_int_eq(mkdir(path_of(STATE_FILE), 0700), 0);
	relay_up(NULL);
	load();
	ck_assert_uint_eq(flows_count(relay.dp->flows), 0);
	ck_assert_int_ne(state_save(state, fake_net_now(relay.net)), 0);
	ck_assert(!is_there("routes.json.new"));
	relay_down();
}
END_TEST

START_TEST(test_good_rows_before_a_bad_one_are_not_used)
{
	struct text t = good_file();
	char *second = strstr(t.p, "192.168.1.6:5683");
	second[0] = 'x';
	put_content(t.p, t.n);
	text_fini(&t);
	relay_up(NULL);
	load();
	ck_assert_uint_eq(flows_count(relay.dp->flows), 0);
	ck_assert(is_there("routes.json.broken-1"));
	relay_down();
}
END_TEST

START_TEST(test_what_the_configuration_does_not_want)
{
	struct small_spec strict = { .endpoints = 1, .no_unknown = true };
	struct text t = good_file();
	text_fini(&t);
	relay_up(&strict);
	load();
	ck_assert_uint_eq(flows_count(relay.dp->flows), 0);
	ck_assert(is_there(STATE_FILE));
	relay_down();
	struct small_spec deaf = { .no_listener = true };
	relay_up(&deaf);
	load();
	ck_assert_uint_eq(flows_count(relay.dp->flows), 0);
	relay_down();
}
END_TEST

START_TEST(test_interface_that_is_gone)
{
	struct small_spec spec = { .endpoints = 1 };
	relay_up(&spec);
	uint16_t port = small_relay_register(&relay, "ep-0", "192.168.1.5:5683", "5")->wan.port;
	save();
	relay_down();
	struct text t = content();
	char *name = strstr(t.p, "\"interface\":\"lo\"");
	ck_assert_ptr_nonnull(name);
	memcpy(name, "\"interface\":\"l~\"", 16);
	put_content(t.p, t.n);
	text_fini(&t);
	relay_up(&spec);
	load();
	ck_assert_uint_eq(flows_count(relay.dp->flows), 0);
	ck_assert_uint_eq(route_find_exact(relay.dp->routes, "ep-0", "cloud", false)->port, port);
	relay_down();
}
END_TEST

START_TEST(test_handshakes_are_paced)
{
	struct small_spec spec = { .endpoints = 0, .max = 1000 };
	relay_up(&spec);
	small_relay_crowd(&relay, 0, 300);
	save();
	relay_down();
	relay_up(&spec);
	fake_net_wake(relay.net);
	unsigned before = fake_net_open(relay.net);
	state_load(state, fake_net_now(relay.net));
	fake_net_wake(relay.net);
	ck_assert_uint_eq(flows_count(relay.dp->flows), 300);
	ck_assert_uint_le(fake_net_open(relay.net) - before, 2);
	fake_net_advance(relay.net, 200);
	unsigned after = fake_net_open(relay.net) - before;
	ck_assert_uint_ge(after, 90);
	ck_assert_uint_le(after, 110);
	fake_net_advance(relay.net, 500);
	ck_assert_uint_eq(fake_net_open(relay.net) - before, 300);
	relay_down();
}
END_TEST

/* ---- when it is written ---- */

START_TEST(test_written_a_second_after_a_change)
{
	struct stat st;
	relay_up(NULL);
	fake_net_advance(relay.net, 60000);
	ck_assert(!is_there(STATE_FILE));
	small_relay_register(&relay, "a", "192.168.1.5:5683", "5");
	fake_net_advance(relay.net, 900);
	ck_assert(!is_there(STATE_FILE));
	fake_net_advance(relay.net, 200);
	ck_assert(is_there(STATE_FILE));
	ck_assert(!is_there("routes.json.new"));
	ck_assert_int_eq(stat(path_of(STATE_FILE), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	/* Nothing changed: nothing is written. */
	ck_assert_int_eq(unlink(path_of(STATE_FILE)), 0);
	fake_net_advance(relay.net, 60000);
	ck_assert(!is_there(STATE_FILE));
	relay_down();
}
END_TEST

START_TEST(test_written_in_steps)
{
	struct small_spec spec = { .max = 1000 };
	struct rows_fault fault;
	int64_t saved_at;
	relay_up(&spec);
	small_relay_crowd(&relay, 0, 300);
	fake_net_advance(relay.net, STATE_AFTER_MS);
	ck_assert(is_there("routes.json.new"));
	ck_assert(!is_there(STATE_FILE));
	/* Flows end and begin while rows are written. */
	for (unsigned i = 0; i < 300; i += 3) {
		char name[16];
		snprintf(name, sizeof(name), "dev-%u", i);
		life_end(relay.dp, small_relay_flow(&relay, name), "the test ends it");
	}
	small_relay_crowd(&relay, 0, 60);
	fake_net_advance(relay.net, 20);
	ck_assert(is_there(STATE_FILE));
	FILE *f = fopen(path_of(STATE_FILE), "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(rows_read(f, &saved_at, NULL, NULL, &fault), 0);
	fclose(f);
	/* What was left out is written with the next save. */
	fake_net_advance(relay.net, 2000);
	size_t flows = flows_count(relay.dp->flows);
	relay_down();
	relay_up(&spec);
	load();
	ck_assert_uint_eq(flows_count(relay.dp->flows), flows);
	relay_down();
}
END_TEST

START_TEST(test_reload_while_writing)
{
	struct small_spec spec = { .endpoints = 3, .max = 1000 }, other = { .endpoints = 2, .max = 1000 };
	relay_up(&spec);
	small_relay_register(&relay, "ep-1", "192.168.1.5:5683", "5");
	small_relay_crowd(&relay, 0, 200);
	fake_net_advance(relay.net, STATE_AFTER_MS);
	ck_assert(is_there("routes.json.new"));
	small_relay_apply(&relay, &other);
	state_restart(state);
	ck_assert(!is_there("routes.json.new"));
	fake_net_advance(relay.net, 2000);
	ck_assert(is_there(STATE_FILE));
	relay_down();
	relay_up(&other);
	load();
	ck_assert_uint_eq(flows_count(relay.dp->flows), 201);
	relay_down();
}
END_TEST

START_TEST(test_large_tables_are_saved_less_often)
{
	struct small_spec spec = { .max = 5000 };
	relay_up(&spec);
	small_relay_crowd(&relay, 0, 4000);
	fake_net_advance(relay.net, 1200);
	ck_assert(is_there(STATE_FILE));
	ck_assert_int_eq(unlink(path_of(STATE_FILE)), 0);
	small_relay_crowd(&relay, 4000, 4001);
	fake_net_advance(relay.net, 1500);
	ck_assert(!is_there(STATE_FILE));
	fake_net_advance(relay.net, 1000);
	ck_assert(is_there(STATE_FILE));
	relay_down();
}
END_TEST

START_TEST(test_half_written_is_removed)
{
	struct small_spec spec = { .max = 1000 };
	relay_up(&spec);
	small_relay_crowd(&relay, 0, 200);
	fake_net_advance(relay.net, STATE_AFTER_MS);
	ck_assert(is_there("routes.json.new"));
	relay_down();
	ck_assert(!is_there("routes.json.new"));
	ck_assert(!is_there(STATE_FILE));
}
END_TEST

/* ---- what can go wrong ---- */

START_TEST(test_folder_that_can_not_be_written)
{
	char *whole = strdup(dir);
	snprintf(dir, sizeof(dir), "/proc/self/nothing");
	relay_up(NULL);
	load();
	small_relay_register(&relay, "a", "192.168.1.5:5683", "5");
	fake_net_advance(relay.net, 300000);
	ck_assert_int_ne(state_save(state, fake_net_now(relay.net)), 0);
	relay_down();
	snprintf(dir, sizeof(dir), "%s", whole);
	free(whole);
}
END_TEST

START_TEST(test_full_disk)
{
	relay_up(NULL);
	small_relay_register(&relay, "a", "192.168.1.5:5683", "5");
	save();
	struct text before = content();
	/* The new file can not be made: a folder stands there. */
	ck_assert_int_eq(mkdir(path_of("routes.json.new"), 0700), 0);
	small_relay_register(&relay, "b", "192.168.1.6:5683", "6");
	fake_net_advance(relay.net, 5000);
	struct text after = content();
	ck_assert_str_eq(text_str(&before), text_str(&after));
	text_fini(&before);
	text_fini(&after);
	ck_assert_int_eq(rmdir(path_of("routes.json.new")), 0);
	fake_net_advance(relay.net, STATE_RETRY_MS + 1000);
	after = content();
	ck_assert_ptr_nonnull(strstr(text_str(&after), "192.168.1.6"));
	text_fini(&after);
	relay_down();
}
END_TEST

START_TEST(test_folder_is_made)
{
	snprintf(dir + strlen(dir), sizeof(dir) - strlen(dir), "/a/b");
	relay_up(NULL);
	save();
	ck_assert(is_there(STATE_FILE));
	relay_down();
	dir[strlen(dir) - 4] = '\0';
}
END_TEST

START_TEST(test_second_daemon_is_refused)
{
	struct state *second = NULL;
	relay_up(NULL);
	struct state_spec how = { .datapath = relay.dp, .dir = dir, .wall = wall };
	ck_assert_int_eq(state_create(&second, &how), -EBUSY);
	ck_assert_ptr_null(second);
	relay_down();
	relay_up(NULL);
	relay_down();
}
END_TEST

/* A reader that looks while the file is replaced again and again always finds a whole one. */
START_TEST(test_replaced_in_one_step)
{
	struct small_spec spec = { .max = 1000 };
	relay_up(&spec);
	small_relay_crowd(&relay, 0, 100);
	save();
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		for (unsigned i = 0; i < 200; i++) {
			struct rows_fault fault;
			int64_t saved_at;
			FILE *f = fopen(path_of(STATE_FILE), "r");
			if (f == NULL || rows_read(f, &saved_at, NULL, NULL, &fault) != 0)
				_exit(1);
			fclose(f);
		}
		_exit(0);
	}
	int status = 0;
	while (waitpid(child, &status, WNOHANG) == 0)
		save();
	ck_assert_int_eq(status, 0);
	relay_down();
}
END_TEST

#define STATE_TEST(test)                                                                           \
	do {                                                                                       \
		TCase *c = tcase_create(#test);                                                    \
		tcase_set_timeout(c, 60);                                                          \
		tcase_add_checked_fixture(c, setup, teardown);                                     \
		tcase_add_test(c, test);                                                           \
		suite_add_tcase(s, c);                                                             \
	} while (0)

Suite *state_suite(void)
{
	Suite *s = suite_create("state");
	STATE_TEST(test_round_trip);
	STATE_TEST(test_clock_that_jumps);
	STATE_TEST(test_expired_meanwhile_keeps_its_port);
	STATE_TEST(test_port_without_flow);
	STATE_TEST(test_name_of_any_bytes);
	STATE_TEST(test_static_device);
	STATE_TEST(test_link_local_device);
	STATE_TEST(test_missing_file_is_a_first_start);
	STATE_TEST(test_cut_file_is_set_aside);
	STATE_TEST(test_empty_file_and_folder_in_place);
	STATE_TEST(test_good_rows_before_a_bad_one_are_not_used);
	STATE_TEST(test_what_the_configuration_does_not_want);
	STATE_TEST(test_interface_that_is_gone);
	STATE_TEST(test_handshakes_are_paced);
	STATE_TEST(test_written_a_second_after_a_change);
	STATE_TEST(test_written_in_steps);
	STATE_TEST(test_reload_while_writing);
	STATE_TEST(test_large_tables_are_saved_less_often);
	STATE_TEST(test_half_written_is_removed);
	STATE_TEST(test_folder_that_can_not_be_written);
	STATE_TEST(test_full_disk);
	STATE_TEST(test_folder_is_made);
	STATE_TEST(test_second_daemon_is_refused);
	STATE_TEST(test_replaced_in_one_step);
	return s;
}
