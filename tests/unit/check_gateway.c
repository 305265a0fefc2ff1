/* The daemon as a whole, in this process: it comes up and goes down a thousand times, and fails to
 * come up in every way that a configuration or a machine knows, and nothing is left of it: no
 * descriptor, no byte, no file, no blocked signal. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "base/secret.h"
#include "check_confine.h"
#include "gateway.h"
#include "tests/unit/suite.h"

/* Of the sanitizer that this is linked with; gcc's package has no header for it. */
size_t __sanitizer_get_current_allocated_bytes(void);

#define CYCLES 1000
#define FAILURES 50

static char dir[64];          /* all files of a test */
static char conf[96], sock[96], state[96];
static struct gateway_spec spec;
static uint16_t lan_port;     /* free when the test began */
static const char *workers;   /* the option */

/* ---- what is there ---- */

static size_t entries(const char *path)
{
	size_t n = 0;
	DIR *d = opendir(path);
	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* What the process and its folder hold. */
struct holding {
	size_t bytes, secrets, descriptors, files; /* secrets: pieces of memory for keys */
	sigset_t blocked;
};

static struct holding hold(void)
{
	struct holding h = { __sanitizer_get_current_allocated_bytes(), secret_held(),
		entries("/proc/self/fd"), entries(dir), { { 0 } } };
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &h.blocked), 0);
	return h;
}

static void assert_same(const struct holding *before)
{
	struct holding now = hold();
	ck_assert_uint_eq(now.descriptors, before->descriptors);
	ck_assert_uint_eq(now.files, before->files);
	ck_assert_uint_eq(now.bytes, before->bytes);
	ck_assert_uint_eq(now.secrets, before->secrets);
	for (int s = 1; s < NSIG; s++)
		ck_assert_int_eq(sigismember(&now.blocked, s), sigismember(&before->blocked, s));
}

/* ---- a small configuration on loopback ---- */

__attribute__((format(printf, 2, 3)))
static void write_file(const char *path, const char *format, ...)
{
	FILE *f = fopen(path, "w");
	va_list args;
	ck_assert_ptr_nonnull(f);
	va_start(args, format);
	ck_assert_int_gt(vfprintf(f, format, args), 0);
	va_end(args);
	ck_assert_int_eq(fclose(f), 0);
}

