/* UDP sockets, as the relay uses them: one wildcard socket towards devices that tells which address
 * was called and answers from it, and many connected ones towards servers. Unit tests put another
 * file behind this header (tests/unit/fake_net.h), so nothing above needs a network. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"
#include "limits.h"
#include "steer.h"

/* One datagram in a batch. The room belongs to the batch. */
struct udp_slot {
	uint8_t *bytes;     /* UDP_ROOM bytes */
	size_t n;           /* bytes used */
	struct addr peer;   /* LAN: the device */
	struct addr called; /* LAN: our address that the device called, without port */
	uint32_t ifindex;   /* LAN: the interface it came in by; 0 when sending is to be routed */
	bool is_broadcast;  /* LAN: called at a subnet's broadcast address, which only the kernel knows */
	bool is_mixed;      /* LAN: it came over IPv6 and names an IPv4 address (::ffff:a.b.c.d) in its header */
	bool truncated;     /* it was larger than UDP_ROOM; what is there must not be used */
};

/* A batch of datagrams, read by one system call or to be sent by one. */
struct udp_batch;

/* Makes a batch of `slots` datagrams, all memory taken now. Returns 0 or -ENOMEM. */
int udp_batch_create(struct udp_batch **batch, unsigned slots) MUST_CHECK;
/* Gives the memory back. NULL is allowed. */
void udp_batch_free(struct udp_batch *batch);
/* The i-th datagram. */
struct udp_slot *udp_batch_slot(struct udp_batch *batch, unsigned i);

/* Where a LAN socket is to listen. */
struct udp_listen_spec {
	struct addr address;   /* with port; any address listens on all of its family */
	const char *interface; /* bind to this interface, or NULL */
	const struct steer *steer; /* the port is shared by workers, or NULL; borrowed */
	unsigned worker;       /* whose socket it is; those of a port are opened in order, from 0 on */
	bool is_secure;        /* for steer: DTLS comes here */
};

/* Opens a LAN socket: address of the callee on read, source address on write, large buffers, V6ONLY
 * for IPv6. Returns the descriptor or -errno. */
int udp_listen(const struct udp_listen_spec *spec) MUST_CHECK;
/* Reads up to `most` datagrams into slots 0.. of the batch. Returns how many, 0 when there was
 * none, or -errno. ICMP errors are no errors of a LAN socket. What a program of this machine sends
 * comes in by the interface that owns the address which it called, not by lo. */
int udp_recv_batch(int fd, struct udp_batch *batch, unsigned most) MUST_CHECK;
/* Sends slots first..first+count-1 of the batch to their peers, from the address `called` (any: of
 * the kernel's choice) and by the interface ifindex (0: routed; so are peers on this machine).
 * Returns how many were taken by the kernel; slots refused for good (e.g. no route to that device,
 * message too long) are added to *refused and are skipped; what would block is added there too.
 * Where an interface is named and no route leads to an IPv4 device, the kernel seeks it on that
 * link. */
unsigned udp_send_batch(int fd, struct udp_batch *batch, unsigned first, unsigned count,
	unsigned *refused);

/* A transparent socket hears its own addresses only from now on. Returns 0 or -errno. */
int udp_set_ordinary(int fd) MUST_CHECK;
/* True when an interface has this number. */
bool udp_is_link(uint32_t ifindex);

/* How a WAN socket is to stand. */
struct udp_connect_spec {
	struct addr peer;      /* the server */
	uint16_t port;         /* our source port, host order, bound by number; 0: choose one */
	const char *interface; /* bind to this interface, or NULL */
};

/* Opens a connected socket. *port is the number that it is bound to, chosen by the kernel out of
 * ip_local_port_range where none is asked for. A port that is asked for and taken is -EADDRINUSE;
 * no free one is -EADDRNOTAVAIL. A route that is missing right now is no error: the socket is
 * bound, deaf, and *connected false; udp_reconnect later. Returns the descriptor or -errno. */
int udp_connect(const struct udp_connect_spec *spec, uint16_t *port, bool *connected) MUST_CHECK;
/* Connects again: another source address is chosen for the route of today; port and interface are
 * kept. Returns 0, or -errno and leaves the socket bound, unconnected, and deaf to strangers. What
 * had not been read stays readable. */
int udp_reconnect(int fd, const struct addr *peer) MUST_CHECK;
/* The source address that the socket has, with its port; any while not connected. Returns 0 or
 * -errno. Compare with udp_source_for by addr_same_host: IPv6 goes on to send from an address that
 * is gone, without an error. */
int udp_local(int fd, struct addr *local) MUST_CHECK;
/* The source address that the kernel would choose towards the peer today, without port. Returns 0
 * or -errno. */
int udp_source_for(const struct addr *peer, const char *interface, struct addr *local) MUST_CHECK;
/* Sends one datagram on a connected socket; after ECONNREFUSED, or another error that may be an
 * old ICMP message's, once more (rule 11). Returns 0 or -errno; ICMP errors that were met on the
 * way are added to *refused. */
int udp_send(int fd, const uint8_t *bytes, size_t n, unsigned *refused) MUST_CHECK;
/* Reads one datagram of a connected socket into room of `size` bytes. Returns its length, which is
 * larger than size when it was cut; -EAGAIN when there is none; -ECONNREFUSED for an ICMP error of
 * any kind, after which there may be more to read. */
long udp_recv(int fd, uint8_t *room, size_t size) MUST_CHECK;
/* Datagrams that the kernel dropped because the socket's receive buffer was full, since it opened:
 * as told with the newest datagram in the batch, so of the socket that was read last. */
uint32_t udp_overflowed(const struct udp_batch *batch);
/* Closes the socket. */
void udp_close(int fd);
/* Datagrams that the kernel dropped on this socket because its receive buffer was full, since it
 * opened; one system call. */
uint32_t udp_dropped(int fd);
/* How much of the socket's receive buffer is taken, percent; 0 where that can not be told. One system call. */
unsigned udp_filled(int fd);
/* The number of an interface of this name, 0 when there is none. */
uint32_t udp_ifindex(const char *interface);
