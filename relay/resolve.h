/* Names to addresses without blocking the loop; the one door to c-ares. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/addr.h"
#include "base/bug.h"
#include "loop.h"

struct resolver;

/* A question. Embedded by who asks; must stay until done or resolve_cancel. */
struct resolve {
	/* The answer: count addresses without ports, none when the name was not found; why is "" or
	 * the reason in words, valid during the call. */
	void (*done)(struct resolve *question, const struct addr *addresses, size_t count,
		const char *why, struct mono now);
	struct resolve_private *asked; /* private: NULL when not under way */
};

/* Makes a resolver on the loop, with the machine's name servers and hosts file. 0 or -errno. */
int resolver_create(struct resolver **resolver, struct loop *loop) MUST_CHECK;
/* Cancels all questions, without telling, and ends. NULL is allowed. */
void resolver_free(struct resolver *resolver);
/* Asks for both families. An IP address in text is answered too. done is called later, never from
 * within. Returns 0 or -errno. */
int resolve_ask(struct resolver *resolver, struct resolve *question, const char *name) MUST_CHECK;
/* Gives a question up; done is not called. One that is not under way is left alone. */
void resolve_cancel(struct resolve *question);
