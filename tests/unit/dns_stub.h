/* A tiny name server for tests, UDP and TCP on 127.0.0.1, in the loop of the test. The first label
 * of the name that is asked for says what it does. */
#pragma once
#include <stdint.h>
#include "loop.h"

struct dns_stub;

/* What the first label asks for:
 *	a, aaaa, both   one address of the family: 192.0.2.1, 2001:db8::1
 *	many            20 addresses, 192.0.2.1 to .20
 *	nx, refused     no such name; the server will not say
 *	mute            silence; half: silence for AAAA only
 *	late            silence to the first question of each family
 *	cut             truncated over UDP, both families over TCP
 *	cutdead         truncated over UDP, and TCP closes without a word
 *	junk            answers that break off, point at themselves, or count what is not there
 *	noise           strange ids and bytes first, then as `a` */

/* Opens it; `port` is what it listens on. Aborts the test on failure. */
struct dns_stub *dns_stub_open(struct loop *loop, uint16_t *port);
void dns_stub_close(struct dns_stub *stub);
/* Questions that came, over UDP and TCP. */
unsigned dns_stub_asked(const struct dns_stub *stub);
