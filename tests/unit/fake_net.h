/* A network and a clock in memory: every function of udp.h, loop.h and resolve.h without a kernel.
 * Linked before the trunk's archive it keeps udp.o, loop.o and resolve.o out; timer.o stays real.
 * The Makefile's FAKE_NET lists its files. What a caller may not do (close a watched descriptor,
 * watch twice, read from a closed socket) aborts with its place.
 *
 * There is one network at a time. A test makes it, then calls loop_create, resolver_create and what
 * it tests, as the daemon would. Nothing happens by itself: datagrams and answers wait until
 * fake_net_wake or one of the functions that say "wakes". Time moves only by fake_net_advance and
 * fake_net_until (and by loop_once and loop_run, which jump to the next timer).
 *
 *	struct fake_net *net = fake_net_create();
 *	...
 *	fake_lan_arrive(net, device, gateway, 2, bytes, n);
 *	const struct fake_datagram *sent = fake_wan_take(net);
 *	fake_wan_arrive(net, sent->from.port, NULL, answer, answer_n);
 *	sent = fake_lan_take(net);
 *	ck_assert_uint_eq(fake_net_open(net), 0);
 *	fake_net_free(net);
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/mono.h"
#include "loop.h"
#include "resolve.h"
#include "udp.h"

struct fake_net;

/* The clock of a new network, ms; not 0, so that a forgotten deadline is seen. */
#define FAKE_NET_START_MS 1000000
/* The machine's clock of a new network, s since 1970. */
#define FAKE_NET_WALL_S 1700000000

/* ---- life ------------------------------------------------------------------------------------ */

/* Makes the network: IPv4 source 192.0.2.1, IPv6 source 2001:db8::1, no interface by name, no name
 * known, all ports free. Never fails. */
struct fake_net *fake_net_create(void);
/* Ends it, and forgets sockets and datagrams that are left; the last to go, behind the loop and the
 * resolver. NULL is allowed. */
void fake_net_free(struct fake_net *net);
/* Sockets that are open, of both kinds. */
unsigned fake_net_open(const struct fake_net *net);
/* Descriptors that are watched. */
unsigned fake_net_watched(const struct fake_net *net);

/* ---- time ------------------------------------------------------------------------------------ */

/* The clock. */
struct mono fake_net_now(const struct fake_net *net);
/* What loop_wall tells now; it goes on with the clock. FAKE_NET_WALL_S at first. */
void fake_net_set_wall(struct fake_net *net, int64_t seconds);
/* Serves all that is due now: wake-ups of the loop until nothing is ready and no timer is due. Each
 * fires at most LOOP_TIMERS timers, tells each ready descriptor once, and runs the flush hooks. A
 * timer that re-arms itself for now without end aborts the test. */
void fake_net_wake(struct fake_net *net);
/* Moves the clock on by ms, stopping to wake at each timer's deadline, in order. */
void fake_net_advance(struct fake_net *net, int64_t ms);
/* The same, to a point in time; a past one only wakes. */
void fake_net_until(struct fake_net *net, struct mono at);
/* The relay is at work for so long: the clock goes on, and nobody is served meanwhile. */
void fake_net_work(struct fake_net *net, int64_t ms);
/* Tells the owner of a watched descriptor that is no socket of ours, then runs the flush hooks.
 * Aborts when nobody watches it. */
void fake_net_ready(struct fake_net *net, int fd, unsigned happened);

/* A wake-up tells owners of descriptors that are no sockets of ours too, where the kernel has something for
 * them: the bells of workers. */
void fake_net_poll(struct fake_net *net);

/* ---- the world around ------------------------------------------------------------------------ */

/* Gives an interface its number, or with 0 takes it away. Opening a socket on one that is not there
 * is -ENODEV. One that was made anew has another number: LAN sockets stay with the old one, deaf. */
void fake_net_interface(struct fake_net *net, const char *name, uint32_t ifindex);
/* The source address towards all peers of a family from now on; NULL: there is no route, and sends
 * fail with -ENETUNREACH. As in the kernel, sockets that were connected with another address fail
 * so too until udp_reconnect (IPv4), or go on from the address that is gone without an error
 * (IPv6). */
void fake_net_source(struct fake_net *net, bool v4, const struct addr *source);
/* An address of this machine besides its sources: towards it, it is the source. At most FAKE_OWN of them. */
#define FAKE_OWN 4
void fake_net_own(struct fake_net *net, const struct addr *address);
/* How often udp_source_for was called. */
unsigned fake_net_sources_asked(const struct fake_net *net);
/* The broadcast address of a network around: LAN datagrams to it are for all. */
void fake_net_broadcast(struct fake_net *net, const struct addr *address);
/* A port that another program holds, or lets go, for both families. */
void fake_net_port_taken(struct fake_net *net, uint16_t port, bool taken);
/* udp_connect without a port chooses from this range, both ends included; at first 40000 to
 * 49999. */
