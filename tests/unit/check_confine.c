/* What lwgated's own list of system calls lets through and what not, in a child. */
#include "check_confine.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/log.h"
#include "base/rights.h"
#include "child.h"
#include "confine.h"
#include "suite.h"

static char dir[] = "/tmp/lwgate-confine.XXXXXX";

/* No program, no process, nothing to others, no other user. */
static void refuses_acts(void)
{
	MUST(confine(NULL, NULL) == 0 && confine_filter() == 0);
	MUST(REFUSED(syscall(SYS_execve, "/bin/true", NULL, NULL)));
	MUST(REFUSED(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
	MUST(REFUSED(ptrace(PTRACE_TRACEME, 0, NULL, NULL)));
	MUST(REFUSED(kill(getppid(), 0)) && REFUSED(kill(getpid(), 0)));
	MUST(REFUSED(syscall(SYS_tgkill, getppid(), getppid(), 0)));
	MUST(syscall(SYS_tgkill, getpid(), getpid(), 0) == 0); /* abort's way */
	MUST(REFUSED(setresuid(geteuid(), geteuid(), geteuid())));
	MUST(REFUSED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)));
	MUST(REFUSED(chmod(dir, 0777)) && REFUSED(chown(dir, 0, 0)) && REFUSED(link(dir, "/tmp/x")));
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(code == MAP_FAILED && errno == EPERM);
}

static void refuses_sockets(void)
{
	MUST(confine(NULL, NULL) == 0 && confine_filter() == 0);
	MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) >= 0);
	MUST(socket(AF_INET6, SOCK_DGRAM, 0) >= 0);
	MUST(socket(AF_INET, SOCK_STREAM, 0) >= 0);
	MUST(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0);
	MUST(socket(AF_UNIX, SOCK_DGRAM, 0) >= 0);
	MUST(REFUSED(socket(AF_PACKET, SOCK_DGRAM, 0)));
	MUST(REFUSED(socket(AF_INET, SOCK_RAW, 1)));
	MUST(REFUSED(socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER)));
	MUST(REFUSED(socket(AF_VSOCK, SOCK_STREAM, 0)));
}

/* Files are read, or new. */
static void refuses_writing(void)
{
	MUST(chdir(dir) == 0);
	int old = open("old", O_WRONLY | O_CREAT, 0600);
	MUST(old >= 0 && close(old) == 0);
	MUST(confine_filter() == 0); /* still with its rights: what is refused is the call */
	MUST(open("old", O_RDONLY) >= 0);
	MUST(REFUSED(open("old", O_WRONLY)) && REFUSED(open("old", O_RDWR)));
	MUST(REFUSED(open("old", O_WRONLY | O_TRUNC)) && REFUSED(open("old", O_RDONLY | O_TRUNC)));
	MUST(REFUSED(open("new", O_WRONLY | O_CREAT, 0600)));
	MUST(REFUSED(open("new", O_WRONLY | O_CREAT | O_EXCL, 0600)));
	int new = open("new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	MUST(new >= 0 && renameat(AT_FDCWD, "new", AT_FDCWD, "old") == 0);
	MUST(unlinkat(AT_FDCWD, "old", 0) == 0);
}

START_TEST(acts_that_are_not_a_relays_are_refused)
{
	in_a_child(refuses_acts);
}
END_TEST

START_TEST(sockets_that_are_not_a_relays_are_refused)
{
	in_a_child(refuses_sockets);
}
END_TEST

START_TEST(files_are_read_or_new)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	in_a_child(refuses_writing);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

static void as_nobody_particular(void)
{
	bool was_root = user_will_change(), may_raise = rights_has(RIGHT(CAP_SYS_RESOURCE));
	struct rlimit lock;
	MUST(confine(NULL, NULL) == 0);
	MUST(!was_root || (geteuid() == user_service()->uid && getegid() == user_service()->gid));
	MUST(!rights_has(RIGHT(0)));
	MUST(getrlimit(RLIMIT_MEMLOCK, &lock) == 0 && (!may_raise || lock.rlim_cur == RLIM_INFINITY));
}

START_TEST(it_goes_on_as_its_user)
{
	in_a_child(as_nobody_particular);
}
END_TEST

static void quiet(void)
{
	log_open(LOG_TO_NOBODY, "check");
}

Suite *confine_suite(void)
{
	Suite *s = suite_create("confine");
	const TTest *const tests[] = { acts_that_are_not_a_relays_are_refused,
		sockets_that_are_not_a_relays_are_refused, files_are_read_or_new,
		it_goes_on_as_its_user };
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		TCase *case_ = tcase_create(tests[i]->name);
		tcase_add_checked_fixture(case_, quiet, NULL);
		tcase_add_test(case_, tests[i]);
		suite_add_tcase(s, case_);
	}
	return s;
}
