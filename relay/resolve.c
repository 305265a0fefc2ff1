/* Names to addresses through c-ares, with its sockets and timeouts in our loop.
 *
 * A question's record is in one of two lists: `asked` while c-ares works on it, `answered` from
 * then until its owner is told by a timer, so that no callback runs inside resolve_ask or inside
 * c-ares. A question that is given up while c-ares works on it is in neither; c-ares can not drop a
 * single one, so the record stays until its callback comes. */
#define CARES_NO_DEPRECATED
#include "resolve.h"
#include <ares.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/log.h"
#include "limits.h"

/* Where c-ares finds the machine's name servers. */
#define RESOLV_CONF "/etc/resolv.conf"
/* Longest name, RFC 1035 2.3.4. */
#define NAME_ROOM 256
/* First wait for a name server, ms, doubled with each try; tries. 14 s in all. */
#define ANSWER_MS 2000
#define TRIES 3

/* What tells one state of a file from the next. */
struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct resolver {
	struct loop *loop;
	ares_channel channel;
	struct timer timeout;  /* c-ares's own next deadline */
	struct timer soon;     /* tells the answers */
	struct list asked;     /* struct resolve_private */
	struct list answered;  /* struct resolve_private */
	struct list sockets;   /* struct door */
	struct stamp made_from;
	char *servers;         /* instead of the machine's, or NULL */
	int answer_ms;
	bool renewing;         /* the channel is being replaced: questions are asked again */
};

struct resolve_private {
	struct list node;
	struct resolver *resolver;
	struct resolve *question; /* NULL when it was given up */
	bool flying;              /* c-ares holds it */
	char name[NAME_ROOM];
	struct addr addresses[SERVER_ADDRESSES];
	size_t count;
	const char *why;          /* static text */
};

/* A socket of c-ares. */
struct door {
	struct list node;
	struct watch watch;
	struct resolver *resolver;
};

/* ---- c-ares in the loop ---------------------------------------------------------------------- */

static void rearm(struct resolver *r)
{
	struct timeval tv;
	struct mono at = MONO_NEVER;
	if (ares_timeout(r->channel, NULL, &tv) != NULL)
		at = mono_add(loop_now(r->loop), (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1);
	timer_arm(loop_timers(r->loop), &r->timeout, at);
}

static void on_timeout(struct timer *timer, struct mono now)
{
	struct resolver *r = container_of(timer, struct resolver, timeout);
	(void)now;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	rearm(r);
}

static void on_ready(struct watch *watch, unsigned happened, struct mono now)
{
	/* c-ares may close the socket, and so free the door, on the way. */
	struct resolver *r = container_of(watch, struct door, watch)->resolver;
	int fd = watch->fd;
	(void)now;
	ares_process_fd(r->channel, happened & (LOOP_READ | LOOP_ERROR) ? fd : ARES_SOCKET_BAD,
		happened & (LOOP_WRITE | LOOP_ERROR) ? fd : ARES_SOCKET_BAD);
	rearm(r);
}

static struct door *door_find(struct resolver *r, int fd)
{
	list_each(node, &r->sockets) {
		struct door *d = container_of(node, struct door, node);
		if (d->watch.fd == fd)
			return d;
	}
	return NULL;
}

static void door_close(struct door *d)
{
	loop_unwatch(d->resolver->loop, &d->watch);
	list_remove(&d->node);
	free(d);
}

static int door_open(struct resolver *r, int fd, unsigned wanted)
{
	struct door *d = calloc(1, sizeof(*d));
	if (d == NULL)
		return -ENOMEM;
	d->resolver = r;
	d->watch = (struct watch){ .fd = fd, .ready = on_ready };
	list_append(&r->sockets, &d->node);
	int rc = loop_watch(r->loop, &d->watch, wanted);
	if (rc < 0)
		door_close(d);
	return rc;
}

/* c-ares opened, closes, or waits for something else on a socket. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct door *d = door_find(r, fd);
	unsigned wanted = (readable ? LOOP_READ : 0u) | (writable ? LOOP_WRITE : 0u);
	int rc = 0;
	if (wanted == 0 && d != NULL)
		door_close(d);
	else if (wanted != 0 && d != NULL)
		rc = loop_rewatch(r->loop, &d->watch, wanted);
	else if (wanted != 0)
		rc = door_open(r, fd, wanted);
	/* The question then ends by its timeout. */
	if (rc < 0)
		log_warn("resolve: can not wait for a name server: %s", strerror(-rc));
}

