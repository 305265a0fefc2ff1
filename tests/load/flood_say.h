/* What a flood says: genuine hellos, with what cookie one likes, and junk of every kind. Says it into
 * a room of the caller's; opens no socket. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"

/* Most bytes of what is said. */
#define SAY_MAX 1500
/* Captured datagrams that are kept, and said again. */
#define SAY_HEARD 256

/* Numbers by chance, the same for the same seed. */
uint64_t say_draw(void);
/* Where they begin; not 0. */
void say_seed(uint64_t seed);

/* Keeps a genuine hello of the room's client, with a connection id offered or without: by PSK, or by raw
 * keys, ours and the server's, PEM, where those are given. 0 or -errno. */
int say_learn(bool cid, struct slice private_key, struct slice trust) MUST_CHECK;
/* The hello as if by a client of that number, with a cookie or (n is 0) without. Bytes, or 0 when the
 * cookie is too long. */
size_t say_hello(uint8_t room[SAY_MAX], uint64_t client, struct slice cookie);
/* The cookie in a HelloVerifyRequest; empty when the datagram is none. Borrowed from it. */
struct slice say_cookie_of(const uint8_t *datagram, size_t n);
/* True for a datagram that begins with a ServerHello: the sender believes the address. */
bool say_is_server_hello(const uint8_t *datagram, size_t n);

/* Keeps a datagram that was seen on the wire, to be altered and said again. */
void say_hear(const uint8_t *datagram, size_t n);
/* How many are kept. */
unsigned say_heard(void);
/* Junk by chance: records of every type and epoch, messages of every type, whole, cut, altered or put
 * together; what was heard, as it was or altered. Bytes, maybe 0. */
size_t say_junk(uint8_t room[SAY_MAX]);
/* A datagram that was heard, as it was; junk when nothing was. */
size_t say_again(uint8_t room[SAY_MAX]);
