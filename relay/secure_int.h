/* Private to secure.c and secure_tell.c: what people are told of a device's session. */
#pragma once
#include <stdbool.h>
#include "base/mono.h"

struct datapath;
struct lan_session;

/* The device was refused; why is in words. */
void secure_tell_refused(struct datapath *dp, const struct lan_session *s, const char *why,
	struct mono now);
/* Tells once where the device's key seems to be another one. */
void secure_tell_wrong_key(struct datapath *dp, struct lan_session *s, struct mono now);
/* Its handshake came to nothing. */
void secure_tell_failure(struct datapath *dp, const struct lan_session *s, struct mono now);
/* It is known. again: another session of it ended for this one. */
void secure_tell_proven(struct datapath *dp, const struct lan_session *s, bool again,
	struct mono now);
