/* The routing table at work, alone and against a model. */
#include "flow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rig.h"
#include "suite.h"
#include "trunk.h"

static struct lan_key key_of(unsigned host, unsigned port, unsigned listener)
{
	struct lan_key k = { .device = at("10.0.0.0"), .ifindex = 2, .listener = listener };
	k.device.ip[14] = (uint8_t)(host >> 8);
	k.device.ip[15] = (uint8_t)host;
	k.device.port = (uint16_t)port;
	return k;
}

static struct flows *make(size_t most)
{
	struct flows *t;
	ck_assert_int_eq(flows_create(&t, most), 0);
	return t;
}

static void clear(struct flows *t)
{
	struct flow *f;
	for (size_t i = 0; (f = flow_next(t, &i)) != NULL;)
		flow_remove(t, f);
	ck_assert_uint_eq(flows_count(t), 0);
	flows_free(t);
}

START_TEST(every_part_of_the_key_counts)
{
	struct flows *t = make(8);
	struct lan_key k = key_of(1, 5683, 1);
	struct flow *f = flow_add(t, &k);
	ck_assert_ptr_eq(flow_find(t, &k), f);
	struct lan_key other[7] = { k, k, k, k, k, k, k };
	other[0].device.port++;
	other[1].device.ip[15]++;
	other[2].device.scope++;
	other[3].ifindex++;
	other[4].listener++;
	other[5].server++;
	other[6].server = 1U << 16; /* the same in the hash */
	for (int i = 0; i < 7; i++)
		ck_assert_ptr_null(flow_find(t, &other[i]));
	clear(t);
}
END_TEST

START_TEST(what_is_fetched_is_what_is_found)
{
	struct flows *t = make(64);
	struct lan_key key[64];
	unsigned same = 0;
	key[0] = key_of(0, 5683, 1);
	ck_assert_ptr_null(flow_fetch_at(t, flow_fetch_place(t, &key[0])));
	for (unsigned i = 0; i < 64; i++) {
		key[i] = key_of(i, 5683, 1);
		ck_assert_ptr_nonnull(flow_add(t, &key[i]));
	}
	for (unsigned i = 0; i < 64; i++)
		same += flow_fetch_at(t, flow_fetch_place(t, &key[i])) == flow_find(t, &key[i]);
	ck_assert_ptr_eq(flow_fetch_id(t, flow_find(t, &key[7])->id), flow_find(t, &key[7]));
	ck_assert_ptr_null(flow_fetch_id(t, (struct flow_id){ 0 }));
	ck_assert_ptr_null(flow_fetch_id(t, (struct flow_id){ .slot = 65 }));
	/* All but who was put aside by another of the same place; a half of the places is free. */
	ck_assert_uint_gt(same, 16);
	clear(t);
}
END_TEST

START_TEST(full_table_takes_no_more_until_one_goes)
{
	struct flows *t = make(3);
	struct lan_key k[4];
	struct flow *f[4];
	for (unsigned i = 0; i < 4; i++) {
		k[i] = key_of(i, 1, 1);
		f[i] = flow_add(t, &k[i]);
		ck_assert(i < 3 ? f[i] != NULL : f[i] == NULL);
	}
	ck_assert_uint_eq(flows_count(t), 3);
	flow_remove(t, f[1]);
	ck_assert_ptr_nonnull(flow_add(t, &k[3]));
	clear(t);
}
END_TEST

START_TEST(stale_id_finds_nothing)
{
	struct flows *t = make(1);
	struct lan_key k = key_of(1, 1, 1);
	struct flow_id id[50];
	for (int i = 0; i < 50; i++) {
		struct flow *f = flow_add(t, &k);
		id[i] = f->id;
		ck_assert_ptr_eq(flow_by_id(t, id[i]), f);
		for (int j = 0; j < i; j++)
			ck_assert_ptr_null(flow_by_id(t, id[j]));
		flow_remove(t, f);
		ck_assert_ptr_null(flow_by_id(t, id[i]));
	}
	ck_assert_ptr_null(flow_by_id(t, (struct flow_id){ 0, 0 }));
	ck_assert_ptr_null(flow_by_id(t, (struct flow_id){ 1, 0 }));
	ck_assert_ptr_null(flow_by_id(t, (struct flow_id){ UINT32_MAX, 1 }));
	clear(t);
}
END_TEST

