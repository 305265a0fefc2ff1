/* The network in memory: sockets and datagrams, and every function of udp.h. */
#include "fake_net_int.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct udp_batch {
	unsigned count;
	uint32_t overflowed;
	struct udp_slot *slots;
	uint8_t *rooms;
};

/* ---- parcels and sockets --------------------------------------------------------------------- */

void fake_parcel_append(struct list *parcels, const struct fake_datagram *d, const void *bytes)
{
	struct fake_parcel *p = malloc(sizeof(*p) + d->n);
	BUG_UNLESS(p != NULL);
	p->d = *d;
	if (d->n != 0)
		memcpy(p->bytes, bytes, d->n);
	p->d.bytes = p->bytes;
	list_append(parcels, &p->node);
}

struct fake_parcel *fake_parcel_first(struct list *parcels)
{
	if (list_is_empty(parcels))
		return NULL;
	struct fake_parcel *p = container_of(parcels->next, struct fake_parcel, node);
	list_remove(&p->node);
	return p;
}

struct fake_socket *fake_socket_find(struct fake_net *net, int fd)
{
	if (fd < FAKE_FIRST_FD || fd >= FAKE_FIRST_FD + net->highest)
		return NULL;
	struct fake_socket *s = &net->sockets[fd - FAKE_FIRST_FD];
	return s->open ? s : NULL;
}

static struct fake_socket *get(int fd)
{
	struct fake_socket *s = fake_socket_find(fake_net_get(), fd);
	if (s == NULL)
		BUG("no open socket has this descriptor");
	return s;
}

/* Opens the lowest free descriptor, as the kernel does, so that numbers come back at once. */
static int open_socket(struct fake_net *net, const char *interface)
{
	int i = 0;
	while (i < net->highest && net->sockets[i].open)
		i++;
	if (i == FAKE_SOCKETS)
		return -EMFILE;
	if (i == net->highest)
		net->highest++;
	struct fake_socket *s = &net->sockets[i];
	*s = (struct fake_socket){ .open = true };
	snprintf(s->interface, sizeof(s->interface), "%s", interface == NULL ? "" : interface);
	list_init(&s->waiting);
	net->open++;
	return FAKE_FIRST_FD + i;
}

/* Both are of one group: the kernel chooses among them. */
static bool shares(const struct fake_socket *s, const struct fake_socket *with)
{
	return s->open && s->steer != NULL && s->steer == with->steer && s->ifindex == with->ifindex &&
		addr_eq(&s->local, &with->local) && strcmp(s->interface, with->interface) == 0;
}

static unsigned group_size(const struct fake_net *net, const struct fake_socket *like)
{
	unsigned n = 0;
	for (int i = 0; i < net->highest; i++)
		n += shares(&net->sockets[i], like);
	return n;
}

/* The last one takes its place. */
static void leave_group(struct fake_net *net, const struct fake_socket *s)
{
	unsigned last = group_size(net, s) - 1;
	for (int i = 0; i < net->highest; i++)
		if (shares(&net->sockets[i], s) && net->sockets[i].place == last)
			net->sockets[i].place = s->place;
}

void fake_socket_close(struct fake_net *net, int fd)
{
	struct fake_socket *s = fake_socket_find(net, fd);
	struct fake_parcel *p;
	while ((p = fake_parcel_first(&s->waiting)) != NULL)
		free(p);
	if (s->steer != NULL)
		leave_group(net, s);
	*s = (struct fake_socket){ 0 };
	net->open--;
}

void udp_close(int fd)
{
	if (get(fd)->watch != NULL)
		BUG("closed while watched: loop_unwatch comes first");
	fake_socket_close(fake_net_get(), fd);
}

/* ---- the world around ------------------------------------------------------------------------ */

static uint32_t interface_index(const struct fake_net *net, const char *name)
{
	for (int i = 0; i < FAKE_INTERFACES; i++)
		if (strcmp(net->interfaces[i].name, name) == 0)
			return net->interfaces[i].ifindex;
	return 0;
}

