/* lwgated's end of the seam against a peer of the test: events, sockets, deaths, junk, the end. */
#include "suite.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "capture_samples.h"
#include "netfilter.h"
#include "netfilter/channel.h"
#include "netfilter/helper.h"

static struct helper *helper;
static int peer;
static struct wire message;

/* What the caller was told last. */
static struct {
	int ready, done, sockets, counts, gone;
	uint32_t generation, id;
	int code;
	char text[CAPTURE_TEXT];
	struct capture_counts of;
} told;
static bool sets_again;

static void on_ready(void *arg)
{
	ck_assert_ptr_eq(arg, &told);
	told.ready++;
}

static void on_done(void *arg, uint32_t generation, int code, const char *text)
{
	struct capture c = sample_narrow();
	(void)arg;
	told.done++;
	if (sets_again)
		ck_assert_int_eq(helper_set(helper, &c), 0);
	told.generation = generation;
	told.code = code;
	snprintf(told.text, sizeof(told.text), "%s", text);
}

static void on_socket(void *arg, uint32_t id, int code)
{
	(void)arg;
	told.sockets++;
	told.id = id;
	told.code = code;
}

static void on_counts(void *arg, const struct capture_counts *counts)
{
	(void)arg;
	told.counts++;
	told.of = *counts;
}

static void on_gone(void *arg, const char *why)
{
	(void)arg;
	told.gone++;
	ck_assert_int_eq(helper_fd(helper), -1);
	snprintf(told.text, sizeof(told.text), "%s", why);
}

static const struct helper_events events = { on_ready, on_done, on_socket, on_counts, on_gone };

static void join(void)
{
	int pair[2];
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	peer = pair[1];
	helper_adopt(helper, pair[0], 0);
}

static void setup(void)
{
	ck_assert_int_eq(helper_create(&helper, "/nonexistent", &events, &told), 0);
	join();
}

static void teardown(void)
{
	helper_free(helper);
	close(peer);
}

static void peer_says(const struct wire *w, int fd)
{
	ck_assert_int_eq(channel_send(peer, w, fd), 0);
	helper_read(helper);
}

static void peer_hears(enum wire_type type)
{
	int passed;
	ck_assert_int_eq(channel_receive(peer, &message, &passed), 1);
	ck_assert_int_eq(message.type, type);
	ck_assert_int_eq(passed, -1);
}

