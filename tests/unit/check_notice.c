/* What strangers can make the relay write to its log. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "rig.h"
#include "suite.h"
#include "trunk.h"

/* The log goes to a file that is gone with the test's process. */
static FILE *log_to_file(void)
{
	FILE *file = tmpfile();
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
	log_open(LOG_TO_STDERR, "rig");
	return file;
}

/* Lines of the log with this text; the last one stands in `last`. */
static unsigned lines(FILE *file, const char *text, char last[1024])
{
	char line[1024];
	unsigned n = 0;
	rewind(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (strstr(line, text) != NULL) {
			memcpy(last, line, sizeof(line));
			n++;
		}
	return n;
}

START_TEST(contested_registers_do_not_flood_the_log)
{
	char last[1024] = "";
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	r->listens[0].move = false;
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	FILE *file = log_to_file();
	for (unsigned i = 0; i < 1000; i++)
		rig_device(r, B, coap(NON, "0.02", i, "aa", "rd?ep=dev"));
	ck_assert_uint_eq(lines(file, "was refused", last), NOTICE_BURST);
	ck_assert_ptr_null(strstr(last, "more like this"));
	rig_advance(r, 1000);
	rig_device(r, B, coap(NON, "0.02", 1, "aa", "rd?ep=dev"));
	ck_assert_uint_eq(lines(file, "was refused", last), NOTICE_BURST + NOTICE_PER_SECOND);
	ck_assert_ptr_nonnull(strstr(last, "(980 more like this were not written)"));
	rig_free(r);
}
END_TEST

START_TEST(moves_from_port_to_port_do_not_flood_the_log)
{
	char last[1024] = "", from[40];
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	FILE *file = log_to_file();
	for (unsigned i = 0; i < 200; i++) {
		snprintf(from, sizeof(from), "192.168.1.10:%u", 50000 + i % 2);
		rig_device(r, from, coap(NON, "0.02", i, "aa", "rd/0"));
		(void)rig_server_got(r);
	}
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 200);
	ck_assert_uint_eq(lines(file, "moved from", last), NOTICE_BURST);
	rig_free(r);
}
END_TEST

START_TEST(strangers_that_come_and_go_do_not_flood_the_log)
{
	char last[1024] = "", from[40], uri[40];
	struct rig *r = rig_create();
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->listens[0].server = rig_conf_server(r, "cloud");
	r->conf.gateway.max_endpoints = 400;
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	FILE *file = log_to_file();
	for (unsigned i = 0; i < 100; i++) {
		snprintf(from, sizeof(from), "192.168.2.%u:5683", i);
		snprintf(uri, sizeof(uri), "rd?ep=x%u", i);
		rig_device(r, from, coap(NON, "0.02", i, "aa", uri));
		ck_assert_str_ne(rig_server_got(r), "");
	}
	rig_advance(r, UNPROVEN_MS + 1000);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	ck_assert_uint_le(lines(file, "ended", last), NOTICE_BURST + 2);
	rig_register(r, A, "dev", "rd/0"); /* a line about a known device is always written */
	ck_assert_uint_eq(lines(file, "dev at", last), 1);
	rig_stop(r);
	ck_assert_uint_eq(lines(file, "dev at", last), 2);
	rig_free(r);
}
END_TEST

Suite *notice_suite(void)
{
	Suite *s = suite_create("notice");
	SUITE_TEST(s, contested_registers_do_not_flood_the_log);
	SUITE_TEST(s, moves_from_port_to_port_do_not_flood_the_log);
	SUITE_TEST(s, strangers_that_come_and_go_do_not_flood_the_log);
	return s;
}