void fake_net_interface(struct fake_net *net, const char *name, uint32_t ifindex)
{
	struct fake_interface *free_one = NULL;
	for (int i = 0; i < FAKE_INTERFACES; i++) {
		struct fake_interface *in = &net->interfaces[i];
		if (strcmp(in->name, name) == 0) {
			if (in->ifindex < FAKE_GONE && in->ifindex != ifindex)
				net->gone[in->ifindex] = true;
			if (ifindex < FAKE_GONE)
				net->gone[ifindex] = false;
			in->ifindex = ifindex;
			return;
		}
		if (in->name[0] == '\0')
			free_one = in;
	}
	BUG_UNLESS(free_one != NULL);
	snprintf(free_one->name, sizeof(free_one->name), "%s", name);
	free_one->ifindex = ifindex;
}

bool udp_is_link(uint32_t ifindex)
{
	const struct fake_net *net = fake_net_get();
	return ifindex >= FAKE_GONE || !net->gone[ifindex];
}

void fake_net_own(struct fake_net *net, const struct addr *address)
{
	BUG_UNLESS(net->own_count < FAKE_OWN);
	net->own[net->own_count] = *address;
	net->own[net->own_count++].port = 0;
}

unsigned fake_net_sources_asked(const struct fake_net *net)
{
	return net->sources_asked;
}

void fake_net_broadcast(struct fake_net *net, const struct addr *address)
{
	net->broadcast = *address;
}

void fake_net_source(struct fake_net *net, bool v4, const struct addr *source)
{
	net->has_source[v4] = source != NULL;
	if (source != NULL)
		net->source[v4] = *source;
}

void fake_net_port_taken(struct fake_net *net, uint16_t port, bool taken)
{
	uint8_t bit = (uint8_t)(1u << port % 8);
	net->taken[port / 8] = (uint8_t)(net->taken[port / 8] & ~bit) | (taken ? bit : 0);
}

void fake_net_port_range(struct fake_net *net, uint16_t first, uint16_t last)
{
	BUG_UNLESS(first != 0 && first <= last);
	net->first_port = first;
	net->last_port = last;
}

void fake_net_fail_opens(struct fake_net *net, int error, unsigned times)
{
	net->open_error = error;
	net->fail_opens = times;
}

void fake_net_spare_opens(struct fake_net *net, unsigned times)
{
	net->spare_opens = times;
}

void fake_net_fail_watches(struct fake_net *net, int error, unsigned times)
{
	net->watch_error = error;
	net->fail_watches = times;
}

void fake_net_no_ipv6(struct fake_net *net)
{
	net->no_ipv6 = true;
}

static int open_fails(struct fake_net *net, const char *interface, bool v4)
{
	if (!v4 && net->no_ipv6)
		return -EAFNOSUPPORT;
	if (net->spare_opens > 0) {
		net->spare_opens--;
	} else if (net->fail_opens > 0) {
		net->fail_opens--;
		return -net->open_error;
	}
	return interface != NULL && interface_index(net, interface) == 0 ? -ENODEV : 0;
}

/* ---- LAN ------------------------------------------------------------------------------------- */

/* Two sockets with one port and family can stand when neither address is any, and they differ, or
 * when they are bound to different interfaces. */
static bool collides(const struct fake_socket *s, const struct addr *local, const char *interface)
{
	if (!s->open || s->local.port != local->port ||
		addr_is_v4(&s->local) != addr_is_v4(local))
		return false;
	const char *other = interface == NULL ? "" : interface;
	if (s->interface[0] != '\0' && other[0] != '\0' && strcmp(s->interface, other) != 0)
		return false;
	return s->wan || addr_is_any(&s->local) || addr_is_any(local) ||
		addr_same_host(&s->local, local);
}

static bool is_taken(const struct fake_net *net, const struct addr *local, const char *interface)
{
	if (net->taken[local->port / 8] >> local->port % 8 & 1)
		return true;
	for (int i = 0; i < net->highest; i++)
		if (collides(&net->sockets[i], local, interface))
			return true;
	return false;
}

uint32_t udp_ifindex(const char *interface)
{
	return interface_index(fake_net_get(), interface);
}

