/* Whoever speaks without a flow (DESIGN.md 6, rules 1, 2, 5, 6, 15). */
#include "suite.h"
#include "trunk.h"
#include "rig.h"

static const char *const reg = "rd?ep=dev&lt=60";

START_TEST(rule1_register_makes_a_flow)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	ck_assert(f->is_live);
	ck_assert_str_eq(f->location, "/rd/0");
	rig_free(r);
}
END_TEST

Suite *newcomer_suite(void)
{
	(void)reg;
	Suite *s = suite_create("newcomer");
	SUITE_TEST(s, rule1_register_makes_a_flow);
	return s;
}