START_TEST(flows_of_one_key_are_siblings_in_any_order_of_removal)
{
	static const int order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 },
		{ 2, 0, 1 }, { 2, 1, 0 } };
	struct flows *t = make(8);
	struct lan_key k = key_of(1, 1, 1);
	struct flow *f[3];
	for (int i = 0; i < 3; i++)
		f[i] = flow_add(t, &k);
	for (int gone = 0; gone < 3; gone++) {
		unsigned seen = 0;
		for (struct flow *g = flow_find(t, &k); g != NULL; g = g->sibling)
			seen++;
		ck_assert_uint_eq(seen, 3 - gone);
		flow_remove(t, f[order[_i][gone]]);
	}
	ck_assert_ptr_null(flow_find(t, &k));
	clear(t);
}
END_TEST

START_TEST(rekey_leaves_the_old_key_to_others)
{
	struct flows *t = make(8);
	struct lan_key a = key_of(1, 1, 1), b = key_of(2, 1, 1);
	struct flow *one = flow_add(t, &a), *two = flow_add(t, &a), *three = flow_add(t, &b);
	flow_rekey(t, one, &b);
	ck_assert_ptr_eq(flow_find(t, &a), two);
	ck_assert_ptr_null(two->sibling);
	ck_assert_ptr_eq(flow_find(t, &b), one);
	ck_assert_ptr_eq(one->sibling, three);
	flow_rekey(t, one, &b);
	ck_assert_ptr_eq(one->sibling, three);
	flow_rekey(t, two, &b);
	ck_assert_ptr_null(flow_find(t, &a));
	ck_assert_ptr_eq(flow_by_id(t, one->id), one);
	clear(t);
}
END_TEST

START_TEST(location_is_found_by_host_interface_and_listener)
{
	struct flows *t = make(8);
	struct lan_key k = key_of(1, 1, 1);
	struct flow *f = flow_add(t, &k);
	ck_assert_ptr_null(flow_by_location(t, &k, "/rd/0"));
	f->location = strdup("/rd/0");
	struct lan_key other = k;
	other.device.port = 999;
	ck_assert_ptr_eq(flow_by_location(t, &other, "/rd/0"), f);
	ck_assert_ptr_null(flow_by_location(t, &other, "/rd/1"));
	other.ifindex++;
	ck_assert_ptr_null(flow_by_location(t, &other, "/rd/0"));
	other.ifindex--;
	other.listener++;
	ck_assert_ptr_null(flow_by_location(t, &other, "/rd/0"));
	other = key_of(2, 1, 1);
	ck_assert_ptr_null(flow_by_location(t, &other, "/rd/0"));
	flow_rekey(t, f, &other);
	ck_assert_ptr_eq(flow_by_location(t, &other, "/rd/0"), f);
	ck_assert_ptr_null(flow_by_location(t, &k, "/rd/0"));
	clear(t);
}
END_TEST

START_TEST(set_most_grows_and_shrinks_and_loses_nobody)
{
	struct flows *t = make(1);
	struct lan_key k[300];
	struct flow *f[300];
	for (unsigned i = 0; i < 300; i++) {
		k[i] = key_of(i / 2, 1, 1); /* two of each */
		ck_assert_int_eq(flows_set_most(t, i + 1), 0);
		f[i] = flow_add(t, &k[i]);
		ck_assert_ptr_nonnull(f[i]);
		char location[20];
		snprintf(location, sizeof(location), "/rd/%u", i);
		f[i]->location = strdup(location);
	}
	for (unsigned i = 0; i < 300; i++) {
		ck_assert_ptr_eq(flow_by_location(t, &k[i], f[i]->location), f[i]);
		struct flow *first = flow_find(t, &k[i]);
		ck_assert(first == f[i] || first->sibling == f[i]);
	}
	ck_assert_int_eq(flows_set_most(t, 10), 0);
	ck_assert_uint_eq(flows_most(t), 10);
	ck_assert_uint_eq(flows_count(t), 300);
	ck_assert_ptr_null(flow_add(t, &k[0]));
	for (unsigned i = 0; i < 291; i++)
		flow_remove(t, f[i]);
	ck_assert_ptr_nonnull(flow_add(t, &k[0]));
	clear(t);
}
END_TEST

START_TEST(walk_sees_each_flow_once_while_they_end)
{
	struct flows *t = make(200);
	for (unsigned i = 0; i < 200; i++) {
		struct lan_key k = key_of(i, 1, 1);
		ck_assert_ptr_nonnull(flow_add(t, &k));
	}
	unsigned seen = 0;
	struct flow *f;
	for (size_t i = 0; (f = flow_next(t, &i)) != NULL; seen++)
		if (seen % 2 == 0)
			flow_remove(t, f);
	ck_assert_uint_eq(seen, 200);
	ck_assert_uint_eq(flows_count(t), 100);
	clear(t);
}
END_TEST