/* Of workers that share a port the first is alone when it comes. */
static bool may_listen(const struct fake_net *net, const struct udp_listen_spec *spec)
{
	if (spec->steer == NULL || spec->worker == 0)
		return !is_taken(net, &spec->address, spec->interface);
	for (int i = 0; i < net->highest; i++)
		if (collides(&net->sockets[i], &spec->address, spec->interface) &&
			net->sockets[i].steer != spec->steer)
			return false;
	return true;
}

int udp_listen(const struct udp_listen_spec *spec)
{
	struct fake_net *net = fake_net_get();
	int rc = open_fails(net, spec->interface, addr_is_v4(&spec->address));
	if (rc < 0)
		return rc;
	if (!may_listen(net, spec))
		return -EADDRINUSE;
	int fd = open_socket(net, spec->interface);
	if (fd < 0)
		return fd;
	get(fd)->local = spec->address;
	get(fd)->steer = spec->steer;
	get(fd)->worker = spec->worker;
	get(fd)->is_secure = spec->is_secure;
	get(fd)->ifindex = interface_index(net, get(fd)->interface);
	get(fd)->place = spec->steer != NULL ? group_size(net, get(fd)) - 1 : 0;
	return fd;
}

int udp_batch_create(struct udp_batch **batch, unsigned slots)
{
	struct udp_batch *b = calloc(1, sizeof(*b));
	BUG_UNLESS(b != NULL);
	b->count = slots;
	b->slots = calloc(slots, sizeof(*b->slots));
	b->rooms = malloc((size_t)slots * UDP_ROOM);
	BUG_UNLESS(b->slots != NULL && b->rooms != NULL);
	for (unsigned i = 0; i < slots; i++)
		b->slots[i].bytes = b->rooms + (size_t)i * UDP_ROOM;
	*batch = b;
	return 0;
}

void udp_batch_free(struct udp_batch *batch)
{
	if (batch == NULL)
		return;
	free(batch->slots);
	free(batch->rooms);
	free(batch);
}

struct udp_slot *udp_batch_slot(struct udp_batch *batch, unsigned i)
{
	BUG_UNLESS(i < batch->count);
	return &batch->slots[i];
}

unsigned udp_filled(int fd)
{
	unsigned room = fake_net_get()->lan_room;
	return room > 0 ? get(fd)->waiting_count * 100 / room : 0;
}

uint32_t udp_overflowed(const struct udp_batch *batch)
{
	return batch->overflowed;
}

static void parcel_to_slot(const struct fake_parcel *p, struct udp_slot *slot)
{
	slot->n = p->d.n < UDP_ROOM ? p->d.n : UDP_ROOM;
	slot->truncated = p->d.n > UDP_ROOM;
	if (slot->n != 0)
		memcpy(slot->bytes, p->bytes, slot->n);
	slot->peer = p->d.from;
	slot->called = p->d.to;
	slot->called.port = 0;
	slot->ifindex = p->d.ifindex;
	slot->is_broadcast = addr_same_host(&p->d.to, &fake_net_get()->broadcast);
	/* The families of a socket and its callers are not kept apart here. */
	slot->is_mixed = addr_is_v4(&p->d.from) != addr_is_v4(&p->d.to);
}

int udp_recv_batch(int fd, struct udp_batch *batch, unsigned most)
{
	struct fake_net *net = fake_net_get();
	struct fake_socket *s = get(fd);
	BUG_UNLESS(most <= batch->count && !s->wan);
	unsigned n = 0;
	struct fake_parcel *p;
	while (n < most && (p = fake_parcel_first(&s->waiting)) != NULL) {
		parcel_to_slot(p, &batch->slots[n++]);
		s->waiting_count--;
		free(p);
	}
	if (n > 0)
		batch->overflowed = net->overflow;
	net->progress += n;
	return (int)n;
}

static bool is_refused(const struct fake_net *net, const struct addr *peer)
{
	for (size_t i = 0; i < net->refused_count; i++)
		if (addr_eq(&net->refused[i], peer))
			return true;
	return false;
}

