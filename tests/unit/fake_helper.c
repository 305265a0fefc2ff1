/* lwgate-net in memory: the functions of helper.h that the trunk uses. Linked before the archives it keeps
 * helper.o out. */
#include "fake_helper.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/bug.h"

struct helper {
	const struct helper_events *events;
	void *arg;
};

struct fake_helper fake_helper;
static struct helper one;

int helper_create(struct helper **helper, const char *path, const struct helper_events *events, void *arg)
{
	(void)path;
	one = (struct helper){ events, arg };
	fake_helper = (struct fake_helper){ 0 };
	*helper = &one;
	return 0;
}

int helper_start(struct helper *helper)
{
	(void)helper;
	return 0;
}

int helper_fd(const struct helper *helper)
{
	(void)helper;
	return FAKE_HELPER_FD;
}

void helper_read(struct helper *helper)
{
	(void)helper;
	fake_helper_say_ready();
}

int helper_wait(struct helper *helper, int ms)
{
	(void)ms;
	helper_read(helper);
	return 0;
}

int helper_wake(struct helper *helper)
{
	(void)helper;
	fake_helper.wakes++;
	return 0;
}

int helper_socket(struct helper *helper, uint32_t id, int fd)
{
	(void)helper;
	BUG_UNLESS(fd >= 0);
	if (fake_helper.fails != 0)
		return -fake_helper.fails;
	BUG_UNLESS(fake_helper.sockets < FAKE_HELPER_SOCKETS);
	fake_helper.socket[fake_helper.sockets++] = id;
	fake_helper.sets_before_last = fake_helper.sets;
	return 0;
}

int helper_set(struct helper *helper, const struct capture *capture)
{
	(void)helper;
	if (fake_helper.fails != 0)
		return -fake_helper.fails;
	fake_helper.sets++;
	fake_helper.set = *capture;
	return 0;
}

void helper_stop(struct helper *helper, bool keep_closed)
{
	(void)helper;
	(void)keep_closed;
}

void helper_free(struct helper *helper)
{
	(void)helper;
}

/* ---- what it says ---- */

void fake_helper_say_ready(void)
{
	one.events->on_ready(one.arg);
}

void fake_helper_say_done_of(uint32_t generation, int code)
{
	one.events->on_done(one.arg, generation, code, "the kernel said no");
}

void fake_helper_say_done(int code)
{
	fake_helper_say_done_of(fake_helper.set.generation, code);
}

void fake_helper_say_made(uint32_t id, int code)
{
	one.events->on_socket(one.arg, id, code);
}

void fake_helper_say_gone(void)
{
	one.events->on_gone(one.arg, "lwgate-net has ended");
}
