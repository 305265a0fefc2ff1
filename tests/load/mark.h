/* What every message bears so that its owner can be told: a device and a number, in the token and in
 * the payload. Both ends make the same bytes of the same mark, so either can check the other's. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"

#define MARK_TOKEN 8
/* Bytes of payload: below, device and number find no room. */
#define MARK_PAYLOAD_MIN 16
#define MARK_PAYLOAD_MAX 1280
/* Devices that a token can name, and more than an address has ports. */
#define MARK_DEVICES_MAX 60000
/* Exchanges of one device that a token can tell apart. */
#define MARK_WINDOW_MAX 256

/* Who made a token. */
enum mark_side { MARK_DEVICE, MARK_SERVER, MARK_OBSERVED };

struct mark {
	uint32_t device;
	uint32_t number; /* of the request */
	uint8_t side;    /* enum mark_side; these two are in the token only */
	uint8_t index;   /* among the exchanges that the device may have at a time */
};

/* Writes n bytes: device and number in hex, then a filler that differs by device. */
void mark_payload(const struct mark *m, uint8_t *payload, size_t n);
/* True when the payload is what mark_payload makes. */
bool mark_payload_fits(const struct mark *m, struct slice payload) MUST_CHECK;
/* Device and number that the payload names; false when it names none. */
bool mark_payload_read(struct mark *m, struct slice payload) MUST_CHECK;
void mark_token(const struct mark *m, uint8_t token[MARK_TOKEN]);
/* False when it is none of ours. */
bool mark_token_read(struct mark *m, struct slice token) MUST_CHECK;
