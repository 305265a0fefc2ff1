/* The echo server's control port: see order.h. */
#include "order.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "control.h"
#include "net.h"

static int begin(struct server *s, enum asker_kind kind, const char *line)
{
	struct asker_order o = { .kind = kind,
		.devices = (unsigned)control_number(line, "devices", 1),
		.window = (unsigned)control_number(line, "window", 1),
		.inflight = (size_t)control_number(line, "inflight", 64),
		.payload = (unsigned)control_number(line, "payload", 64),
		.confirm = (unsigned)control_number(line, "confirm", 8),
		.rate = control_number(line, "rate", 0),
		.timeout = (int64_t)(control_number(line, "timeout", 2) * 1e9),
		.seed = (uint64_t)net_now() };
	bool fits = o.devices >= 1 && o.devices <= paths_devices(s->paths) && o.window >= 1 &&
		    o.window <= MARK_WINDOW_MAX && o.payload >= MARK_PAYLOAD_MIN &&
		    o.payload <= MARK_PAYLOAD_MAX && o.timeout > 0;
	return fits ? asker_begin(s->asker, &o) : -EINVAL;
}

static void reset(struct server *s)
{
	struct tally *t = asker_tally(s->asker);
	if (t != NULL)
		*t = (struct tally){ .foreign = t->foreign, .bad = t->bad };
}

static double us(const struct tally *t, double share)
{
	return (double)hist_at(&t->latency, share) / 1e3;
}

static void tell(struct server *s, char *text, size_t size)
{
	static const struct tally none;
	const struct tally *t = asker_tally(s->asker);
	t = t != NULL ? t : &none;
	snprintf(text, size,
		"ok registers=%" PRIu64 " notified=%" PRIu64 " old=%" PRIu64 " foreign=%" PRIu64
		" bad=%" PRIu64 " disorder=%" PRIu64 " waiting=%zu sent=%" PRIu64 " ok=%" PRIu64
		" lost=%" PRIu64 " late=%" PRIu64 " dup=%" PRIu64 " pushed=%" PRIu64
		" p50=%.1f p90=%.1f p99=%.1f max=%.1f",
		s->answers.registers, s->notified, s->old, s->foreign + t->foreign, s->bad + t->bad,
		s->disorder, asker_outstanding(s->asker), t->sent, t->ok, t->lost, t->late, t->dup,
		asker_notified(s->asker), us(t, 0.5), us(t, 0.9), us(t, 0.99),
		(double)t->latency.max / 1e3);
}

/* One line without its number. The answer stands in text. */
static void obey(struct server *s, const char *line, char *text, size_t size)
{
	int rc = 0;
	if (strcmp(line, "forget") == 0)
		server_forget(s);
	else if (strncmp(line, "write", 5) == 0)
		rc = begin(s, ASKER_WRITE, line);
	else if (strncmp(line, "observe", 7) == 0)
		rc = begin(s, ASKER_OBSERVE, line);
	else if (strncmp(line, "push", 4) == 0)
		rc = begin(s, ASKER_NOTIFY, line);
	else if (strcmp(line, "stop") == 0)
		asker_stop(s->asker);
	else if (strcmp(line, "reset") == 0)
		reset(s);
	else if (strcmp(line, "stats") != 0)
		rc = -EINVAL;
	if (rc != 0)
		snprintf(text, size, "%s", strerror(-rc));
	else
		tell(s, text, size);
}

void order_take(struct server *s, int fd)
{
	struct sockaddr_storage from;
	char line[CONTROL_ROOM], answer[CONTROL_ROOM];
	for (;;) {
		socklen_t m = sizeof(from);
		ssize_t n = recvfrom(fd, line, sizeof(line) - 1, 0, (struct sockaddr *)&from, &m);
		if (n < 0)
			return;
		line[n] = '\0';
		int head = (int)strcspn(line, " ") + 1;
		if (head > n)
			continue;
		int o = snprintf(answer, sizeof(answer), "%.*s", head, line);
		obey(s, line + head, answer + o, sizeof(answer) - (size_t)o);
		sendto(fd, answer, strlen(answer), 0, (struct sockaddr *)&from, m);
	}
}
