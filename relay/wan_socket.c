/* The socket of an association: connected to one server, bound to a port that is remembered. */
#include "wan_int.h"
#include <errno.h>
#include "base/log.h"
#include "udp.h"
#include "wan.h"

void wan_count_overflow(struct wan *w)
{
	if (!w->has_socket)
		return;
	for (uint32_t told = udp_dropped(w->fd); w->overflowed < told; w->overflowed++)
		w->calls->lost(w, DROP_WAN_OVERFLOW);
}

void wan_socket_close(struct wan *w)
{
	if (!w->has_socket)
		return;
	wan_count_overflow(w);
	loop_unwatch(w->env->loop, &w->watch);
	udp_close(w->fd);
	w->has_socket = false;
}

static int socket_watch(struct wan *w, int fd, uint16_t port, bool connected)
{
	w->watch.fd = fd;
	int rc = loop_watch(w->env->loop, &w->watch, LOOP_READ);
	if (rc != 0) {
		udp_close(fd);
		return rc;
	}
	w->fd = fd;
	w->port = port;
	w->has_socket = true;
	w->is_connected = connected;
	w->overflowed = udp_dropped(fd);
	w->ifindex = w->server->interface != NULL ? udp_ifindex(w->server->interface) : 0;
	return 0;
}

/* Opens a socket to the peer from this port, 0 for any. A remembered port that somebody else has
 * taken gives way to a new one. */
static int socket_open(struct wan *w, const struct addr *peer, uint16_t port)
{
	wan_socket_close(w);
	struct udp_connect_spec spec = { .peer = *peer, .port = port,
		.interface = w->server->interface };
	bool connected;
	uint16_t got;
	int fd = udp_connect(&spec, &got, &connected);
	if (fd == -EADDRINUSE && port != 0) {
		log_info("wan: %s: source port %u is taken, choosing another", w->label, port);
		spec.port = 0;
		fd = udp_connect(&spec, &got, &connected);
	}
	return fd < 0 ? fd : socket_watch(w, fd, got, connected);
}

bool wan_socket_is_stale(const struct wan *w)
{
	return w->server->interface != NULL && w->ifindex != udp_ifindex(w->server->interface);
}

int wan_socket_towards(struct wan *w, const struct addr *peer, uint16_t port)
{
	bool fits = w->has_socket && (port == 0 || port == w->port) &&
		addr_is_v4(peer) == addr_is_v4(&w->peer);
	if (!fits) {
		int rc = socket_open(w, peer, port);
		w->peer = *peer;
		return rc;
	}
	if (w->is_connected && addr_eq(peer, &w->peer))
		return 0;
	w->peer = *peer;
	if (wan_socket_is_stale(w))
		return socket_open(w, peer, w->port);
	w->is_connected = udp_reconnect(w->fd, peer) == 0;
	return 0;
}
