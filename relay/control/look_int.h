/* What look*.c share: how a rule of nftables, as JSON, fits one captured packet; which ports are opened. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "conf/conf.h"

struct json_object;

/* A packet as a chain on the input hook sees it: the first of its flow, UDP. */
struct look_packet {
	const char *interface; /* where it came in */
	uint16_t port;         /* that it was sent to, host order */
	uint32_t mark;         /* ours; no other bit is set */
};

/* What can be said of a match from here. */
enum look_fit { LOOK_NO, LOOK_PERHAPS, LOOK_YES };

/* How the packet fits a match, the value of "match" in a rule's "expr". */
enum look_fit look_match(struct json_object *match, const struct look_packet *packet);
/* The same for the best entry of a map of verdicts, the value of "vmap". */
enum look_fit look_map(struct json_object *map, const struct look_packet *packet);

/* Ports of one listener, at most: its own, and the servers' that it captures. */
#define LOOK_PORTS (CONF_CAPTURED_PORTS + 2)
/* Lists the ports that a listener opens, host order; returns how many. */
size_t look_ports_of(const struct conf *conf, const struct conf_listen *listen,
	uint16_t port[LOOK_PORTS]);

/* Rules for look_try that use this part of the kernel, or all of them for LOOK_PARTS, in size bytes. */
void look_part_rules(unsigned part, char *rules, size_t size);
