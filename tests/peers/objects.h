/* The objects of the test device: what can be read, written, executed and observed. */
#pragma once
#include "tests/peers/peer.h"

/* Called when the server executed a resource, or wrote one of a bootstrap ("/bs" ends it). */
typedef void objects_event(const char *path);

/* How the objects are and behave. */
struct objects_choice {
	unsigned long instances; /* temperature sensors, at least 1 */
	unsigned long
		slow_ms; /* a Read is acknowledged at once and answered after this; 0: at once */
	bool con;        /* notifications are CON; else every fifth is, as libcoap has it */
};

/* Adds the objects to libcoap. */
void objects_init(coap_context_t *ctx, const struct objects_choice *choice, objects_event *event);
/* Appends what a Register says of them, in link format. */
void objects_links(struct body *b);
/* Sets a value and tells the observers; false when there is no such resource. */
bool objects_set(const char *path, const char *value);
/* Lets the server write what else only it itself may hold, or no longer. */
void objects_bootstrap(bool on);
/* Appends a Send of the temperature, padded to at least n bytes. */
void objects_send(struct body *b, size_t n);
/* Frees the values. */
void objects_close(void);