unsigned udp_send_batch(int fd, struct udp_batch *batch, unsigned first, unsigned count,
	unsigned *refused)
{
	struct fake_net *net = fake_net_get();
	struct fake_socket *s = get(fd);
	BUG_UNLESS(!s->wan && first <= batch->count && count <= batch->count - first);
	unsigned sent = 0;
	for (unsigned i = first; i < first + count; i++) {
		const struct udp_slot *slot = &batch->slots[i];
		BUG_UNLESS(slot->n <= UDP_ROOM && addr_is_v4(&slot->peer) == addr_is_v4(&s->local));
		if (is_refused(net, &slot->peer)) {
			++*refused;
			continue;
		}
		struct fake_datagram d = { fd, slot->called, slot->peer, slot->ifindex, NULL, slot->n };
		if (addr_is_any(&d.from))
			d.from = addr_is_any(&s->local) ? net->source[addr_is_v4(&s->local)] : s->local;
		d.from.port = s->local.port;
		fake_parcel_append(&net->lan_sent, &d, slot->bytes);
		net->lan_sent_count++;
		sent++;
	}
	return sent;
}

/* How well a socket fits what was called: 0 not, then wildcard, address, and one more for a bound
 * interface. */
static int fitness(const struct fake_socket *s, const struct addr *called, uint32_t ifindex)
{
	if (!s->open || s->wan || s->local.port != called->port ||
		addr_is_v4(&s->local) != addr_is_v4(called))
		return 0;
	if (!addr_is_any(&s->local) && !addr_same_host(&s->local, called))
		return 0;
	if (s->interface[0] != '\0' && s->ifindex != ifindex)
		return 0;
	return 1 + 2 * !addr_is_any(&s->local) + (s->interface[0] != '\0');
}

void fake_lan_steer(struct fake_net *net, int worker)
{
	net->steer_to = worker + 1;
}

/* Of the sockets that share the place of this one; by number, as the kernel does, whoever has it. */
static int steered(const struct fake_net *net, int best, const struct fake_datagram *d, const void *bytes)
{
	const struct fake_socket *like = &net->sockets[best];
	if (like->steer == NULL)
		return best;
	bool is_told = net->steer_to > 0;
	unsigned to = is_told ? (unsigned)net->steer_to - 1 :
		steer_datagram(like->steer, &d->from, bytes, d->n, like->is_secure);
	for (int i = 0; i < net->highest; i++) {
		const struct fake_socket *s = &net->sockets[i];
		if (shares(s, like) && (is_told ? s->worker : s->place) == to)
			return i;
	}
	BUG_UNLESS(!is_told);
	return best; /* there is no such number: the kernel chooses by itself */
}

bool fake_lan_queue(struct fake_net *net, const struct addr *from, const struct addr *called,
	uint32_t ifindex, const void *bytes, size_t n)
{
	int best = -1;
	int fits = 0;
	for (int i = 0; i < net->highest; i++) {
		int f = fitness(&net->sockets[i], called, ifindex);
		if (f > fits) {
			fits = f;
			best = i;
		}
	}
	if (best < 0)
		return false;
	struct fake_datagram d = { 0, *from, *called, ifindex, NULL, n };
	best = steered(net, best, &d, bytes);
	d.fd = FAKE_FIRST_FD + best;
	if (net->lan_room > 0 && net->sockets[best].waiting_count == net->lan_room) {
		net->overflow++;
		return true;
	}
	fake_parcel_append(&net->sockets[best].waiting, &d, bytes);
	net->sockets[best].waiting_count++;
	return true;
}

void fake_lan_arrive(struct fake_net *net, const struct addr *from, const struct addr *called,
	uint32_t ifindex, const void *bytes, size_t n)
{
	if (!fake_lan_queue(net, from, called, ifindex, bytes, n))
		BUG("nobody listens at the address that was called");
	fake_net_wake(net);
}

const struct fake_datagram *fake_lan_take(struct fake_net *net)
{
	free(net->lan_taken);
	net->lan_taken = fake_parcel_first(&net->lan_sent);
	if (net->lan_taken == NULL)
		return NULL;
	net->lan_sent_count--;
	return &net->lan_taken->d;
}

void fake_lan_refuse(struct fake_net *net, const struct addr *peer, bool refuse)
{
	for (size_t i = 0; i < net->refused_count; i++)
		if (addr_eq(&net->refused[i], peer))
			net->refused[i--] = net->refused[--net->refused_count];
	if (!refuse)
		return;
	BUG_UNLESS(net->refused_count < FAKE_REFUSED);
	net->refused[net->refused_count++] = *peer;
}