/* ---- answers --------------------------------------------------------------------------------- */

static void answered(struct resolve_private *p, const char *why)
{
	struct resolver *r = p->resolver;
	p->why = p->count != 0 ? "" : why;
	list_remove(&p->node);
	list_append(&r->answered, &p->node);
	timer_arm_by(loop_timers(r->loop), &r->soon, loop_now(r->loop));
}

static void add_address(struct resolve_private *p, const struct sockaddr *sa, size_t n)
{
	struct sockaddr_storage ss = { 0 };
	struct addr a;
	if (p->count == SERVER_ADDRESSES || n > sizeof(ss))
		return;
	memcpy(&ss, sa, n);
	if (!addr_from_sockaddr(&a, &ss))
		return;
	a.port = 0;
	for (size_t i = 0; i < p->count; i++)
		if (addr_same_host(&p->addresses[i], &a))
			return;
	p->addresses[p->count++] = a;
}

/* Called by c-ares once for each question, maybe from within ares_getaddrinfo. */
static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
	struct resolve_private *p = arg;
	(void)timeouts;
	p->flying = false;
	if (p->question == NULL) {
		free(p);
	} else if (!p->resolver->renewing) {
		const struct ares_addrinfo_node *n = result == NULL ? NULL : result->nodes;
		for (; n != NULL; n = n->ai_next)
			add_address(p, n->ai_addr, (size_t)n->ai_addrlen);
		answered(p, status == ARES_SUCCESS ? "no address" : ares_strerror(status));
	}
	if (result != NULL)
		ares_freeaddrinfo(result);
}

/* Tells one answer a firing, armed for the next before: `done` may end the resolver. */
static void on_soon(struct timer *timer, struct mono now)
{
	struct resolver *r = container_of(timer, struct resolver, soon);
	if (list_is_empty(&r->answered))
		return;
	timer_arm(loop_timers(r->loop), timer, now);
	struct resolve_private *p = container_of(r->answered.next, struct resolve_private, node);
	struct resolve *question = p->question;
	list_remove(&p->node);
	question->asked = NULL;
	question->done(question, p->addresses, p->count, p->why, now);
	free(p);
}

/* ---- the channel ----------------------------------------------------------------------------- */

static struct stamp stamp_of(const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return (struct stamp){ 0 };
	return (struct stamp){ st.st_dev, st.st_ino, st.st_size, st.st_mtim };
}

static bool stamp_is(const struct stamp *a, const struct stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
		a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static int errno_of(int status)
{
	return status == ARES_SUCCESS ? 0 : status == ARES_ENOMEM ? -ENOMEM : -EIO;
}

static int channel_open(struct resolver *r, ares_channel *channel)
{
	struct ares_options options = {
		.timeout = r->answer_ms,
		.tries = TRIES,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = r,
	};
	int rc = errno_of(ares_init_options(channel, &options,
		ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB));
	if (rc < 0 || r->servers == NULL)
		return rc;
	rc = errno_of(ares_set_servers_ports_csv(*channel, r->servers));
	if (rc < 0)
		ares_destroy(*channel);
	return rc;
}

static void fly(struct resolve_private *p)
{
	struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM };
	p->flying = true;
	ares_getaddrinfo(p->resolver->channel, p->name, NULL, &hints, on_answer, p);
}

