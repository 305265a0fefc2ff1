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
/* Cancels all questions, without telling, and ends; allowed inside done. NULL is allowed. */
void resolver_free(struct resolver *resolver);
/* Takes these name servers, "192.0.2.53:5353,[2001:db8::53]:53", in place of the machine's, and
 * waits so long for the first try of each question, ms. For tests. Returns 0 or -errno. */
int resolver_use_servers(struct resolver *resolver, const char *servers, int answer_ms) MUST_CHECK;
/* Asks for both families. An IP address in text is answered too. done is called later, never from
 * within; at most SERVER_ADDRESSES addresses are told, each once, the best first (RFC 6724). A
 * silent name server is given up after 14 s, also when it is silent for one family only. Name
 * servers that changed are taken over with the next question. Returns 0, or -errno: -EINVAL for no
 * name at all or one that is too long. */
int resolve_ask(struct resolver *resolver, struct resolve *question, const char *name) MUST_CHECK;
/* Gives a question up; done is not called. One that is not under way is left alone. */
void resolve_cancel(struct resolve *question);