void fake_lan_overflow(struct fake_net *net, uint32_t dropped)
{
	net->overflow = dropped;
}

void fake_lan_room(struct fake_net *net, unsigned datagrams)
{
	net->lan_room = datagrams;
}

unsigned fake_lan_waiting(const struct fake_net *net)
{
	unsigned n = 0;
	for (int i = 0; i < net->highest; i++)
		if (!net->sockets[i].wan)
			n += net->sockets[i].waiting_count;
	return n;
}

unsigned fake_lan_sent(const struct fake_net *net)
{
	return net->lan_sent_count;
}

/* ---- WAN ------------------------------------------------------------------------------------- */

/* The next free port of the range, behind the one that was chosen before, so that a closed one does
 * not come back at once; 0 when there is none. */
static uint16_t choose_port(struct fake_net *net, const struct udp_connect_spec *spec)
{
	struct addr any = addr_any(addr_is_v4(&spec->peer), net->chosen_port);
	for (int left = net->last_port - net->first_port + 1; left > 0; left--) {
		any.port = any.port < net->first_port || any.port >= net->last_port ?
			net->first_port : (uint16_t)(any.port + 1);
		if (!is_taken(net, &any, spec->interface))
			return net->chosen_port = any.port;
	}
	return 0;
}

int udp_connect(const struct udp_connect_spec *spec, uint16_t *port, bool *connected)
{
	struct fake_net *net = fake_net_get();
	int rc = open_fails(net, spec->interface, addr_is_v4(&spec->peer));
	if (rc < 0)
		return rc;
	struct addr local = addr_any(addr_is_v4(&spec->peer), spec->port);
	if (local.port == 0)
		local.port = choose_port(net, spec);
	else if (is_taken(net, &local, spec->interface))
		return -EADDRINUSE;
	if (local.port == 0)
		return -EADDRNOTAVAIL;
	int fd = open_socket(net, spec->interface);
	if (fd < 0)
		return fd;
	struct fake_socket *s = get(fd);
	s->wan = true;
	s->local = local;
	*port = local.port;
	*connected = udp_reconnect(fd, &spec->peer) == 0;
	return fd;
}

int udp_reconnect(int fd, const struct addr *peer)
{
	struct fake_net *net = fake_net_get();
	struct fake_socket *s = get(fd);
	bool v4 = addr_is_v4(peer);
	BUG_UNLESS(s->wan && v4 == addr_is_v4(&s->local));
	uint16_t port = s->local.port;
	s->connected = net->has_source[v4];
	s->local = s->connected ? net->source[v4] : addr_any(v4, 0);
	s->local.port = port;
	s->peer = *peer;
	s->error = 0;
	return s->connected ? 0 : -ENETUNREACH;
}

int udp_local(int fd, struct addr *local)
{
	*local = get(fd)->local;
	return 0;
}

int udp_source_for(const struct addr *peer, const char *interface, struct addr *local)
{
	struct fake_net *net = fake_net_get();
	bool v4 = addr_is_v4(peer);
	net->sources_asked++;
	if (interface != NULL && interface_index(net, interface) == 0)
		return -ENODEV;
	for (size_t i = 0; i < net->own_count; i++)
		if (addr_same_host(&net->own[i], peer)) {
			*local = net->own[i];
			return 0;
		}
	if (!net->has_source[v4])
		return -ENETUNREACH;
	*local = net->source[v4];
	local->port = 0;
	return 0;
}

int udp_set_ordinary(int fd)
{
	(void)fd;
	return 0;
}

/* What a send meets before it may go. */
static int send_trouble(struct fake_net *net, struct fake_socket *s, unsigned *refused)
{
	int waiting = s->error;
	s->error = 0;
	if (waiting == ECONNREFUSED)
		++*refused;
	else if (waiting != 0)
		return -waiting;
	if (s->send_error != 0)
		return -s->send_error;
	if (!s->connected)
		return -EDESTADDRREQ;
	bool v4 = addr_is_v4(&s->local);
	if (!net->has_source[v4])
		return -ENETUNREACH;
	/* The kernel's two families differ here. */
	return v4 && !addr_same_host(&net->source[v4], &s->local) ? -ENETUNREACH : 0;
}

