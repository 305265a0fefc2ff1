/* The control socket, over a real unix socket and a loop in memory: clients of all manners. */
#include "suite.h"
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "control/control.h"
#include "fake_net_int.h"
#include "small_relay.h"

Suite *tree_suite(void);
Suite *rows_suite(void);
Suite *state_suite(void);
Suite *answers_suite(void);
Suite *lwgate_suite(void);
Suite *look_suite(void);
Suite *look_kernel_suite(void);
Suite *look_ports_suite(void);

static struct small_relay relay;
static struct control *control;
static struct control_spec spec;
static char dir[64], path[96];

static int reload(void *who, struct text *said, struct mono now)
{
	(void)who;
	(void)now;
	text_add(said, "a warning\n");
	return 0;
}

static void setup(void)
{
	struct small_spec how = { .endpoints = 2, .max = 11000 };
	log_open(LOG_TO_NOBODY, "check");
	snprintf(dir, sizeof(dir), "/tmp/lwgate-control-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/run/lwgate.sock", dir);
	small_relay_up(&relay, &how);
	spec = (struct control_spec){ .datapath = relay.dp, .path = path, .config = "c", .state = "s",
		.started = fake_net_now(relay.net), .reload = reload };
	ck_assert_int_eq(control_create(&control, &spec), 0);
}

static void teardown(void)
{
	char command[128];
	control_free(control);
	small_relay_down(&relay);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* What epoll would tell of a descriptor now. */
static unsigned ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	ck_assert_int_ge(poll(&p, 1, 0), 0);
	return (p.revents & POLLIN ? LOOP_READ : 0u) | (p.revents & POLLOUT ? LOOP_WRITE : 0u) |
		(p.revents & (POLLHUP | POLLERR) ? LOOP_ERROR : 0u);
}

/* One wake-up: tells all owners of real descriptors once. */
static void pump(void)
{
	int fds[64];
	unsigned n = 0;
	list_each(node, &relay.net->foreign)
		fds[n++] = container_of(node, struct fake_foreign, node)->watch->fd;
	for (unsigned i = 0; i < n; i++) {
		bool watched = false;
		list_each(at, &relay.net->foreign)
			watched |= container_of(at, struct fake_foreign, node)->watch->fd == fds[i];
		if (watched && ready(fds[i]) != 0)
			fake_net_ready(relay.net, fds[i], ready(fds[i]));
	}
}

static unsigned watched(void)
{
	unsigned n = 0;
	list_each(node, &relay.net->foreign)
		n++;
	return n;
}