static int udp_on(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static uint16_t free_port(void)
{
	struct sockaddr_in at;
	socklen_t n = sizeof(at);
	int fd = udp_on(0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	close(fd);
	return ntohs(at.sin_port);
}

/* Two servers, one with DTLS, where nobody answers; a static endpoint and one that registers. */
static void write_conf(const char *more)
{
	write_file(conf,
		"config gateway 'main'\n\toption log_level 'err'\n\toption max_endpoints '16'\n"
		"\toption workers '%s'\n"
		"config server 'cloud'\n\toption uri 'coaps://127.0.0.1:9'\n"
		"config server 'plain'\n\toption uri 'coap://localhost:9'\n"
		"config listen 'lan'\n\toption coap '%u'\n\toption coaps '0'\n"
		"\tlist address '127.0.0.1'\n"
		"config endpoint\n\toption name 'one'\n\toption server 'cloud'\n"
		"\toption identity 'id-one'\n\toption key '000102030405060708090a0b0c0d0e0f'\n"
		"\toption address '127.0.0.1:9'\n"
		"config endpoint\n\toption name 'two'\n\toption server 'plain'\n"
		"%s", workers, lan_port, more);
}

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/check-gateway-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(conf, sizeof(conf), "%s/lwgate.conf", dir);
	snprintf(sock, sizeof(sock), "%s/lwgate.sock", dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	spec = (struct gateway_spec){ conf, sock, state, true };
	lan_port = free_port();
	log_open(LOG_TO_NOBODY, "check");
	workers = "auto";
	write_conf("");
}

static void remove_in(const char *folder)
{
	char path[512];
	DIR *d = opendir(folder);
	if (d == NULL)
		return;
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (e->d_type != DT_DIR)
			unlink(path);
	}
	closedir(d);
	rmdir(folder);
}

static void teardown(void)
{
	remove_in(state);
	remove_in(dir);
}

/* ---- a thousand lives ---- */

static void up_and_down(void)
{
	struct gateway *g;
	ck_assert_int_eq(gateway_up(&g, &spec), 0);
	gateway_down(g);
}

/* A life with a device: its Register is there before the signal that ends it. */
static void live(int device)
{
	static const char reg[] = "\x41\x02\x12\x34\xaa\xb2rd\x46"
				  "ep=two";
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(lan_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct gateway *g;
	ck_assert_int_eq(gateway_up(&g, &spec), 0);
	ck_assert_int_eq(sendto(device, reg, sizeof(reg) - 1, 0, (struct sockaddr *)&to,
		sizeof(to)), sizeof(reg) - 1);
	ck_assert_int_eq(raise(SIGHUP), 0);
	ck_assert_int_eq(raise(SIGTERM), 0);
	ck_assert_int_eq(gateway_run(g), 0);
	gateway_down(g);
}

static bool state_has(const char *text)
{
	char path[128], bytes[4096] = "";
	snprintf(path, sizeof(path), "%s/routes.json", state);
	FILE *f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	size_t n = fread(bytes, 1, sizeof(bytes) - 1, f);
	fclose(f);
	return n > 0 && strstr(bytes, text) != NULL;
}

START_TEST(a_thousand_starts_and_stops_leave_nothing)
{
	for (int i = 0; i < 3; i++)
		up_and_down();
	struct holding before = hold();
	for (int i = 0; i < CYCLES; i++)
		up_and_down();
	assert_same(&before);
}
END_TEST

START_TEST(lives_with_a_device_leave_their_state_and_nothing_else)
{
	int device = udp_on(0);
	for (int i = 0; i < 3; i++)
		live(device);
	ck_assert(state_has("\"one\""));
	ck_assert(state_has("\"two\""));
	struct holding before = hold();
	for (int i = 0; i < CYCLES / 10; i++)
		live(device);
	assert_same(&before);
	ck_assert(state_has("\"two\""));
	close(device);
}
END_TEST

/* Stands before the C library's: the linker is told to. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

static unsigned threads; /* that were made with a size of their own */
static size_t least;     /* and of these the smallest stack, bytes */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	size_t size;
	if (attr != NULL && pthread_attr_getstacksize(attr, &size) == 0) {
		least = threads == 0 || size < least ? size : least;
		threads++;
	}
	return __real_pthread_create(thread, attr, run, arg);
}

/* Whatever a thread has by default: with musl it is 128 KiB. */
START_TEST(workers_have_a_stack_that_is_large_enough)
{
	pthread_attr_t attr;
	struct gateway *g;
	workers = "4";
	write_conf("");
	ck_assert_int_eq(pthread_attr_init(&attr), 0);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, 128 << 10), 0);
	ck_assert_int_eq(pthread_setattr_default_np(&attr), 0);
	threads = 0;
	ck_assert_int_eq(gateway_up(&g, &spec), 0);
	ck_assert_uint_eq(threads, 3); /* the first worker is the thread that was there */
	ck_assert_uint_ge(least, 1 << 20);
	gateway_down(g);
	pthread_attr_destroy(&attr);
}
END_TEST

/* ---- starts that fail ---- */

/* It fails with rc each time, and leaves nothing. */
static void fails(int rc)
{
	struct gateway *g;
	ck_assert_int_eq(gateway_up(&g, &spec), rc); /* what is made once for ever is made now */
	struct holding before = hold();
	for (int i = 0; i < FAILURES; i++)
		ck_assert_int_eq(gateway_up(&g, &spec), rc);
	assert_same(&before);
}

START_TEST(a_bad_configuration_leaves_nothing)
{
	write_conf("config endpoint\n\toption name 'two'\n\toption key '12'\n");
	fails(-EINVAL);
	write_file(conf, "config 'gateway\n");
	fails(-EINVAL);
	ck_assert_int_eq(unlink(conf), 0);
	fails(-EINVAL);
}
END_TEST

START_TEST(a_disabled_one_leaves_nothing)
{
	write_file(conf, "config gateway 'main'\n\toption enabled '0'\n");
	fails(1);
}
END_TEST

START_TEST(a_taken_port_leaves_nothing)
{
	int holder = udp_on(lan_port);
	fails(-EADDRINUSE);
	close(holder);
	up_and_down();
}
END_TEST