void fake_net_port_range(struct fake_net *net, uint16_t first, uint16_t last);
/* The next `times` calls of udp_listen and udp_connect fail with -error. */
void fake_net_fail_opens(struct fake_net *net, int error, unsigned times);
/* But so many calls before them do not. */
void fake_net_spare_opens(struct fake_net *net, unsigned times);
/* The machine has no IPv6: sockets of that family fail with -EAFNOSUPPORT. */
void fake_net_no_ipv6(struct fake_net *net);
/* The next `times` calls of loop_watch fail with -error. */
void fake_net_fail_watches(struct fake_net *net, int error, unsigned times);

/* ---- datagrams ------------------------------------------------------------------------------- */

/* A datagram that was sent. Valid until the next take of the same side, or fake_net_free. */
struct fake_datagram {
	int fd;               /* the socket */
	struct addr from;     /* source, with port */
	struct addr to;       /* destination, with port */
	uint32_t ifindex;     /* LAN: the interface that was asked for; 0 is routed */
	const uint8_t *bytes; /* the content */
	size_t n;             /* bytes */
};

/* Queues a datagram on the LAN socket that listens at `called` (with port): one bound to that very
 * address before a wildcard one; one bound to an interface takes only what came in by it. False
 * when nobody listens there: the test decides what that means. Longer than UDP_ROOM comes
 * truncated. */
bool fake_lan_queue(struct fake_net *net, const struct addr *from, const struct addr *called,
	uint32_t ifindex, const void *bytes, size_t n);
/* Of sockets that workers share the one that steer_datagram says, or, from now on, that of this worker; with a
 * negative number as at first. */
void fake_lan_steer(struct fake_net *net, int worker);
/* The same, then wakes. Aborts when nobody listens there. */
void fake_lan_arrive(struct fake_net *net, const struct addr *from, const struct addr *called,
	uint32_t ifindex, const void *bytes, size_t n);
/* The oldest datagram sent on a LAN socket that was not taken yet, or NULL. */
const struct fake_datagram *fake_lan_take(struct fake_net *net);
/* Sends to this peer (port and all) are refused, or no more. */
void fake_lan_refuse(struct fake_net *net, const struct addr *peer, bool refuse);
/* What udp_overflowed tells after the next batch. */
void fake_lan_overflow(struct fake_net *net, uint32_t dropped);
/* The kernel keeps so many datagrams for a LAN socket, and drops and counts what comes beyond; 0, as at first: all. */
void fake_lan_room(struct fake_net *net, unsigned datagrams);
/* Datagrams that wait to be read on LAN sockets. */
unsigned fake_lan_waiting(const struct fake_net *net);

/* Queues a datagram on the WAN socket that is bound to the local port, from its peer or, where from
 * is not NULL, from there (with its family the socket is chosen when both families have the port).
 * False when there is no such socket, it is not connected, or from is not its peer: as in the
 * kernel, the datagram is gone. */
bool fake_wan_queue(struct fake_net *net, uint16_t port, const struct addr *from,
	const void *bytes, size_t n);
/* The same, then wakes. Aborts when there is no such socket. */
void fake_wan_arrive(struct fake_net *net, uint16_t port, const struct addr *from,
	const void *bytes, size_t n);
/* An error that waits on the WAN socket, as after an ICMP message: the watch is told LOOP_ERROR,
 * and the next udp_recv or udp_send meets it once (udp_send gets over ECONNREFUSED by itself).
 * False when there is no such socket. Does not wake. */
bool fake_wan_error(struct fake_net *net, uint16_t port, int error);
/* What udp_dropped tells of the socket on that port. */
void fake_wan_overflow(struct fake_net *net, uint16_t port, uint32_t dropped);
/* Each udp_send on that port fails with -error, until 0 is set. */
void fake_wan_fail_sends(struct fake_net *net, uint16_t port, int error);
/* The oldest datagram sent on a WAN socket that was not taken yet, or NULL. */
const struct fake_datagram *fake_wan_take(struct fake_net *net);
/* The same, of the socket bound to this port; those of others stay. */
const struct fake_datagram *fake_wan_take_from(struct fake_net *net, uint16_t port);
/* Datagrams sent and not taken yet. */
unsigned fake_lan_sent(const struct fake_net *net);
unsigned fake_wan_sent(const struct fake_net *net);

/* ---- names ----------------------------------------------------------------------------------- */

/* From now on the name has these addresses; none: it is not found. Questions that wait are answered
 * too. Answers are told at the next wake-up. A name that was never set, or forgotten, leaves its
 * questions waiting. IP addresses in text need no setting. */
void fake_name_set(struct fake_net *net, const char *name, const struct addr *addresses,
	size_t count);
void fake_name_forget(struct fake_net *net, const char *name);
/* Questions for the name that are under way, and all that were ever asked. */
unsigned fake_name_waiting(const struct fake_net *net, const char *name);
unsigned fake_name_asked(const struct fake_net *net, const char *name);
