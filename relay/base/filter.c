/* System calls: the door to libseccomp. */
#include "base/filter.h"
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>

#ifdef FILTER_STRICT
#define REFUSED SCMP_ACT_KILL_PROCESS
#else
#define REFUSED SCMP_ACT_ERRNO(EPERM)
#endif

static int allow(scmp_filter_ctx f, const struct filter_call *call)
{
	struct scmp_arg_cmp conditions[2];
	unsigned count = 0;
	for (size_t i = 0; i < 2; i++)
		if (call->arg[i].mask != 0)
			conditions[count++] = SCMP_CMP64(call->arg[i].place, SCMP_CMP_MASKED_EQ,
				call->arg[i].mask, call->arg[i].value);
	int nr = seccomp_syscall_resolve_name(call->name);
	if (nr == __NR_SCMP_ERROR)
		return 0; /* younger than this libseccomp */
	int rc = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, count, conditions);
	/* Of another machine, or named twice. */
	return rc == -EDOM || rc == -EEXIST ? 0 : rc;
}

static int allow_list(scmp_filter_ctx f, const struct filter_list *list)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < list->names; i++)
		rc = allow(f, &(struct filter_call){ .name = list->name[i] });
	for (size_t i = 0; rc == 0 && i < list->calls; i++)
		rc = allow(f, &list->call[i]);
	return rc;
}

/* A kernel that has filters goes on to read the one that is not there. */
static bool is_supported(void)
{
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == 0 || errno != EINVAL;
}

int filter_load(const struct filter_list *list, size_t lists)
{
	if (!is_supported())
		return -ENOSYS;
	scmp_filter_ctx f = seccomp_init(REFUSED);
	if (f == NULL)
		return -ENOMEM;
	/* A tree of the numbers: a call costs few comparisons also where the kernel keeps no map of what is
	 * allowed (before 5.11). */
	(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	int threads = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	int rc = threads;
	for (size_t i = 0; rc == 0 && i < lists; i++)
		rc = allow_list(f, &list[i]);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc;
}

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define IS_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED
#endif

bool filter_fits(void)
{
#ifdef IS_SANITIZED
	return false;
#else
	return true;
#endif
}
