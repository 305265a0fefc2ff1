/* The objects of the test device: what can be read, written, executed and observed. */
#pragma once
#include "tests/peers/peer.h"

/* Called when the server executed a resource, or wrote one of a bootstrap ("/bs" ends it). */
typedef void objects_event(const char *path);

/* Adds the objects to libcoap: instances of the temperature sensor, CON or NON notifications. */
void objects_init(coap_context_t *ctx, unsigned instances, bool con, objects_event *event);
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
