/* Tests of what can not be taken back, as rights that were dropped: each runs in a child of its own. */
#pragma once
#include <check.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ends the child with the line where it is not so. */
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			_exit(__LINE__ % 256);                                                     \
	} while (0)
/* A call that is not allowed. */
#define REFUSED(call) ((call) < 0 && errno == EPERM)

/* Runs it in a child; a MUST that does not hold fails the test. */
static inline void in_a_child(void (*test)(void))
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		test();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "status 0x%x: line %d, modulo 256", (unsigned)status,
		WEXITSTATUS(status));
}
