/* The directory: who has an endpoint, an address, a port; from several threads. */
#include "suite.h"
#include "threads.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "directory.h"

static struct directory *make(void)
{
	struct directory *d;
	ck_assert_int_eq(directory_create(&d), 0);
	return d;
}

static struct place at(const char *device, uint32_t listener, bool is_secure)
{
	struct addr a;
	ck_assert_int_eq(addr_parse(&a, device), 0);
	return place_of(&a, listener, is_secure);
}

static unsigned owner(struct directory *d, const char *name)
{
	return directory_owner(d, slice_str(name));
}

START_TEST(directory_gives_an_endpoint_to_one_worker)
{
	struct directory *d = make();
	ck_assert_uint_eq(owner(d, "dev"), DIRECTORY_NOBODY);
	ck_assert(directory_enter(d, "dev", 1));
	ck_assert(directory_enter(d, "dev", 1));
	ck_assert(!directory_enter(d, "dev", 0));
	ck_assert(directory_enter(d, "other", 0));
	ck_assert_uint_eq(owner(d, "dev"), 1);
	directory_leave(d, "dev", 1);
	ck_assert(!directory_enter(d, "dev", 0));
	directory_leave(d, "dev", 1);
	ck_assert_uint_eq(owner(d, "dev"), DIRECTORY_NOBODY);
	ck_assert(directory_enter(d, "dev", 0));
	ck_assert_uint_eq(owner(d, "other"), 0);
	directory_free(d);
}
END_TEST

START_TEST(directory_knows_places_apart)
{
	struct directory *d = make();
	struct place plain = at("192.0.2.1:5683", 1, false);
	struct place others[] = { at("192.0.2.1:5683", 1, true), at("192.0.2.1:5683", 2, false),
		at("192.0.2.1:5684", 1, false), at("192.0.2.2:5683", 1, false),
		place_of_cid(plain.bytes) };
	ck_assert(directory_place_enter(d, &plain, 1, false));
	ck_assert_uint_eq(directory_place(d, &plain), 1);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_uint_eq(directory_place(d, &others[i]), DIRECTORY_NOBODY);
	directory_place_leave(d, &plain, 1);
	ck_assert_uint_eq(directory_place(d, &plain), DIRECTORY_NOBODY);
	directory_free(d);
}
END_TEST

START_TEST(directory_gives_a_place_away_only_to_who_takes_it)
{
	struct directory *d = make();
	struct place p = at("[fd00::1]:5683", 1, true);
	ck_assert(directory_place_enter(d, &p, 1, false));
	ck_assert(directory_place_enter(d, &p, 1, true));
	ck_assert(!directory_place_enter(d, &p, 0, false));
	ck_assert_uint_eq(directory_place(d, &p), 1);
	ck_assert(directory_place_enter(d, &p, 0, true));
	ck_assert_uint_eq(directory_place(d, &p), 0);
	directory_place_leave(d, &p, 1); /* of no effect: it was taken */
	directory_place_leave(d, &p, 1);
	ck_assert_uint_eq(directory_place(d, &p), 0);
	directory_place_leave(d, &p, 0);
	ck_assert_uint_eq(directory_place(d, &p), DIRECTORY_NOBODY);
	directory_free(d);
}
END_TEST

/* Who took a place for a while takes away nothing: what the other one has there is counted still. */
START_TEST(directory_gives_a_place_back)
{
	struct directory *d = make();
	struct place p = at("192.0.2.1:5684", 1, true);
	ck_assert(directory_place_enter(d, &p, 0, true));
	ck_assert(directory_place_enter(d, &p, 0, true));
	ck_assert(directory_place_enter(d, &p, 1, true));
	ck_assert_uint_eq(directory_place(d, &p), 1);
	directory_place_leave(d, &p, 1);
	ck_assert_uint_eq(directory_place(d, &p), 0);
	ck_assert(directory_place_enter(d, &p, 1, true));
	ck_assert(directory_place_enter(d, &p, 0, true));
	ck_assert_uint_eq(directory_place(d, &p), 0);
	directory_place_leave(d, &p, 0);
	directory_place_leave(d, &p, 0);
	ck_assert_uint_eq(directory_place(d, &p), 0);
	directory_place_leave(d, &p, 0);
	ck_assert_uint_eq(directory_place(d, &p), 1);
	directory_place_leave(d, &p, 1);
	ck_assert_uint_eq(directory_place(d, &p), DIRECTORY_NOBODY);
	directory_free(d);
}
END_TEST