START_TEST(drops_are_counted_on_the_flow_and_in_all)
{
	struct flows *t = make(1);
	struct counters stat = { 0 };
	struct lan_key k = key_of(1, 1, 1);
	struct flow *f = flow_add(t, &k);
	flow_drop(f, &stat, DROP_HELD_FULL);
	flow_drop(f, &stat, DROP_HELD_FULL);
	ck_assert_uint_eq(f->drops[DROP_HELD_FULL], 2);
	ck_assert_uint_eq(stat.drop[DROP_HELD_FULL], 2);
	clear(t);
}
END_TEST

/* ---- against a model: a plain array ---- */

enum { MODEL = 150, KEYS = 90 };

struct model {
	struct flow *flow[MODEL];
	unsigned key[MODEL];
	struct flow_id id[MODEL];
	unsigned count;
};

static struct lan_key model_key(unsigned i)
{
	return key_of(i % 10, i / 10, 1 + i % 2);
}

static void compare(const struct flows *t, const struct model *m)
{
	unsigned members[KEYS] = { 0 }, found[KEYS] = { 0 };
	ck_assert_uint_eq(flows_count(t), m->count);
	for (unsigned i = 0; i < m->count; i++) {
		ck_assert_ptr_eq(flow_by_id(t, m->id[i]), m->flow[i]);
		members[m->key[i]]++;
	}
	for (unsigned k = 0; k < KEYS; k++) {
		struct lan_key key = model_key(k);
		for (struct flow *f = flow_find(t, &key); f != NULL; f = f->sibling) {
			ck_assert(addr_eq(&f->key.device, &key.device));
			ck_assert_uint_eq(f->key.listener, key.listener);
			found[k]++;
		}
		ck_assert_uint_eq(found[k], members[k]);
	}
}

static void step(struct flows *t, struct model *m, unsigned short seed[3])
{
	unsigned what = (unsigned)nrand48(seed) % 10, k = (unsigned)nrand48(seed) % KEYS;
	unsigned i = m->count == 0 ? 0 : (unsigned)nrand48(seed) % m->count;
	struct lan_key key = model_key(k);
	if (what < 4) {
		struct flow *f = flow_add(t, &key);
		ck_assert((f == NULL) == (m->count >= flows_most(t)));
		if (f == NULL)
			return;
		m->flow[m->count] = f;
		m->id[m->count] = f->id;
		m->key[m->count++] = k;
	} else if (what < 7 && m->count > 0) {
		flow_remove(t, m->flow[i]);
		m->flow[i] = m->flow[--m->count];
		m->id[i] = m->id[m->count];
		m->key[i] = m->key[m->count];
	} else if (what < 9 && m->count > 0) {
		flow_rekey(t, m->flow[i], &key);
		m->key[i] = k;
	} else if (what == 9) {
		ck_assert_int_eq(flows_set_most(t, 1 + (unsigned)nrand48(seed) % MODEL), 0);
	}
}

START_TEST(table_agrees_with_a_model)
{
	unsigned first = rig_seed() + (unsigned)_i;
	unsigned short seed[3] = { (unsigned short)first, (unsigned short)(first >> 16), 1 };
	struct flows *t = make(40);
	struct model m = { .count = 0 };
	for (unsigned i = 0; i < 3000; i++) {
		step(t, &m, seed);
		if (i % 8 == 0)
			compare(t, &m);
	}
	compare(t, &m);
	clear(t);
}
END_TEST

Suite *flow_suite(void)
{
	Suite *s = suite_create("flow");
	TCase *t = tcase_create("tables");
	tcase_add_loop_test(t, flows_of_one_key_are_siblings_in_any_order_of_removal, 0, 6);
	tcase_add_loop_test(t, table_agrees_with_a_model, 0, 8);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SUITE_TEST(s, every_part_of_the_key_counts);
	SUITE_TEST(s, what_is_fetched_is_what_is_found);
	SUITE_TEST(s, full_table_takes_no_more_until_one_goes);
	SUITE_TEST(s, stale_id_finds_nothing);
	SUITE_TEST(s, rekey_leaves_the_old_key_to_others);
	SUITE_TEST(s, location_is_found_by_host_interface_and_listener);
	SUITE_TEST(s, set_most_grows_and_shrinks_and_loses_nobody);
	SUITE_TEST(s, walk_sees_each_flow_once_while_they_end);
	SUITE_TEST(s, drops_are_counted_on_the_flow_and_in_all);
	return s;
}
