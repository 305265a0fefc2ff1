/* A network of one's own for a test that needs other addresses or interfaces: no right of the
 * machine's is used, and all of it goes with the process, which Check makes anew for each test. */
#pragma once

/* Moves the process into a new network namespace (and user namespace, where it is not root) with lo
 * up. Aborts the test when it can not. */
void netns_enter(void);
/* Makes another namespace and gives a descriptor of it; the process stays where it is. */
int netns_create(void);
/* Moves the process into the namespace. Sockets that are open stay where they were opened. */
void netns_move(int ns);
/* A descriptor of the namespace that the process is in. */
int netns_here(void);
/* Joins this namespace and another by a pair of interfaces, both called `name`, up and settled, with
 * IPv6 addresses free of duplicate detection. */
void netns_join(int there, const char *name);
/* Runs a shell line, e.g. "ip addr add ...", here; after one that says "nodad" the IPv6 addresses
 * are ready for use. Aborts the test when it fails. */
void netns_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Writes a value below /proc/sys, here: netns_sysctl("net/ipv4/ip_forward", "1"). */
void netns_sysctl(const char *name, const char *value);
