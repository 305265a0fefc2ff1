/* The control socket and its clients.
 *
 *   a client   means                              left when
 *   asking     its request line is awaited        the line is there, too long, or late
 *   answered   pieces are made as it takes them   all is sent, it hung up, or takes nothing any more
 */
#include "control.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "answer.h"
#include "base/list.h"
#include "base/log.h"
#include "claim.h"
#include "datapath.h"
#include "limits.h"
#include "loop.h"

/* No further piece is made while so many bytes wait to be sent. */
#define ENOUGH 16384
/* Accepting rests so long when descriptors ran out, ms. */
#define ACCEPT_AGAIN_MS 1000

struct control {
	struct control_spec spec;
	struct loop *loop;
	struct claim claim;
	struct watch watch;    /* the listening socket */
	struct timer again;    /* accepting goes on */
	struct list clients;   /* ring of struct client */
	unsigned count;
};

struct client {
	struct list node;
	struct control *control;
	struct watch watch;
	struct timer idle;
	char line[CONTROL_LINE]; /* the request so far */
	size_t n;                /* its bytes */
	bool is_answered;        /* the request was read */
	struct answer answer;
	struct text out;         /* made and not sent yet */
};

/* ---- one client ---- */

static void client_close(struct client *c)
{
	struct control *control = c->control;
	loop_unwatch(control->loop, &c->watch);
	timer_disarm(loop_timers(control->loop), &c->idle);
	close(c->watch.fd);
	answer_fini(&c->answer);
	text_fini(&c->out);
	list_remove(&c->node);
	control->count--;
	free(c);
}

static void client_idle(struct timer *timer, struct mono now)
{
	(void)now;
	client_close(container_of(timer, struct client, idle));
}

static void client_rearm(struct client *c, struct mono now)
{
	timer_arm(loop_timers(c->control->loop), &c->idle, mono_add(now, CONTROL_IDLE_MS));
}

/* Sends what is there, then makes one more piece. */
static void client_send(struct client *c, struct mono now)
{
	ssize_t sent = send(c->watch.fd, text_str(&c->out), c->out.n, MSG_NOSIGNAL);
	bool would_block = sent < 0 && (errno == EAGAIN || errno == EINTR);
	if (sent < 0 && !would_block) {
		client_close(c);
		return;
	}
	if (sent > 0) {
		text_eat(&c->out, (size_t)sent);
		client_rearm(c, now);
	}
	if (c->out.n < ENOUGH)
		answer_more(&c->answer, &c->out, now);
	if ((c->out.n == 0 && c->answer.more == NULL) || c->out.broken)
		client_close(c);
}

/* Answers the request line of n bytes; more than there can be: that it is too long. */
static void client_answer(struct client *c, size_t n, struct mono now)
{
	struct control *control = c->control;
	c->is_answered = true;
	client_rearm(c, now);
	if (n <= sizeof(c->line))
		answer_begin(&c->answer, &control->spec, c->line, n, &c->out, now);
	else
		answer_error(&c->out, "the request line is too long");
	if (loop_rewatch(control->loop, &c->watch, LOOP_WRITE) != 0)
		client_close(c);
}

/* A line that is whole is answered; one that can not become whole is refused. */
static void client_read(struct client *c, struct mono now)
{
	ssize_t got = recv(c->watch.fd, c->line + c->n, sizeof(c->line) - c->n, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0 || (got == 0 && c->n == 0)) {
		client_close(c);
		return;
	}
	c->n += (size_t)got;
	const char *end = memchr(c->line, '\n', c->n);
	if (end != NULL)
		client_answer(c, (size_t)(end - c->line), now);
	else if (got == 0)
		client_answer(c, c->n, now);
	else if (c->n == sizeof(c->line))
		client_answer(c, c->n + 1, now);
}

