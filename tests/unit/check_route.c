/* Which endpoint goes to which server. */
#include "route.h"
#include <stdio.h>
#include <string.h>
#include "base/secret.h"
#include "rig.h"
#include "suite.h"
#include "trunk.h"

/* Servers of the test stand in an array, as the sections do. */
struct world {
	struct rig *rig; /* for its configuration alone */
	struct server server[3];
	struct routes *routes;
};

static struct server *find(void *who, const char *name)
{
	struct world *w = who;
	for (size_t i = 0; i < w->rig->conf.server_count; i++)
		if (strcmp(w->rig->servers[i].name, name) == 0)
			return &w->server[i];
	return NULL;
}

static void world_init(struct world *w)
{
	*w = (struct world){ .rig = rig_create() };
	rig_add_server(w->rig, "second", CLOUD2, 5683);
	rig_add_server(w->rig, "bs", CLOUD2, 5684);
	for (size_t i = 0; i < 3; i++)
		w->server[i].name = (char *)(uintptr_t)w->rig->servers[i].name;
}

static void world_make(struct world *w)
{
	ck_assert_int_eq(routes_create(&w->routes, &w->rig->conf, find, w), 0);
}

static void world_fini(struct world *w)
{
	routes_free(w->routes);
	ck_assert_uint_eq(secret_held(), 0); /* the rig's configuration is its own */
	rig_free(w->rig);
}

START_TEST(first_of_the_file_wins_unless_a_server_is_preferred)
{
	struct world w;
	world_init(&w);
	rig_endpoint(w.rig, "dev", "second");
	rig_endpoint(w.rig, "dev", "cloud");
	world_make(&w);
	struct slice dev = slice_str("dev");
	ck_assert_ptr_eq(route_find(w.routes, dev, false, NULL)->server, &w.server[1]);
	ck_assert_ptr_eq(route_find(w.routes, dev, false, &(struct route_way){ .preferred = &w.server[0] })->server, &w.server[0]);
	ck_assert_ptr_eq(route_find(w.routes, dev, false, &(struct route_way){ .preferred = &w.server[2] })->server, &w.server[1]);
	ck_assert_ptr_null(route_find(w.routes, dev, true, NULL));
	ck_assert_ptr_null(route_find(w.routes, slice_str("de"), false, NULL));
	ck_assert_ptr_null(route_find(w.routes, slice_str("dev2"), false, NULL));
	ck_assert_ptr_null(route_find(w.routes, slice_str(""), false, NULL));
	ck_assert_ptr_eq(route_find_exact(w.routes, "dev", "cloud", false)->server, &w.server[0]);
	ck_assert_ptr_null(route_find_exact(w.routes, "dev", "cloud", true));
	ck_assert_ptr_null(route_find_exact(w.routes, "dev", "bs", false));
	world_fini(&w);
}
END_TEST

START_TEST(rule6_bootstrap_server_is_a_route_of_its_own)
{
	struct world w;
	world_init(&w);
	rig_endpoint(w.rig, "both", "cloud")->bootstrap_server = &w.rig->servers[2];
	struct conf_endpoint *e = rig_endpoint(w.rig, "only", NULL);
	e->bootstrap_server = &w.rig->servers[2];
	e->has_address = true;
	e->address = at(A);
	world_make(&w);
	ck_assert_ptr_eq(route_find(w.routes, slice_str("both"), true, NULL)->server, &w.server[2]);
	ck_assert_ptr_eq(route_find(w.routes, slice_str("both"), false, NULL)->server, &w.server[0]);
	ck_assert_ptr_nonnull(route_find(w.routes, slice_str("only"), true, NULL));
	ck_assert_ptr_null(route_find(w.routes, slice_str("only"), false, NULL));
	struct addr a = at(A);
	ck_assert_ptr_null(route_by_address(w.routes, &a, NULL)); /* bootstrap alone is not static */
	world_fini(&w);
}
END_TEST