START_TEST(directory_remembers_ports_beyond_flows)
{
	struct directory *d = make();
	ck_assert(directory_enter(d, "dev", 1));
	directory_set_port(d, "dev", "cloud", false, 4711);
	directory_set_port(d, "dev", "cloud", true, 4712);
	directory_set_port(d, "dev", "other", false, 4713);
	directory_leave(d, "dev", 1);
	ck_assert_uint_eq(owner(d, "dev"), DIRECTORY_NOBODY);
	ck_assert_uint_eq(directory_port(d, "dev", "cloud", false), 4711);
	ck_assert_uint_eq(directory_port(d, "dev", "cloud", true), 4712);
	ck_assert_uint_eq(directory_port(d, "dev", "other", false), 4713);
	ck_assert_uint_eq(directory_port(d, "dev", "other", true), 0);
	directory_set_port(d, "dev", "cloud", false, 0);
	ck_assert_uint_eq(directory_port(d, "dev", "cloud", false), 0);
	ck_assert_uint_eq(directory_port(d, "dev", "cloud", true), 4712);
	ck_assert_uint_eq(directory_port(d, "nobody", "cloud", true), 0);
	directory_free(d);
}
END_TEST

START_TEST(directory_counts_flows_exactly)
{
	struct directory *d = make();
	for (int i = 0; i < 3; i++)
		ck_assert(directory_add_flow(d, 3));
	ck_assert(!directory_add_flow(d, 3));
	directory_remove_flow(d);
	ck_assert(directory_add_flow(d, 3));
	ck_assert_uint_eq(directory_flows(d), 3);
	directory_free(d);
}
END_TEST

#define NAMES 3000
#define THREADS 4

struct visitor {
	struct directory *directory;
	unsigned worker;
	unsigned got; /* endpoints that became its own */
};

/* Wants every endpoint, each at a place of its own. */
static void *visit(void *who)
{
	struct visitor *v = who;
	for (unsigned i = 0; i < NAMES; i++) {
		char name[20];
		struct addr a = addr_any(true, (uint16_t)(i + 1));
		struct place p = place_of(&a, 1, false);
		snprintf(name, sizeof(name), "dev%u", i);
		if (!directory_enter(v->directory, name, v->worker))
			continue;
		v->got++;
		BUG_UNLESS(directory_place_enter(v->directory, &p, v->worker, false)); /* Check has one thread */
		BUG_UNLESS(directory_add_flow(v->directory, NAMES));
	}
	return NULL;
}

START_TEST(directory_lets_one_of_many_have_it)
{
	struct directory *d = make();
	struct visitor v[THREADS];
	pthread_t thread[THREADS];
	unsigned all = 0;
	for (unsigned i = 0; i < THREADS; i++) {
		v[i] = (struct visitor){ d, i, 0 };
		ck_assert_int_eq(pthread_create(&thread[i], NULL, visit, &v[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
		all += v[i].got;
	}
	ck_assert_uint_eq(all, NAMES);
	ck_assert_uint_eq(directory_flows(d), NAMES);
	directory_free(d);
}
END_TEST

Suite *directory_suite(void)
{
	Suite *s = suite_create("directory");
	SUITE_TEST(s, directory_gives_an_endpoint_to_one_worker);
	SUITE_TEST(s, directory_knows_places_apart);
	SUITE_TEST(s, directory_gives_a_place_away_only_to_who_takes_it);
	SUITE_TEST(s, directory_gives_a_place_back);
	SUITE_TEST(s, directory_remembers_ports_beyond_flows);
	SUITE_TEST(s, directory_counts_flows_exactly);
	SUITE_TEST(s, directory_lets_one_of_many_have_it);
	return s;
}
