/* What the files of the network in memory share: sockets, the world, names. */
#pragma once
#include "fake_net.h"

/* Most sockets, interfaces, and refused peers at one time. */
#define FAKE_SOCKETS 70000
#define FAKE_INTERFACES 16
#define FAKE_REFUSED 64
/* Interface numbers below it can be taken away. */
#define FAKE_GONE 64
/* The first descriptor: no real one is so high, so a mix-up is seen. */
#define FAKE_FIRST_FD 1000000

/* A datagram that waits. */
struct fake_parcel {
	struct list node;
	struct fake_datagram d; /* d.bytes is the end of this block */
	uint8_t bytes[];
};

/* An open socket. */
struct fake_socket {
	bool open;
	bool wan;             /* udp_connect made it */
	bool connected;       /* WAN */
	struct addr local;    /* LAN: where it listens; WAN: source, with port */
	struct addr peer;     /* WAN: the server */
	char interface[32];   /* bound to it, or "" */
	uint32_t ifindex;     /* LAN: the interface's number when it was opened */
	const struct steer *steer; /* LAN: shared by workers so; or NULL */
	unsigned worker;      /* LAN: whose it is */
	unsigned place;       /* LAN: in the group of those that share a port, as the kernel numbers them */
	bool is_secure;       /* LAN: for steer */
	int error;            /* WAN: an ICMP error that waits; 0 is none */
	uint32_t dropped;     /* WAN: what the kernel dropped */
	int send_error;       /* WAN: each send fails with it; 0 is none */
	struct list waiting;  /* struct fake_parcel, to be read */
	unsigned waiting_count; /* LAN: how many */
	struct watch *watch;  /* who is told; NULL when nobody */
	unsigned wanted;      /* LOOP_READ and LOOP_WRITE */
};

/* A watch of a descriptor that is no socket of ours. */
struct fake_foreign {
	struct list node;
	struct watch *watch;
};

struct fake_interface {
	char name[32];
	uint32_t ifindex;
};

/* A name, set or asked for. */
struct fake_name {
	struct list node;
	char name[256];
	bool set;
	struct addr addresses[SERVER_ADDRESSES];
	size_t count;
	unsigned asked;
};

struct fake_net {
	struct mono now;
	int64_t wall_ms;            /* the machine's clock when `now` was 0 */
	struct loop *loop;          /* the one loop, or NULL */
	struct resolver *resolver;  /* the one resolver, or NULL */
	struct fake_socket *sockets; /* FAKE_SOCKETS, by descriptor */
	int highest;                /* sockets at and above were never open */
	unsigned open;              /* sockets that are open */
	struct list foreign;        /* struct fake_foreign */
	bool polls;                 /* those are told by a wake-up */
	int steer_to;               /* LAN: the worker that gets all, + 1; 0: as steer_datagram says */
	struct fake_interface interfaces[FAKE_INTERFACES];
	bool gone[FAKE_GONE];       /* no interface has this number any more */
	bool has_source[2];         /* by family: [1] is IPv4 */
	struct addr source[2];
	struct addr own[FAKE_OWN];
	size_t own_count;
	unsigned sources_asked;
	struct addr broadcast;      /* of a network; all zero bytes: none */
	unsigned lan_room;          /* datagrams that wait for a LAN socket at most; 0: any number */
	uint8_t taken[65536 / 8];   /* ports of other programs, a bit each */
	uint16_t first_port;
	uint16_t last_port;
	uint16_t chosen_port;       /* by the last udp_connect without a port */
	bool no_ipv6;
	unsigned spare_opens;
	unsigned fail_opens;
	int open_error;
	unsigned fail_watches;
	int watch_error;
	struct addr refused[FAKE_REFUSED];
	size_t refused_count;
	uint32_t overflow;
	struct list lan_sent;       /* struct fake_parcel */
	struct list wan_sent;
	unsigned lan_sent_count;
	unsigned wan_sent_count;
	struct fake_parcel *lan_taken; /* the last one that was taken, or NULL */
	struct fake_parcel *wan_taken;
	struct list names;          /* struct fake_name */
	uint64_t progress;          /* grows with each thing that was read or fired */
};

/* The network of this test; aborts when there is none. */
struct fake_net *fake_net_get(void);
/* The open socket behind a descriptor, or NULL. */
struct fake_socket *fake_socket_find(struct fake_net *net, int fd);
/* Forgets a socket and what waits on it. */
void fake_socket_close(struct fake_net *net, int fd);
/* Puts a copy of the bytes behind the others. */
void fake_parcel_append(struct list *parcels, const struct fake_datagram *d, const void *bytes);
/* Takes the oldest out; the caller frees it. NULL when there is none. */
struct fake_parcel *fake_parcel_first(struct list *parcels);
/* Forgets all names and their answers. */
void fake_names_free(struct fake_net *net);
