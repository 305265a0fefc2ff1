/* Which record of DTLS 1.3 is the newest (RFC 9147 4.2.2, 4.2.3). Only what wolfSSL took for data counts
 * towards the highest number, and an epoch is believed when a record proves itself under its key: so
 * nobody but the peer moves anything here. */
#include "dtls/number13_int.h"
#include <string.h>

#define BIT_NUMBER 0x08 /* the number has 16 bits, not 8 */
#define BIT_LENGTH 0x04
#define BITS_EPOCH 0x03

uint64_t number13_rebuild(uint64_t next, uint16_t low, unsigned bits)
{
	uint64_t span = 1ull << bits, full = (next & ~(span - 1)) | low;
	if (full > next + span / 2 && full >= span)
		return full - span;
	return full + span / 2 < next ? full + span : full;
}

/* Where the hidden number stands: last in the header, but for the length. */
static struct wolf_hidden hidden_of(const struct header *h)
{
	uint8_t first = h->record.p[0];
	size_t end = (size_t)(h->body.p - h->record.p) - (first & BIT_LENGTH ? 2 : 0);
	size_t width = first & BIT_NUMBER ? 2 : 1;
	return (struct wolf_hidden){ h->record, h->body, end - width, width };
}

static uint64_t number_of(const struct number13 *seen, const struct wolf_hidden *hidden,
	const uint8_t mask[WOLF_MASK])
{
	uint16_t low = 0;
	for (size_t i = 0; i < hidden->width; i++)
		low = (uint16_t)(low << 8 | (hidden->record.p[hidden->at + i] ^ mask[i]));
	return number13_rebuild(seen->next, low, (unsigned)hidden->width * 8);
}

static bool is_epoch(uint64_t epoch, const struct header *h)
{
	return (epoch & BITS_EPOCH) == h->epoch;
}

/* Two bits do not tell the next epoch from an old one that wolfSSL still reads. */
static void turn(struct number13 *seen, struct wolf *w, const struct header *h)
{
	struct wolf_hidden hidden = hidden_of(h);
	if (!is_epoch(seen->epoch + 1, h) || !wolf_next_epoch(w, &hidden))
		return;
	seen->epoch++;
	seen->next = 0;
}

bool number13_is_newest(struct number13 *seen, struct wolf *w, const struct header *h)
{
	struct wolf_hidden hidden = hidden_of(h);
	uint8_t mask[WOLF_MASK];
	turn(seen, w, h);
	if (!is_epoch(seen->epoch, h) || !wolf_number_mask(w, hidden.body, mask))
		return false;
	uint64_t number = number_of(seen, &hidden, mask);
	if (number < seen->next)
		return false;
	seen->next = number + 1;
	return true;
}

void number13_pass(struct number13 *seen, struct wolf *w, const struct header *h)
{
	turn(seen, w, h);
}
