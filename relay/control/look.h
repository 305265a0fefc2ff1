/* What stands in the way of a configuration on this machine: other rules of nftables, what the kernel lacks,
 * who holds the ports. Asked for by some files, judged by others. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"
#include "base/cursor.h"

struct conf;
struct conf_listen;
struct json_object;
struct text;

/* Room for one warning. */
#define LOOK_TEXT 1024
/* Bytes that are read of a file or of a listing. */
#define LOOK_BYTES (16u << 20)

/* Whom a warning is told: the section that it is about, and a sentence. */
typedef void look_warn(void *arg, const struct conf_listen *listen, const char *text);

/* ---- other rules ---- */

/* Reads what `nft -j list table` says. The caller puts it; NULL: it is no such text. */
struct json_object *look_read(const char *text, size_t n) MUST_CHECK;
/* Warns of input chains of others that drop what a listener captures, with the rule that mends it, and of
 * flows that are offloaded past the capture. Says nothing of listeners that do not intercept. Pure. */
void look_rules(struct json_object *rules, const struct conf *conf, look_warn *warn, void *arg);

/* ---- the kernel ---- */

/* What our table is made of, a module each. Socket matching is not used. */
enum look_part { LOOK_NF_TABLES, LOOK_TPROXY, LOOK_FIB, LOOK_NOTRACK, LOOK_PARTS };
/* Whether the kernel has it, loaded or to be loaded. */
enum look_has { LOOK_NOT_TOLD, LOOK_HAS_NOT, LOOK_HAS };

/* Files that tell what the kernel has, as they are; an empty one is as if it were not there. */
struct look_kernel {
	struct slice modules; /* /proc/modules */
	struct slice builtin; /* modules.builtin of the kernel's folder in /lib/modules */
	struct slice modinfo; /* modules.builtin.modinfo there */
	struct slice dep;     /* modules.dep there */
	struct slice config;  /* what it was made with: /boot/config-RELEASE */
};

/* Judges by these files. Pure. */
enum look_has look_module(const struct look_kernel *kernel, enum look_part part);
/* Warns of what the kernel lacks, with the package that has it, and of what can not be told; listen is the
 * section that it is told of. Pure. */
void look_parts(const enum look_has has[LOOK_PARTS], const struct conf_listen *listen, look_warn *warn,
	void *arg);

/* ---- the ports ---- */

/* Sockets that are looked at, at most. */
#define LOOK_SOCKETS 256

/* A UDP socket at a port that some listener wants. */
struct look_socket {
	struct addr at;   /* where it is bound */
	uint64_t inode;   /* of the socket */
	unsigned uid;     /* whose it is */
	unsigned pid;     /* of a process that holds it; 0: not known */
	char program[32]; /* its name, or "" */
};

/* Some of them. Zeroed is none. */
struct look_sockets {
	struct look_socket socket[LOOK_SOCKETS]; /* count of them */
	size_t count;                            /* sockets */
};

/* Adds those rows of /proc/net/udp, or udp6, whose port a listener wants; what is no row is skipped. Pure. */
void look_bound(struct look_sockets *sockets, const struct conf *conf, struct slice text);
/* Warns of sockets that keep a listener from its ports, with whom they belong to. lwgated's own do not; nor
 * those of unknown processes while one serves. Pure. */
void look_ports(const struct look_sockets *sockets, const struct conf *conf, bool is_served,
	look_warn *warn, void *arg);

/* ---- this machine ---- */

/* The tables in force, as a child `nft` lists them: lines like "table inet fw4"; bounded in bytes and time.
 * Returns 0 and text to be ended by the caller, or -errno and none: -ENOENT without nft, -EPERM where it
 * refused, -ETIME, -EMSGSIZE. */
int look_ask_tables(struct text *t) MUST_CHECK;
/* The rules of one, "inet fw4", which look_read reads. The same returns. */
int look_ask_table(struct text *t, const char *table) MUST_CHECK;
/* Lets nft and the kernel judge these rules without taking them. Returns 0, or -errno as look_ask_tables:
 * -EPERM where they are refused. */
int look_try(const char *rules) MUST_CHECK;
/* All of the above, of rules and kernel only where a listener intercepts; what could not be looked at is a
 * warning too. socket is the path of the daemon's control socket. */
void look_machine(const struct conf *conf, const char *socket, look_warn *warn, void *arg);