static void client_ready(struct watch *watch, unsigned happened, struct mono now)
{
	struct client *c = container_of(watch, struct client, watch);
	if (c->is_answered && (happened & (LOOP_WRITE | LOOP_ERROR)) != 0)
		client_send(c, now);
	else if (!c->is_answered && (happened & (LOOP_READ | LOOP_ERROR)) != 0)
		client_read(c, now);
}

/* ---- all of them ---- */

/* Tells a client that there are too many, if it listens. */
static void turn_away(int fd)
{
	struct text out = { 0 };
	answer_error(&out, "too many clients ask at the same time");
	if (send(fd, text_str(&out), out.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("control: a client too many was let go without a word");
	text_fini(&out);
	close(fd);
}

static int client_open(struct control *control, int fd, struct mono now)
{
	struct client *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->control = control;
	c->watch.fd = fd;
	c->watch.ready = client_ready;
	c->idle.fire = client_idle;
	int rc = loop_watch(control->loop, &c->watch, LOOP_READ);
	if (rc != 0) {
		free(c);
		return rc;
	}
	list_append(&control->clients, &c->node);
	control->count++;
	client_rearm(c, now);
	return 0;
}

/* Descriptors ran out: the socket would be ready for ever, so it is not watched for a while. */
static void rest(struct control *control, struct mono now)
{
	loop_unwatch(control->loop, &control->watch);
	timer_arm(loop_timers(control->loop), &control->again, mono_add(now, ACCEPT_AGAIN_MS));
}

static void go_on(struct timer *timer, struct mono now)
{
	struct control *control = container_of(timer, struct control, again);
	if (loop_watch(control->loop, &control->watch, LOOP_READ) != 0)
		timer_arm(loop_timers(control->loop), timer, mono_add(now, ACCEPT_AGAIN_MS));
}

static void somebody_came(struct watch *watch, unsigned happened, struct mono now)
{
	struct control *control = container_of(watch, struct control, watch);
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	(void)happened;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
		rest(control, now);
	if (fd < 0)
		return;
	if (control->count >= CONTROL_CLIENTS)
		turn_away(fd);
	else if (client_open(control, fd, now) != 0)
		close(fd);
}

/* ---- life ---- */

/* One for each client, and one for the rest from accepting. */
#define TIMERS (CONTROL_CLIENTS + 1)

static int serve(struct control *control, const char *path)
{
	int fd = claim_open(&control->claim, path);
	if (fd < 0)
		return fd;
	control->watch.fd = fd;
	control->watch.ready = somebody_came;
	int rc = loop_watch(control->loop, &control->watch, LOOP_READ);
	if (rc != 0) {
		log_err("control: %s: %s", path, strerror(-rc));
		claim_close(&control->claim);
		close(fd);
	}
	return rc;
}

int control_create(struct control **control, const struct control_spec *spec)
{
	*control = NULL;
	struct control *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->spec = *spec;
	c->loop = spec->datapath->env.loop;
	c->again.fire = go_on;
	list_init(&c->clients);
	int rc = timers_hold(loop_timers(c->loop), TIMERS);
	if (rc != 0) {
		free(c);
		return rc;
	}
	rc = serve(c, spec->path);
	if (rc != 0) {
		timers_release(loop_timers(c->loop), TIMERS);
		free(c);
		return rc;
	}
	*control = c;
	return 0;
}

/* What is made goes out, as far as it takes it: a reload that ends us is answered too. */
static void client_part(struct client *c)
{
	if (c->out.n > 0 && send(c->watch.fd, text_str(&c->out), c->out.n, MSG_NOSIGNAL) < 0)
		log_debug("control: a client was left without its answer");
	client_close(c);
}

void control_free(struct control *c)
{
	if (c == NULL)
		return;
	list_each(node, &c->clients)
		client_part(container_of(node, struct client, node));
	timer_disarm(loop_timers(c->loop), &c->again);
	loop_unwatch(c->loop, &c->watch);
	claim_close(&c->claim);
	close(c->watch.fd);
	timers_release(loop_timers(c->loop), TIMERS);
	free(c);
}
