/* What the load tools share around sockets, clocks and command lines. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/addr.h"
#include "base/bug.h"

/* Most bytes of a datagram that the tools send or take. */
#define NET_ROOM 2048
/* Buffers of a socket that many peers share, bytes. */
#define NET_SHARED_BUFFER (4 * 1024 * 1024)

/* Nanoseconds of the monotonic clock. */
int64_t net_now(void);
/* User and system time that all threads of a process used, ns; -1 when there is no such one. */
int64_t net_cpu_of(pid_t pid);
/* The same with what its children that live used. */
int64_t net_cpu_of_family(pid_t pid);
/* Opens a non-blocking UDP socket, bound to local and connected to peer unless they are NULL, with
 * send and receive buffers of the given bytes (0: as they are). A descriptor, or -errno. */
int net_open(const struct addr *local, const struct addr *peer, int buffer) MUST_CHECK;
/* Raises the limit of descriptors as far as allowed; leaves with a message below wanted. */
void net_need_descriptors(size_t wanted);
/* Watches a descriptor for reading, level-triggered; key comes back in data.u64. 0 or -errno. */
int net_watch(int epoll, int fd, uint64_t key) MUST_CHECK;

/* Leaves with the message and 2. */
void net_die(const char *format, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));
/* Reads a number of a command line within bounds, or leaves with a message that names it. */
double net_number(const char *what, const char *text, double low, double high) MUST_CHECK;
/* Reads an address with a port, or leaves with a message. */
struct addr net_address(const char *text) MUST_CHECK;