/* Takes a new channel, and asks it what the old one was asked. On failure the old one stays. */
static int renew(struct resolver *r)
{
	struct stamp stamp = stamp_of(RESOLV_CONF);
	ares_channel fresh;
	int rc = channel_open(r, &fresh);
	if (rc < 0)
		return rc;
	r->renewing = true;
	ares_destroy(r->channel);
	r->renewing = false;
	r->channel = fresh;
	r->made_from = stamp;
	list_each(node, &r->asked)
		fly(container_of(node, struct resolve_private, node));
	rearm(r);
	return 0;
}

/* Name servers that changed are seen by a new channel only (ares_reinit came with 1.22). */
static void renew_when_changed(struct resolver *r)
{
	struct stamp stamp = stamp_of(RESOLV_CONF);
	if (stamp_is(&stamp, &r->made_from))
		return;
	int rc = renew(r);
	if (rc < 0)
		log_warn("resolve: " RESOLV_CONF " changed, but can not be used: %s", strerror(-rc));
}

/* ---- life ------------------------------------------------------------------------------------ */

int resolver_create(struct resolver **resolver, struct loop *loop)
{
	*resolver = NULL;
	struct resolver *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->loop = loop;
	r->answer_ms = ANSWER_MS;
	r->timeout.fire = on_timeout;
	r->soon.fire = on_soon;
	list_init(&r->asked);
	list_init(&r->answered);
	list_init(&r->sockets);
	r->made_from = stamp_of(RESOLV_CONF);
	int rc = timers_hold(loop_timers(loop), 2);
	if (rc < 0)
		goto no_timers;
	rc = errno_of(ares_library_init(ARES_LIB_INIT_ALL));
	if (rc < 0)
		goto no_library;
	rc = channel_open(r, &r->channel);
	if (rc < 0)
		goto no_channel;
	*resolver = r;
	return 0;
no_channel:
	ares_library_cleanup();
no_library:
	timers_release(loop_timers(loop), 2);
no_timers:
	free(r);
	return rc;
}

void resolver_free(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	list_each(a, &resolver->asked)
		resolve_cancel(container_of(a, struct resolve_private, node)->question);
	list_each(b, &resolver->answered)
		resolve_cancel(container_of(b, struct resolve_private, node)->question);
	ares_destroy(resolver->channel);
	ares_library_cleanup();
	list_each(c, &resolver->sockets)
		door_close(container_of(c, struct door, node));
	timer_disarm(loop_timers(resolver->loop), &resolver->timeout);
	timer_disarm(loop_timers(resolver->loop), &resolver->soon);
	timers_release(loop_timers(resolver->loop), 2);
	free(resolver->servers);
	free(resolver);
}

int resolver_use_servers(struct resolver *resolver, const char *servers, int answer_ms)
{
	char *copy = strdup(servers);
	if (copy == NULL)
		return -ENOMEM;
	free(resolver->servers);
	resolver->servers = copy;
	resolver->answer_ms = answer_ms;
	return renew(resolver);
}

/* ---- questions ------------------------------------------------------------------------------- */

int resolve_ask(struct resolver *resolver, struct resolve *question, const char *name)
{
	BUG_UNLESS(question->asked == NULL && question->done != NULL);
	size_t n = strlen(name);
	if (n == 0 || n >= NAME_ROOM)
		return -EINVAL;
	struct resolve_private *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	renew_when_changed(resolver);
	p->resolver = resolver;
	p->question = question;
	memcpy(p->name, name, n + 1);
	list_append(&resolver->asked, &p->node);
	question->asked = p;
	if (addr_parse(&p->addresses[0], name) == 0 && p->addresses[0].port == 0) {
		p->count = 1;
		answered(p, "");
		return 0;
	}
	fly(p);
	rearm(resolver);
	return 0;
}

void resolve_cancel(struct resolve *question)
{
	struct resolve_private *p = question->asked;
	if (p == NULL)
		return;
	question->asked = NULL;
	list_remove(&p->node);
	if (p->flying)
		p->question = NULL;
	else
		free(p);
}