START_TEST(endpoint_without_a_server_goes_to_the_first_listener_that_has_one)
{
	struct world w;
	world_init(&w);
	rig_endpoint(w.rig, "dev", NULL);
	rig_add_listen(w.rig, "other", 5783)->server = &w.rig->servers[1];
	world_make(&w);
	ck_assert_ptr_eq(route_find(w.routes, slice_str("dev"), false, NULL)->server, &w.server[1]);
	world_fini(&w);
}
END_TEST

START_TEST(endpoint_without_any_server_has_no_route)
{
	struct world w;
	world_init(&w);
	rig_endpoint(w.rig, "dev", NULL);
	world_make(&w);
	size_t i = 0;
	ck_assert_ptr_null(route_find(w.routes, slice_str("dev"), false, NULL));
	ck_assert_ptr_null(route_next(w.routes, &i));
	world_fini(&w);
}
END_TEST

START_TEST(static_addresses_are_found_with_and_without_port)
{
	struct world w;
	world_init(&w);
	static const char *const address[] = { "192.168.1.10", "192.168.1.10:40001", "[fd00::10]:7" };
	static const char *const name[] = { "any", "exact", "six" };
	for (int i = 0; i < 3; i++) {
		struct conf_endpoint *e = rig_endpoint(w.rig, name[i], "cloud");
		e->has_address = true;
		e->address = at(address[i]);
	}
	world_make(&w);
	struct addr a = at(A), a2 = at(A2), six = at("[fd00::10]:7"), seven = at("[fd00::10]:8");
	ck_assert_str_eq(route_by_address(w.routes, &a, NULL)->endpoint, "any");
	ck_assert_str_eq(route_by_address(w.routes, &a2, NULL)->endpoint, "exact");
	ck_assert_str_eq(route_by_address(w.routes, &six, NULL)->endpoint, "six");
	ck_assert_ptr_null(route_by_address(w.routes, &seven, NULL));
	struct addr b = at(B);
	ck_assert_ptr_null(route_by_address(w.routes, &b, NULL));
	world_fini(&w);
}
END_TEST

START_TEST(opaque_records_are_for_the_called_port_alone)
{
	struct world w;
	world_init(&w);
	struct conf_endpoint *e = rig_endpoint(w.rig, "dev", "bs");
	e->mode = CONF_OPAQUE;
	e->has_address = true;
	e->address = at(A);
	world_make(&w);
	w.server[2].port = 5684;
	struct addr a = at(A);
	struct route_way right = { .port = 5684 }, other = { .port = 5685 };
	ck_assert_ptr_nonnull(route_opaque(w.routes, "lan", &a, &right));
	ck_assert_ptr_nonnull(route_opaque(w.routes, "lan", &a, &(struct route_way){ 0 }));
	ck_assert_ptr_null(route_opaque(w.routes, "lan", &a, &other));
	world_fini(&w);
}
END_TEST

START_TEST(dynamic_routes_come_go_and_change_tables)
{
	struct world w, next;
	world_init(&w);
	world_make(&w);
	struct slice name = slice_str("stranger");
	struct route *r = route_dynamic(w.routes, name, &w.server[0]);
	struct route *same = route_dynamic(w.routes, name, &w.server[1]);
	ck_assert_ptr_eq(route_find(w.routes, name, false, NULL), r);
	ck_assert_ptr_eq(route_find(w.routes, name, false, &(struct route_way){ .preferred = &w.server[1] }), same);
	next = w;
	world_make(&next);
	route_adopt(next.routes, w.routes, r, &w.server[2]);
	ck_assert_ptr_eq(route_find(w.routes, name, false, NULL), same);
	ck_assert_ptr_eq(route_find(next.routes, name, false, NULL), r);
	ck_assert_ptr_eq(r->server, &w.server[2]);
	route_free(w.routes, same);
	ck_assert_ptr_null(route_find(w.routes, name, false, NULL));
	route_free(next.routes, r);
	ck_assert_ptr_null(route_find(next.routes, name, false, NULL));
	routes_free(next.routes);
	world_fini(&w);
}
END_TEST

