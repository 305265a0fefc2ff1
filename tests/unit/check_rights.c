/* A process without rights, in children, since all of it is for good. Root tests the most; what another
 * user can see is seen, too. */
#include "check_rights.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/filter.h"
#include "base/rights.h"
#include "child.h"
#include "suite.h"

static const struct user nobody = { .uid = USER_NOBODY, .gid = USER_NOBODY };
static char secret[] = "/tmp/lwgate-rights.XXXXXX";

/* Every capability, in the sets that a process has, and in those from which one could come back. */
static void assert_caps(uint64_t wanted)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		bool is_wanted = (wanted & RIGHT(cap)) != 0;
		MUST(rights_has(RIGHT(cap)) == is_wanted);
		MUST(geteuid() != USER_NOBODY || prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == is_wanted);
		MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 0);
	}
}

static void without_any(void)
{
	bool was_root = user_will_change();
	MUST(rights_give_up(&nobody, 0) == 0);
	assert_caps(0);
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	MUST(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	MUST(chroot("/") != 0);
	if (!was_root)
		return;
	MUST(getuid() == USER_NOBODY && geteuid() == USER_NOBODY && getgid() == USER_NOBODY);
	MUST(getgroups(0, NULL) == 0);
	MUST(REFUSED(setuid(0)) && REFUSED(setgid(0)) && REFUSED(setgroups(0, NULL)));
	MUST(open(secret, O_RDONLY) < 0 && errno == EACCES);
}

START_TEST(no_right_is_left_and_none_comes_back)
{
	int fd = mkstemp(secret);
	ck_assert_int_ge(fd, 0);
	close(fd);
	in_a_child(without_any);
	unlink(secret);
}
END_TEST

static void with_one(void)
{
	if (!rights_has(RIGHT(CAP_NET_ADMIN)))
		return;
	MUST(rights_give_up(&nobody, RIGHT(CAP_NET_ADMIN)) == 0);
	assert_caps(RIGHT(CAP_NET_ADMIN));
	MUST(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

START_TEST(what_is_kept_is_kept_over_the_change_of_user)
{
	in_a_child(with_one);
}
END_TEST

static void filtered(void)
{
	/* What the sanitizer needs besides. */
	static const char *const names[] = { "exit_group", "getppid", "no_such_call_at_all", "mmap",
		"mmap2", "munmap", "madvise", "write", "readlink", "sigaltstack" };
	static const struct filter_call calls[] = {
		{ "socket", { { 0, UINT32_MAX, AF_INET }, { 1, 0xf, SOCK_DGRAM } } },
		{ "socket", { { 0, UINT32_MAX, AF_UNIX } } },
	};
	const struct filter_list lists[] = { { names, sizeof(names) / sizeof(names[0]), NULL, 0 }, { NULL, 0, calls, 2 } };
	MUST(rights_give_up(&nobody, 0) == 0);
	MUST(filter_load(lists, 2) == 0);
	MUST(getppid() > 0);
	MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0);
	MUST(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	MUST(REFUSED(socket(AF_INET, SOCK_STREAM, 0)));
	MUST(REFUSED(socket(AF_INET6, SOCK_DGRAM, 0)));
	MUST(REFUSED(open("/dev/null", O_RDONLY)));
	MUST(REFUSED(syscall(SYS_execve, "/bin/true", NULL, NULL)));
}

START_TEST(a_filter_refuses_what_it_does_not_name)
{
	in_a_child(filtered);
}
END_TEST

static void must_say(const char *path, const char *words)
{
	char text[USER_TEXT];
	user_mend_read(path, text, sizeof(text));
	MUST(strstr(text, words) != NULL);
}

/* As another user than ours, and in a folder that is closed. */
static void unreadable(void)
{
	char path[128], words[128];
	if (!user_will_change())
		return;
	MUST(setresuid(1, 1, 1) == 0);
	snprintf(path, sizeof(path), "%s/key", secret);
	snprintf(words, sizeof(words), "user 1 may not pass %s; right is: chown 1 %s", secret, secret);
	must_say(path, words);
	must_say("/etc/shadow", "user 1 may not read /etc/shadow; right is: chown 1 /etc/shadow");
}

static void unreadable_as_ours(void)
{
	char path[128], words[128];
	if (!user_will_change())
		return;
	MUST(rights_give_up(user_service(), 0) == 0);
	snprintf(path, sizeof(path), "%s/key", secret);
	snprintf(words, sizeof(words), " chgrp lwgate %s && chmod g+x %s", secret, secret);
	must_say(path, words);
	must_say("/etc/shadow", " chgrp lwgate /etc/shadow && chmod g+r /etc/shadow");
	if (!user_service()->is_known)
		must_say("/etc/shadow", " adduser --system --group --no-create-home lwgate");
}

START_TEST(who_can_not_read_is_told_what_mends_it)
{
	ck_assert_ptr_nonnull(mkdtemp(secret));
	in_a_child(unreadable);
	in_a_child(unreadable_as_ours);
	rmdir(secret);
}
END_TEST

START_TEST(nobody_stands_in_for_a_user_that_is_not_there)
{
	const struct user *user = user_service();
	ck_assert_uint_ne(user->uid, 0);
	ck_assert_uint_ne(user->gid, 0);
	ck_assert(user->is_known || user->uid == USER_NOBODY);
	/* Whoever is nobody shares that with others. */
	ck_assert(user->is_known || !user_is_our_group(USER_NOBODY));
	ck_assert(!user_is_our_group(0));
}
END_TEST

Suite *rights_suite(void)
{
	Suite *s = suite_create("rights");
	SUITE_TEST(s, no_right_is_left_and_none_comes_back);
	SUITE_TEST(s, what_is_kept_is_kept_over_the_change_of_user);
	SUITE_TEST(s, a_filter_refuses_what_it_does_not_name);
	SUITE_TEST(s, who_can_not_read_is_told_what_mends_it);
	SUITE_TEST(s, nobody_stands_in_for_a_user_that_is_not_there);
	return s;
}
