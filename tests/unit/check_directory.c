/* The directory: who has an endpoint, an address, a Location, a port; from several threads. */
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

/* ---- Locations ---- */

static struct registration registration(const char *device, const char *location, uint32_t server, int64_t ms,
	unsigned worker)
{
	struct addr a;
	BUG_UNLESS(addr_parse(&a, device) == 0);
	return (struct registration){ origin_of(&a, 2, 1, 0), location, server, { ms }, worker };
}

/* Who is meant by "/rd/0" of a host. */
static unsigned meant(struct directory *d)
{
	struct addr a;
	BUG_UNLESS(addr_parse(&a, "192.0.2.1:1") == 0);
	struct origin origin = origin_of(&a, 2, 1, 0);
	return directory_location(d, &origin, "/rd/0");
}

START_TEST(directory_knows_the_newest_of_a_location)
{
	struct directory *d = make();
	struct located *kept[3] = { NULL };
	struct registration r[] = { registration("192.0.2.1:5683", "/rd/0", 1, 100, 0),
		registration("192.0.2.1:5684", "/rd/0", 1, 200, 1),
		registration("192.0.2.1:5685", "/rd/0", 1, 200, 2) };
	ck_assert_uint_eq(meant(d), DIRECTORY_NOBODY);
	ck_assert(directory_register(d, &kept[0], &r[0]));
	ck_assert_uint_eq(meant(d), 0);
	ck_assert(directory_register(d, &kept[1], &r[1]));
	ck_assert_uint_eq(meant(d), 1);
	ck_assert(directory_register(d, &kept[2], &r[2]));
	ck_assert_uint_eq(meant(d), DIRECTORY_NOBODY); /* at the same time */
	r[0].registered.ms = 201;
	ck_assert(directory_register(d, &kept[0], &r[0]));
	ck_assert_uint_eq(meant(d), 0);
	r[2].server = 2;
	ck_assert(directory_register(d, &kept[2], &r[2]));
	ck_assert_uint_eq(meant(d), DIRECTORY_NOBODY); /* of another server */
	for (int i = 2; i >= 0; i--) {
		ck_assert(directory_register(d, &kept[i], NULL));
		ck_assert_ptr_null(kept[i]);
		ck_assert_uint_eq(meant(d), i > 0 ? 0 : DIRECTORY_NOBODY);
	}
	directory_free(d);
}
END_TEST

START_TEST(directory_knows_many_locations)
{
	enum { MANY = 2000 };
	static struct located *kept[MANY];
	struct directory *d = make();
	for (unsigned i = 0; i < MANY; i++) {
		char location[16];
		snprintf(location, sizeof(location), "/rd/%u", i);
		struct registration r = registration("192.0.2.1:5683", location, 1, i, i % 7);
		ck_assert(directory_register(d, &kept[i], &r));
	}
	for (unsigned i = 0; i < MANY; i++) {
		char location[16];
		snprintf(location, sizeof(location), "/rd/%u", i);
		struct registration r = registration("192.0.2.1:5683", location, 1, i, i % 7);
		ck_assert_uint_eq(directory_location(d, &r.origin, location), i % 7);
		ck_assert(directory_register(d, &kept[i], NULL));
		ck_assert_uint_eq(directory_location(d, &r.origin, location), DIRECTORY_NOBODY);
	}
	directory_free(d);
}
END_TEST

#define ASKED 100000

struct asker {
	struct directory *directory;
	unsigned clear; /* how often it was clear whose a Location is */
};

static void *ask(void *who)
{
	struct asker *a = who;
	for (unsigned i = 0; i < ASKED; i++)
		a->clear += meant(a->directory) != DIRECTORY_NOBODY;
	return NULL;
}

/* Two have it, and one of them gets it again and again: at no moment it seems to be the other one's alone. */
START_TEST(directory_replaces_a_location_in_one_step)
{
	struct directory *d = make();
	struct asker asker = { d, 0 };
	pthread_t thread;
	struct located *kept[2] = { NULL };
	struct registration r[] = { registration("192.0.2.1:5683", "/rd/0", 1, 0, 0),
		registration("192.0.2.1:5684", "/rd/0", 2, 0, 1) };
	for (unsigned i = 0; i < 2; i++)
		ck_assert(directory_register(d, &kept[i], &r[i]));
	ck_assert_int_eq(pthread_create(&thread, NULL, ask, &asker), 0);
	for (unsigned i = 0; i < ASKED; i++)
		ck_assert(directory_register(d, &kept[0], &r[0]));
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(asker.clear, 0);
	for (unsigned i = 0; i < 2; i++)
		ck_assert(directory_register(d, &kept[i], NULL));
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
	SUITE_TEST(s, directory_knows_the_newest_of_a_location);
	SUITE_TEST(s, directory_knows_many_locations);
	SUITE_TEST(s, directory_replaces_a_location_in_one_step);
	return s;
}