static int descriptors(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

START_TEST(helper_tells_all_events)
{
	setup();
	peer_says(&(struct wire){ .type = WIRE_READY }, -1);
	ck_assert_int_eq(told.ready, 1);
	struct capture c = sample_narrow();
	ck_assert_int_eq(helper_set(helper, &c), 0);
	peer_hears(WIRE_SET);
	ck_assert_mem_eq(&message.set, &c, sizeof(c));
	peer_says(&(struct wire){ .type = WIRE_MADE, .made = { 0xfffffffe, EPERM } }, -1);
	ck_assert_uint_eq(told.id, 0xfffffffe);
	ck_assert_int_eq(told.code, -EPERM);
	peer_says(&(struct wire){ .type = WIRE_MADE, .made = { 8, 0 } }, -1);
	ck_assert_uint_eq(told.id, 8);
	ck_assert_int_eq(told.code, 0);
	ck_assert_int_eq(told.sockets, 2);
	peer_says(&(struct wire){ .type = WIRE_COUNTS, .counts = { 1, 2, 3, 4 } }, -1);
	ck_assert_uint_eq(told.of.flows, 4);
	peer_says(&(struct wire){ .type = WIRE_DONE, .answer = { 7, EPERM, "no" } }, -1);
	ck_assert_uint_eq(told.generation, 7);
	ck_assert_int_eq(told.code, -EPERM);
	ck_assert_str_eq(told.text, "no");
	ck_assert_int_eq(told.gone, 0);
	teardown();
}
END_TEST

START_TEST(helper_wakes)
{
	setup();
	ck_assert_int_eq(helper_wake(helper), 0);
	peer_hears(WIRE_WAKE);
	close(peer);
	helper_read(helper);
	ck_assert_int_eq(helper_wake(helper), -ENOTCONN);
	helper_free(helper);
}
END_TEST

START_TEST(helper_passes_a_socket_and_keeps_its_own)
{
	struct stat sent, came;
	int passed;
	setup();
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(helper_socket(helper, 77, fd), 0);
	ck_assert_int_eq(fstat(fd, &sent), 0);
	ck_assert_int_eq(channel_receive(peer, &message, &passed), 1);
	ck_assert_int_eq(message.type, WIRE_SOCKET);
	ck_assert_uint_eq(message.id, 77);
	ck_assert_int_ne(fcntl(passed, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(fstat(passed, &came), 0);
	ck_assert_uint_eq(came.st_ino, sent.st_ino);
	close(passed);
	ck_assert_int_eq(helper_socket(helper, 78, -1), -EBADF);
	ck_assert_int_eq(channel_receive(peer, &message, &passed), -EAGAIN);
	close(peer);
	helper_read(helper);
	ck_assert_int_eq(helper_socket(helper, 79, fd), -ENOTCONN);
	close(fd);
	helper_free(helper);
}
END_TEST

START_TEST(helper_has_room_for_many_sockets)
{
	int passed;
	setup();
	for (uint32_t i = 0; i < 250; i++)
		ck_assert_int_eq(helper_socket(helper, i, STDERR_FILENO), 0);
	for (uint32_t i = 0; i < 250; i++) {
		ck_assert_int_eq(channel_receive(peer, &message, &passed), 1);
		ck_assert_uint_eq(message.id, i);
		close(passed);
	}
	teardown();
}
END_TEST

START_TEST(helper_may_be_set_from_a_callback)
{
	setup();
	sets_again = true;
	peer_says(&(struct wire){ .type = WIRE_DONE, .answer = { 3, EIO, "a sentence" } }, -1);
	ck_assert_str_eq(told.text, "a sentence");
	peer_hears(WIRE_SET);
	teardown();
}
END_TEST

START_TEST(helper_tells_why_the_other_is_gone)
{
	setup();
	close(peer);
	helper_read(helper);
	ck_assert_int_eq(told.gone, 1);
	ck_assert_str_eq(told.text, "lwgate-net has ended");
	struct capture c = sample_wide();
	ck_assert_int_eq(helper_set(helper, &c), -ENOTCONN);
	helper_read(helper);
	helper_stop(helper, false);
	join();
	struct wire w = { .type = WIRE_REFUSED, .answer = { 0, EBUSY, "another process" } };
	ck_assert_int_eq(channel_send(peer, &w, -1), 0);
	close(peer);
	helper_read(helper);
	ck_assert_int_eq(told.gone, 2);
	ck_assert_str_eq(told.text, "another process");
	join();
	close(peer);
	helper_read(helper);
	ck_assert_str_eq(told.text, "lwgate-net has ended");
	helper_free(helper);
}
END_TEST

/* It went before it read what we said, or before we said it: what it said first counts. */
START_TEST(helper_tells_why_though_it_was_just_asked)
{
	const struct wire refused = { .type = WIRE_REFUSED, .answer = { .code = EPERM, .text = "no right" } };
	setup();
	ck_assert_int_eq(helper_wake(helper), 0);
	ck_assert_int_eq(channel_send(peer, &refused, -1), 0);
	close(peer); /* with our word unread in it */
	helper_read(helper);
	ck_assert_int_eq(told.gone, 1);
	ck_assert_str_eq(told.text, "no right");
	join();
	ck_assert_int_eq(channel_send(peer, &refused, -1), 0);
	close(peer);
	ck_assert_int_eq(helper_wake(helper), 0);
	helper_read(helper);
	ck_assert_int_eq(told.gone, 2);
	ck_assert_str_eq(told.text, "no right");
	peer = -1;
	teardown();
}
END_TEST

/* The other end is let go after these bytes, which tell nothing else. */
static void ends(const void *bytes, size_t n, const char *why)
{
	ck_assert_int_eq(send(peer, bytes, n, 0), (int)n);
	helper_read(helper);
	ck_assert_msg(strstr(told.text, why) != NULL, "it says: %s", told.text);
	ck_assert_int_eq(recv(peer, &message, sizeof(message), MSG_DONTWAIT), 0);
	close(peer);
	join();
}

START_TEST(helper_refuses_what_is_no_message)
{
	static uint8_t large[WIRE_MAX + 1];
	uint8_t set[WIRE_MAX];
	struct wire w = { .type = WIRE_SET, .set = sample_wide() };
	setup();
	ends("\2\5", 2, "can not be read");
	ends("\1\5\0\4", 4, "another version");
	ends("\2\12\0\4", 4, "can not be read");
	memcpy(large, "\2\5\100\1", 4);
	ends(large, sizeof(large), "can not be read");
	long n = wire_write(&w, set, sizeof(set));
	ck_assert_int_gt(n, 0);
	ends(set, (size_t)n, "can not be read");
	ends("\2\1\0\4", 4, "can not be read");
	ck_assert_int_eq(told.gone, 6);
	ck_assert_int_eq(told.ready + told.done, 0);
	teardown();
}
END_TEST

START_TEST(helper_keeps_no_descriptor)
{
	setup();
	int before = descriptors();
	peer_says(&(struct wire){ .type = WIRE_READY }, STDERR_FILENO);
	ck_assert_int_eq(told.ready, 0);
	ck_assert_int_eq(told.gone, 1);
	ck_assert_int_eq(descriptors(), before - 1);
	close(peer);
	join();
	peer_says(&(struct wire){ .type = WIRE_SOCKET, .id = 1 }, STDERR_FILENO);
	ck_assert_int_eq(told.gone, 2);
	close(peer);
	join();
	peer_says(&(struct wire){ .type = WIRE_SOCKET, .id = 1 }, -1);
	ck_assert_int_eq(told.gone, 3);
	ck_assert_int_eq(told.sockets, 0);
	close(peer);
	join();
	ck_assert_int_eq(descriptors(), before);
	teardown();
}
END_TEST

START_TEST(helper_starts_a_program_on_descriptor_3)
{
	ck_assert_int_eq(helper_create(&helper, "/nonexistent", &events, &told), 0);
	ck_assert_int_eq(helper_start(helper), -ENOENT);
	ck_assert_int_eq(helper_start(helper), -ENOENT);
	helper_free(helper);
	ck_assert_int_eq(helper_create(&helper, "/bin/true", &events, &told), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(helper_start(helper), 0);
		struct pollfd p = { .fd = helper_fd(helper), .events = POLLIN };
		ck_assert_int_eq(poll(&p, 1, 10000), 1);
		helper_read(helper);
		ck_assert_int_eq(told.gone, i + 1);
	}
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	helper_free(helper);
}
END_TEST

/* A peer that still sends a message with a descriptor, then goes, when it is told to leave. */
static void leave_late(int fd)
{
	int passed;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct wire w = { .type = WIRE_SOCKET };
	if (poll(&p, 1, 10000) != 1 || channel_receive(fd, &message, &passed) != 1 ||
		message.type != WIRE_WAKE)
		_exit(1);
	if (poll(&p, 1, 10000) != 1 || channel_receive(fd, &message, &passed) != 1)
		_exit(1);
	if (message.type != WIRE_LEAVE || !message.keep_closed || channel_send(fd, &w, fd) != 0)
		_exit(2);
	_exit(0);
}

START_TEST(helper_stops_in_order)
{
	int pair[2];
	ck_assert_int_eq(helper_create(&helper, "/nonexistent", &events, &told), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	int before = descriptors();
	pid_t pid = fork();
	if (pid == 0) {
		close(pair[0]);
		leave_late(pair[1]);
	}
	close(pair[1]);
	helper_adopt(helper, pair[0], pid);
	ck_assert_int_eq(helper_wake(helper), 0);
	helper_stop(helper, true);
	ck_assert_int_eq(helper_fd(helper), -1);
	ck_assert_int_eq(waitpid(pid, NULL, 0), -1);
	ck_assert_int_eq(told.gone + told.sockets, 0);
	ck_assert_int_eq(descriptors(), before - 2);
	helper_free(helper);
	helper_free(NULL);
}
END_TEST

/* A peer that goes when it is told nothing, but that nothing will come. */
static void sleep_on(int fd)
{
	int passed;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	_exit(poll(&p, 1, 10000) == 1 && channel_receive(fd, &message, &passed) == 0 ? 0 : 1);
}

START_TEST(helper_stops_a_sleeper_without_a_word)
{
	int pair[2];
	ck_assert_int_eq(helper_create(&helper, "/nonexistent", &events, &told), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid_t pid = fork();
	int status = 0;
	if (pid == 0) {
		close(pair[0]);
		sleep_on(pair[1]);
	}
	close(pair[1]);
	helper_adopt(helper, pair[0], 0);
	helper_stop(helper, false);
	ck_assert_int_eq(helper_fd(helper), -1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	helper_free(helper);
}
END_TEST

Suite *helper_suite(void)
{
	Suite *s = suite_create("helper");
	SUITE_TEST(s, helper_tells_all_events);
	SUITE_TEST(s, helper_wakes);
	SUITE_TEST(s, helper_passes_a_socket_and_keeps_its_own);
	SUITE_TEST(s, helper_has_room_for_many_sockets);
	SUITE_TEST(s, helper_may_be_set_from_a_callback);
	SUITE_TEST(s, helper_tells_why_the_other_is_gone);
	SUITE_TEST(s, helper_tells_why_though_it_was_just_asked);
	SUITE_TEST(s, helper_refuses_what_is_no_message);
	SUITE_TEST(s, helper_keeps_no_descriptor);
	SUITE_TEST(s, helper_starts_a_program_on_descriptor_3);
	SUITE_TEST(s, helper_stops_in_order);
	SUITE_TEST(s, helper_stops_a_sleeper_without_a_word);
	return s;
}