static int client(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(fd, 0);
	memcpy(un.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static void say(int fd, const char *line)
{
	ck_assert_int_eq(send(fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
}

/* Reads until the daemon closes, pumping; the descriptor is closed. */
static struct json_object *hear(int fd)
{
	struct text t = { 0 };
	char piece[65536];
	for (unsigned wakes = 0;; wakes++) {
		ck_assert_uint_lt(wakes, 100000);
		ssize_t n = recv(fd, piece, sizeof(piece), 0);
		if (n > 0)
			text_bytes(&t, piece, (size_t)n);
		else if (n == 0 || errno == ECONNRESET)
			break;
		else
			ck_assert_int_eq(errno, EAGAIN);
		pump();
	}
	close(fd);
	ck_assert_msg(t.n > 0 && t.p[t.n - 1] == '\n', "no whole line: %s", text_str(&t));
	struct json_object *o = json_tokener_parse(text_str(&t));
	ck_assert_msg(o != NULL, "no JSON: %s", text_str(&t));
	text_fini(&t);
	return o;
}

static void is_error(struct json_object *o, const char *part)
{
	struct json_object *error;
	ck_assert(json_object_object_get_ex(o, "error", &error));
	ck_assert_ptr_nonnull(strstr(json_object_get_string(error), part));
	json_object_put(o);
}

/* True when the other end closed without a word. */
static bool is_gone(int fd)
{
	char byte;
	bool gone = recv(fd, &byte, 1, 0) == 0;
	close(fd);
	return gone;
}

START_TEST(test_each_command)
{
	static const struct {
		const char *line, *member;
	} commands[] = { { "{\"cmd\":\"status\"}\n", "flows" }, { "{\"cmd\":\"routes\"}\n", "routes" },
		{ "{\"cmd\":\"endpoints\"}\n", "endpoints" }, { "{\"cmd\":\"metrics\"}\n", "metrics" },
		{ "{\"cmd\":\"reload\"}\n", "ok" }, { "{\"cmd\":\"dance\"}\n", "error" },
		{ "hello\n", "error" }, { "\n", "error" }, { "{\"cmd\":\"status\"}\nmore\n", "flows" } };
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct json_object *value;
		int fd = client();
		say(fd, commands[i].line);
		struct json_object *o = hear(fd);
		ck_assert_msg(json_object_object_get_ex(o, commands[i].member, &value), "%s",
			commands[i].line);
		json_object_put(o);
		ck_assert_uint_eq(watched(), 1);
	}
}
END_TEST

START_TEST(test_line_in_bytes)
{
	const char *line = "{\"cmd\":\"status\"}\n";
	int fd = client();
	for (; *line != '\0'; line++) {
		ck_assert_int_eq(send(fd, line, 1, MSG_NOSIGNAL), 1);
		pump();
	}
	json_object_put(hear(fd));
}
END_TEST

START_TEST(test_line_without_end)
{
	int fd = client();
	say(fd, "{\"cmd\":\"status\"}");
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	json_object_put(hear(fd));
}
END_TEST

START_TEST(test_line_too_long)
{
	char line[CONTROL_LINE * 2];
	memset(line, ' ', sizeof(line));
	memcpy(line, "{\"cmd\":\"status\"}", 16);
	int fd = client();
	ck_assert_int_eq(send(fd, line, sizeof(line), MSG_NOSIGNAL), sizeof(line));
	is_error(hear(fd), "too long");
	ck_assert_uint_eq(watched(), 1);
}
END_TEST

START_TEST(test_silence_is_ended)
{
	int fd = client(), drip = client();
	pump();
	pump();
	ck_assert_uint_eq(watched(), 3);
	for (unsigned i = 0; i < 9; i++) {
		fake_net_advance(relay.net, CONTROL_IDLE_MS / 10);
		say(drip, "{");
		pump();
	}
	ck_assert_uint_eq(watched(), 3);
	fake_net_advance(relay.net, CONTROL_IDLE_MS / 10 + 1);
	ck_assert_uint_eq(watched(), 1);
	ck_assert(is_gone(fd));
	close(drip);
}
END_TEST

START_TEST(test_client_that_leaves)
{
	int fd = client();
	pump();
	close(fd);
	pump();
	ck_assert_uint_eq(watched(), 1);
	fd = client();
	say(fd, "{\"cmd\":");
	pump();
	pump();
	close(fd);
	pump();
	pump();
	ck_assert_uint_eq(watched(), 1);
}
END_TEST

START_TEST(test_leaves_in_the_middle)
{
	char piece[4096];
	small_relay_crowd(&relay, 0, 1000);
	int fd = client();
	say(fd, "{\"cmd\":\"routes\"}\n");
	for (unsigned i = 0; i < 6; i++)
		pump();
	ck_assert_int_eq(recv(fd, piece, sizeof(piece), 0), sizeof(piece));
	ck_assert_uint_eq(watched(), 2);
	close(fd);
	for (unsigned i = 0; i < 3; i++)
		pump();
	ck_assert_uint_eq(watched(), 1);
}
END_TEST

START_TEST(test_slow_reader)
{
	small_relay_crowd(&relay, 0, 2000);
	int fd = client();
	say(fd, "{\"cmd\":\"routes\"}\n");
	for (unsigned i = 0; i < 500; i++)
		pump();
	/* What it does not take is not made either: it is idle then. */
	fake_net_advance(relay.net, CONTROL_IDLE_MS - 1);
	ck_assert_uint_eq(watched(), 2);
	struct json_object *routes, *o = hear(fd);
	ck_assert(json_object_object_get_ex(o, "routes", &routes));
	ck_assert_uint_eq(json_object_array_length(routes), 2000);
	json_object_put(o);
	fd = client();
	say(fd, "{\"cmd\":\"routes\"}\n");
	for (unsigned i = 0; i < 500; i++)
		pump();
	fake_net_advance(relay.net, CONTROL_IDLE_MS + 1);
	ck_assert_uint_eq(watched(), 1);
	close(fd);
}
END_TEST

START_TEST(test_ten_thousand_routes)
{
	small_relay_crowd(&relay, 0, 10000);
	int fd = client();
	say(fd, "{\"cmd\":\"routes\"}\n");
	struct json_object *routes, *o = hear(fd);
	ck_assert(json_object_object_get_ex(o, "routes", &routes));
	ck_assert_uint_eq(json_object_array_length(routes), 10000);
	json_object_put(o);
}
END_TEST

START_TEST(test_one_client_too_many)
{
	int fd[CONTROL_CLIENTS];
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
		fd[i] = client();
		pump();
	}
	ck_assert_uint_eq(watched(), CONTROL_CLIENTS + 1);
	is_error(hear(client()), "too many");
	ck_assert_uint_eq(watched(), CONTROL_CLIENTS + 1);
	say(fd[3], "{\"cmd\":\"status\"}\n");
	json_object_put(hear(fd[3]));
	fd[3] = client();
	say(fd[3], "{\"cmd\":\"status\"}\n");
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		if (i != 3)
			close(fd[i]);
	json_object_put(hear(fd[3]));
	pump();
	ck_assert_uint_eq(watched(), 1);
}
END_TEST

START_TEST(test_descriptors_run_out)
{
	struct rlimit before, none;
	int fd = client();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)fd + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	pump();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_uint_eq(watched(), 0);
	fake_net_advance(relay.net, 1001);
	ck_assert_uint_eq(watched(), 1);
	say(fd, "{\"cmd\":\"status\"}\n");
	json_object_put(hear(fd));
}
END_TEST

START_TEST(test_clients_at_the_end)
{
	int fd = client(), asking = client();
	small_relay_crowd(&relay, 0, 200);
	say(fd, "{\"cmd\":\"routes\"}\n");
	pump();
	pump();
	pump();
	control_free(control);
	ck_assert_uint_eq(watched(), 0);
	close(fd);
	close(asking);
	ck_assert_int_eq(control_create(&control, &spec), 0);
}
END_TEST

/* ---- the path ---- */

START_TEST(test_mode_and_end)
{
	struct stat st;
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	control_free(control);
	ck_assert_int_ne(lstat(path, &st), 0);
	ck_assert_int_eq(control_create(&control, &spec), 0);
}
END_TEST

START_TEST(test_live_daemon_is_left_alone)
{
	struct control *second = NULL;
	ck_assert_int_eq(control_create(&second, &spec), -EADDRINUSE);
	ck_assert_ptr_null(second);
	int fd = client();
	say(fd, "{\"cmd\":\"status\"}\n");
	json_object_put(hear(fd));
}
END_TEST

/* Leaves a socket that nobody serves. */
static void leave_dead(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(un.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
}

START_TEST(test_dead_daemon_is_replaced)
{
	control_free(control);
	leave_dead();
	ck_assert_int_eq(control_create(&control, &spec), 0);
	int fd = client();
	say(fd, "{\"cmd\":\"status\"}\n");
	json_object_put(hear(fd));
}
END_TEST

START_TEST(test_socket_of_somebody_else_stays)
{
	struct stat st;
	ck_assert_int_eq(unlink(path), 0);
	leave_dead();
	control_free(control);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_int_eq(control_create(&control, &spec), 0);
}
END_TEST

START_TEST(test_no_socket_at_the_path)
{
	struct control *none = NULL;
	struct stat st;
	char other[128], longest[256];
	struct control_spec there = spec;
	snprintf(other, sizeof(other), "%s/file", dir);
	FILE *f = fopen(other, "w");
	ck_assert_ptr_nonnull(f);
	fclose(f);
	there.path = other;
	ck_assert_int_eq(control_create(&none, &there), -EEXIST);
	ck_assert_int_eq(lstat(other, &st), 0);
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	there.path = longest;
	ck_assert_int_eq(control_create(&none, &there), -ENAMETOOLONG);
	there.path = "/dev/null/lwgate.sock";
	ck_assert_int_lt(control_create(&none, &there), 0);
	ck_assert_ptr_null(none);
}
END_TEST

#define CONTROL_TEST(test)                                                                         \
	do {                                                                                       \
		TCase *c = tcase_create(#test);                                                    \
		tcase_set_timeout(c, 120);                                                         \
		tcase_add_checked_fixture(c, setup, teardown);                                     \
		tcase_add_test(c, test);                                                           \
		suite_add_tcase(s, c);                                                             \
	} while (0)

static Suite *control_suite(void)
{
	Suite *s = suite_create("control");
	CONTROL_TEST(test_each_command);
	CONTROL_TEST(test_line_in_bytes);
	CONTROL_TEST(test_line_without_end);
	CONTROL_TEST(test_line_too_long);
	CONTROL_TEST(test_silence_is_ended);
	CONTROL_TEST(test_client_that_leaves);
	CONTROL_TEST(test_leaves_in_the_middle);
	CONTROL_TEST(test_slow_reader);
	CONTROL_TEST(test_ten_thousand_routes);
	CONTROL_TEST(test_one_client_too_many);
	CONTROL_TEST(test_descriptors_run_out);
	CONTROL_TEST(test_clients_at_the_end);
	CONTROL_TEST(test_mode_and_end);
	CONTROL_TEST(test_live_daemon_is_left_alone);
	CONTROL_TEST(test_dead_daemon_is_replaced);
	CONTROL_TEST(test_socket_of_somebody_else_stays);
	CONTROL_TEST(test_no_socket_at_the_path);
	return s;
}

SUITE_MAIN(control_suite, tree_suite, rows_suite, state_suite, answers_suite, lwgate_suite,
	look_suite, look_kernel_suite, look_ports_suite)
