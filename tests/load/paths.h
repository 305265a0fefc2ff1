/* By which path each device is reached: the address, and perhaps session, that its Register came from.
 * So the server can ask it, and see when a message came by another device's path. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "mark.h"

struct path {
	struct sockaddr_storage at;
	bool secure; /* a session there, not the plain port */
	bool known;
	uint32_t device;
	uint32_t notified; /* number of its newest notification */
	bool observes;     /* the device observes the server, with this token */
	uint8_t token[MARK_TOKEN];
};

struct paths;

/* NULL when there is no memory. */
struct paths *paths_create(unsigned devices) MUST_CHECK;
/* Everything is unknown again. */
void paths_forget(struct paths *p);
/* A Register came from there with this ep= (dev0042 is device 42); it may be of no device. */
void paths_learn(struct paths *p, struct slice ep, const struct sockaddr_storage *at, bool secure);
/* The path of a device, NULL when it is not known. */
struct path *paths_of(struct paths *p, uint32_t device) MUST_CHECK;
/* The path that begins there, NULL when none is known to. */
struct path *paths_from(struct paths *p, const struct sockaddr_storage *at, bool secure) MUST_CHECK;
/* A device asks for, or sends, a block in one of its exchanges: whether it is the first of a transfer, the one
 * behind the last that came, or that again. */
bool paths_block(struct paths *p, const struct path *path, uint8_t exchange, uint32_t block);
/* Devices that a path may be known of. */
unsigned paths_devices(const struct paths *p);