int udp_send(int fd, const uint8_t *bytes, size_t n, unsigned *refused)
{
	struct fake_net *net = fake_net_get();
	struct fake_socket *s = get(fd);
	BUG_UNLESS(s->wan);
	int rc = send_trouble(net, s, refused);
	if (rc < 0)
		return rc;
	struct fake_datagram d = { fd, s->local, s->peer, 0, NULL, n };
	fake_parcel_append(&net->wan_sent, &d, bytes);
	net->wan_sent_count++;
	return 0;
}

long udp_recv(int fd, uint8_t *room, size_t size)
{
	struct fake_net *net = fake_net_get();
	struct fake_socket *s = get(fd);
	BUG_UNLESS(s->wan);
	if (s->error != 0) {
		s->error = 0;
		net->progress++;
		return -ECONNREFUSED;
	}
	struct fake_parcel *p = fake_parcel_first(&s->waiting);
	if (p == NULL)
		return -EAGAIN;
	long n = (long)p->d.n;
	size_t fits = p->d.n < size ? p->d.n : size;
	if (fits != 0)
		memcpy(room, p->bytes, fits);
	free(p);
	net->progress++;
	return n;
}

/* The WAN socket that is bound to a port, of the family of `from` where that is not NULL. */
static struct fake_socket *by_port(struct fake_net *net, uint16_t port, const struct addr *from)
{
	for (int i = 0; i < net->highest; i++) {
		struct fake_socket *s = &net->sockets[i];
		if (s->open && s->wan && s->local.port == port &&
			(from == NULL || addr_is_v4(from) == addr_is_v4(&s->local)))
			return s;
	}
	return NULL;
}

bool fake_wan_queue(struct fake_net *net, uint16_t port, const struct addr *from,
	const void *bytes, size_t n)
{
	struct fake_socket *s = by_port(net, port, from);
	if (s == NULL || !s->connected || (from != NULL && !addr_eq(from, &s->peer)))
		return false;
	struct fake_datagram d = { FAKE_FIRST_FD + (int)(s - net->sockets), s->peer, s->local, 0,
		NULL, n };
	fake_parcel_append(&s->waiting, &d, bytes);
	return true;
}

void fake_wan_arrive(struct fake_net *net, uint16_t port, const struct addr *from,
	const void *bytes, size_t n)
{
	if (!fake_wan_queue(net, port, from, bytes, n))
		BUG("no connected socket has this port and peer");
	fake_net_wake(net);
}

bool fake_wan_error(struct fake_net *net, uint16_t port, int error)
{
	struct fake_socket *s = by_port(net, port, NULL);
	if (s == NULL)
		return false;
	s->error = error;
	return true;
}

uint32_t udp_dropped(int fd)
{
	return get(fd)->dropped;
}

void fake_wan_overflow(struct fake_net *net, uint16_t port, uint32_t dropped)
{
	struct fake_socket *s = by_port(net, port, NULL);
	if (s == NULL)
		BUG("no socket has this port");
	s->dropped = dropped;
}

void fake_wan_fail_sends(struct fake_net *net, uint16_t port, int error)
{
	struct fake_socket *s = by_port(net, port, NULL);
	if (s == NULL)
		BUG("no socket has this port");
	s->send_error = error;
}

static const struct fake_datagram *wan_taken(struct fake_net *net, struct fake_parcel *p)
{
	free(net->wan_taken);
	net->wan_taken = p;
	if (p == NULL)
		return NULL;
	net->wan_sent_count--;
	return &p->d;
}

const struct fake_datagram *fake_wan_take(struct fake_net *net)
{
	return wan_taken(net, fake_parcel_first(&net->wan_sent));
}

const struct fake_datagram *fake_wan_take_from(struct fake_net *net, uint16_t port)
{
	list_each(node, &net->wan_sent) {
		struct fake_parcel *p = container_of(node, struct fake_parcel, node);
		if (p->d.from.port != port)
			continue;
		list_remove(node);
		return wan_taken(net, p);
	}
	return wan_taken(net, NULL);
}

unsigned fake_wan_sent(const struct fake_net *net)
{
	return net->wan_sent_count;
}