START_TEST(a_second_daemon_leaves_nothing_and_the_first_in_peace)
{
	struct gateway *first;
	struct stat st;
	const char *usual = workers;
	workers = "1"; /* it has no thread that takes and gives memory meanwhile */
	write_conf("");
	ck_assert_int_eq(gateway_up(&first, &spec), 0);
	workers = usual;
	lan_port = free_port();
	write_conf("");
	struct gateway_spec same_state = { conf, "/nowhere/at/all", state, true };
	struct gateway_spec other = spec;
	spec = same_state;
	fails(-EBUSY);
	char state2[128];
	snprintf(state2, sizeof(state2), "%s/state2", dir);
	spec = other;
	spec.state_dir = state2;
	fails(-EADDRINUSE);
	ck_assert_int_eq(stat(sock, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	gateway_down(first);
	remove_in(state2);
}
END_TEST

START_TEST(a_socket_that_can_not_be_had_leaves_nothing)
{
	struct stat st;
	write_file(sock, "somebody's file\n");
	fails(-EEXIST);
	ck_assert_int_eq(stat(sock, &st), 0);
	ck_assert_int_eq(st.st_size, 16);
	char longer[200];
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	spec.socket_path = longer;
	fails(-ENAMETOOLONG);
}
END_TEST

/* Without a place for its state it serves all the same. */
START_TEST(a_state_that_can_not_be_kept_leaves_nothing)
{
	char under_file[128];
	snprintf(under_file, sizeof(under_file), "%s/state", conf);
	spec.state_dir = under_file;
	up_and_down();
	struct holding before = hold();
	for (int i = 0; i < FAILURES; i++)
		up_and_down();
	assert_same(&before);
}
END_TEST

/* The lock that keeps others from the state is ours, and no reason to wait for ever. */
START_TEST(state_and_socket_may_lie_in_one_folder)
{
	char beside[160];
	snprintf(beside, sizeof(beside), "%s/sock", state);
	spec.socket_path = beside;
	up_and_down();
	up_and_down();
}
END_TEST

START_TEST(a_reload_that_disables_it_ends_the_run)
{
	struct gateway *g;
	ck_assert_int_eq(gateway_up(&g, &spec), 0);
	write_file(conf, "config gateway 'main'\n\toption enabled '0'\n");
	ck_assert_int_eq(raise(SIGHUP), 0); /* blocked, and read by the loop */
	ck_assert_int_eq(gateway_run(g), 0);
	gateway_down(g);
}
END_TEST

/* Who asked for it is told, though nobody runs on to send it. */
START_TEST(a_reload_that_disables_it_is_answered)
{
	static const char line[] = "{\"cmd\":\"reload\"}\n";
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct gateway *g;
	char answer[512];
	ck_assert_int_eq(gateway_up(&g, &spec), 0);
	write_file(conf, "config gateway 'main'\n\toption enabled '0'\n");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", sock);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(send(fd, line, sizeof(line) - 1, 0), sizeof(line) - 1);
	ck_assert_int_eq(gateway_run(g), 0);
	gateway_down(g);
	ssize_t n = recv(fd, answer, sizeof(answer) - 1, 0);
	ck_assert_int_gt(n, 0);
	answer[n] = '\0';
	ck_assert_ptr_nonnull(strstr(answer, "the relay leaves"));
	close(fd);
}
END_TEST

static Suite *gateway_suite(void)
{
	Suite *suite = suite_create("gateway");
	const TTest *const tests[] = {
		a_thousand_starts_and_stops_leave_nothing,
		lives_with_a_device_leave_their_state_and_nothing_else,
		workers_have_a_stack_that_is_large_enough,
		a_bad_configuration_leaves_nothing,
		a_disabled_one_leaves_nothing,
		state_and_socket_may_lie_in_one_folder, a_reload_that_disables_it_ends_the_run,
		a_reload_that_disables_it_is_answered,
		a_taken_port_leaves_nothing,
		a_second_daemon_leaves_nothing_and_the_first_in_peace,
		a_socket_that_can_not_be_had_leaves_nothing,
		a_state_that_can_not_be_kept_leaves_nothing,
	};
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		TCase *case_ = tcase_create(tests[i]->name);
		tcase_set_timeout(case_, 60);
		tcase_add_checked_fixture(case_, setup, teardown);
		tcase_add_test(case_, tests[i]);
		suite_add_tcase(suite, case_);
	}
	return suite;
}

SUITE_MAIN(gateway_suite, confine_suite)