START_TEST(same_way_is_same_server_identity_and_key)
{
	struct world w;
	world_init(&w);
	for (int i = 0; i < 5; i++)
		rig_endpoint(w.rig, "dev", i == 1 ? "second" : "cloud");
	w.rig->endpoints[2].identity = "other";
	w.rig->endpoints[3].key.n--;
	world_make(&w);
	struct route *r[5];
	size_t at_route = 0;
	for (int i = 0; i < 5; i++)
		r[i] = route_next(w.routes, &at_route);
	ck_assert(!route_same_way(r[0], r[1]));
	ck_assert(!route_same_way(r[0], r[2]));
	ck_assert(!route_same_way(r[0], r[3]));
	ck_assert(route_same_way(r[0], r[4]));
	const uint8_t *key = r[0]->key.p;
	route_swap_texts(r[0], r[4]);
	ck_assert_ptr_eq(r[4]->key.p, key);
	world_fini(&w);
}
END_TEST

START_TEST(credentials_stand_in_memory_for_keys)
{
	struct world w;
	world_init(&w);
	rig_endpoint(w.rig, "dev", "cloud");
	world_make(&w);
	size_t at_route = 0;
	struct route *r = route_next(w.routes, &at_route);
	ck_assert_uint_gt(r->key.n, 0);
	ck_assert_uint_gt(r->identity.n, 0);
	ck_assert_uint_eq(secret_held(), 2);
	world_fini(&w);
}
END_TEST

START_TEST(hundreds_of_names_are_all_found)
{
	struct world w;
	world_init(&w);
	static char name[RIG_ENDPOINTS][16];
	for (int i = 0; i < RIG_ENDPOINTS; i++) {
		snprintf(name[i], sizeof(name[i]), "dev%d", i);
		rig_endpoint(w.rig, name[i], "cloud");
	}
	world_make(&w);
	for (int i = 0; i < RIG_ENDPOINTS; i++)
		ck_assert_str_eq(
			route_find(w.routes, slice_str(name[i]), false, NULL)->endpoint, name[i]);
	world_fini(&w);
}
END_TEST

/* Routes that share a hash are looked at one by one: there must be few, also of invented names. */
START_TEST(dynamic_routes_do_not_crowd)
{
	static struct route *made[4096];
	struct world w;
	char name[16];
	world_init(&w);
	w.rig->conf.gateway.max_endpoints = 4096;
	world_make(&w);
	for (unsigned i = 0; i < 4096; i++) {
		snprintf(name, sizeof(name), "new%u", i);
		made[i] = route_dynamic(w.routes, slice_str(name), &w.server[0]);
		ck_assert_ptr_nonnull(made[i]);
	}
	for (unsigned i = 0; i < 4096; i++) {
		unsigned n = 0;
		for (const struct route *r = made[i]; r != NULL; r = r->next_name)
			n++;
		ck_assert_uint_lt(n, 32);
	}
	for (unsigned i = 0; i < 4096; i++)
		route_free(w.routes, made[i]);
	world_fini(&w);
}
END_TEST

Suite *route_suite(void)
{
	Suite *s = suite_create("route");
	SUITE_TEST(s, dynamic_routes_do_not_crowd);
	SUITE_TEST(s, first_of_the_file_wins_unless_a_server_is_preferred);
	SUITE_TEST(s, rule6_bootstrap_server_is_a_route_of_its_own);
	SUITE_TEST(s, endpoint_without_a_server_goes_to_the_first_listener_that_has_one);
	SUITE_TEST(s, endpoint_without_any_server_has_no_route);
	SUITE_TEST(s, static_addresses_are_found_with_and_without_port);
	SUITE_TEST(s, dynamic_routes_come_go_and_change_tables);
	SUITE_TEST(s, opaque_records_are_for_the_called_port_alone);
	SUITE_TEST(s, same_way_is_same_server_identity_and_key);
	SUITE_TEST(s, credentials_stand_in_memory_for_keys);
	SUITE_TEST(s, hundreds_of_names_are_all_found);
	return s;
}
