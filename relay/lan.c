/* Sockets towards devices. */
#include "lan.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "limits.h"

static void note_overflows(struct lan_port *p)
{
	uint32_t told = udp_overflowed(p->in);
	if (told > p->overflowed)
		p->env->stat.count[COUNT_LAN_OVERFLOWS] += told - p->overflowed;
	p->overflowed = told;
}

/* All that overload costs while there is none. */
static void note_press(struct lan_port *p, unsigned n, struct mono now)
{
	p->full = n == LAN_BATCH ? p->full + 1 : 0;
	if (p->full >= LAN_PRESSED) {
		p->full = 0;
		p->calls->pressed(p->who, now);
	}
}

static void is_ready(struct watch *watch, unsigned happened, struct mono now)
{
	(void)happened;
	struct lan_port *p = container_of(watch, struct lan_port, watch);
	int n = udp_recv_batch(p->fd, p->in, LAN_BATCH);
	if (n <= 0)
		return;
	if (n > 1 && p->calls->soon != NULL)
		p->calls->soon(p->who, p, p->in, (unsigned)n);
	for (unsigned i = 0; i < (unsigned)n; i++)
		p->calls->datagram(p->who, p, udp_batch_slot(p->in, i), now);
	note_overflows(p);
	note_press(p, (unsigned)n, now);
}

static void flush_run(struct flush *flush, struct mono now)
{
	(void)now;
	struct lan_port *p = container_of(flush, struct lan_port, flush);
	if (p->gathered > 0)
		lan_flush(p);
}

static int port_init(struct lan_port *p, const struct lan_spec *spec)
{
	p->listener = spec->listener;
	p->bound = spec->at.address;
	p->steer = spec->at.steer;
	p->worker = spec->at.worker;
	p->is_secure = spec->is_secure;
	p->number = spec->number;
	p->in = spec->in;
	p->calls = spec->calls;
	p->who = spec->who;
	p->watch.ready = is_ready;
	p->flush.run = flush_run;
	list_init(&p->node);
	list_init(&p->flush.node);
	if (spec->at.interface != NULL) {
		p->interface = strdup(spec->at.interface);
		if (p->interface == NULL)
			return -ENOMEM;
	}
	return udp_batch_create(&p->out, LAN_BATCH);
}

int lan_reopen(struct lan_port *p)
{
	struct udp_listen_spec at = { .address = p->bound, .interface = p->interface,
		.steer = p->steer, .worker = p->worker, .is_secure = p->is_secure };
	uint32_t ifindex = p->interface != NULL ? udp_ifindex(p->interface) : 0;
	BUG_UNLESS(p->fd < 0);
	int fd = udp_listen(&at);
	if (fd < 0)
		return fd;
	p->watch.fd = fd;
	int rc = loop_watch(p->env->loop, &p->watch, LOOP_READ);
	if (rc != 0) {
		udp_close(fd);
		return rc;
	}
	p->fd = fd;
	p->is_transparent = p->is_asked = false;
	p->number = (p->number & ~0xffU) | ((p->number + 1) & 0xff);
	p->ifindex = ifindex;
	p->overflowed = 0;
	return 0;
}

void lan_shut(struct lan_port *p)
{
	if (p->fd < 0)
		return;
	if (p->gathered > 0)
		lan_flush(p);
	loop_unwatch(p->env->loop, &p->watch);
	udp_close(p->fd);
	p->fd = -1;
}

static void port_free(struct lan_port *p)
{
	udp_batch_free(p->out);
	free(p->interface);
	free(p);
}

int lan_open(struct lan_port **port, struct env *env, const struct lan_spec *spec)
{
	struct lan_port *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->env = env;
	p->fd = -1;
	int rc = port_init(p, spec);
	if (rc == 0)
		rc = lan_reopen(p);
	if (rc == -ENODEV && spec->may_wait)
		rc = 0; /* it may come yet */
	if (rc != 0) {
		port_free(p);
		return rc;
	}
	loop_on_flush(env->loop, &p->flush);
	list_append(&spec->listener->ports, &p->node);
	*port = p;
	return 0;
}

void lan_close(struct lan_port *p)
{
	lan_shut(p);
	list_remove(&p->node);
	list_remove(&p->flush.node);
	port_free(p);
}

struct udp_slot *lan_slot(struct lan_port *p)
{
	if (p->gathered == LAN_BATCH)
		lan_flush(p);
	return udp_batch_slot(p->out, p->gathered);
}

void lan_commit(struct lan_port *p)
{
	p->gathered++;
}

void lan_send(struct lan_port *p, const struct addr *device, const struct addr *called,
	uint32_t ifindex, const uint8_t *bytes, size_t n)
{
	struct udp_slot *slot = lan_slot(p);
	memcpy(slot->bytes, bytes, n);
	slot->n = n;
	slot->peer = *device;
	slot->called = *called;
	slot->ifindex = ifindex;
	lan_commit(p);
}

void lan_flush(struct lan_port *p)
{
	unsigned refused = 0;
	unsigned n = p->gathered;
	p->gathered = 0;
	if (p->fd >= 0)
		udp_send_batch(p->fd, p->out, 0, n, &refused);
	else
		refused = n;
	if (refused > 0)
		p->calls->refused(p->who, refused);
}
