/* The server's book of registrations. The journal has one line for each entry or strike, appended
 * at once, so that a killed server finds what it had. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/peers/book.h"

#define BUCKETS 16384

static struct reg *by_id[BUCKETS];
static struct reg *by_ep[BUCKETS];
static unsigned long last_id;
static FILE *journal;

static size_t bucket_of(const char *ep)
{
	return bytes_crc32((const uint8_t *)ep, strlen(ep)) % BUCKETS;
}

static void lifetime_start(struct reg *r, unsigned long lifetime)
{
	r->lifetime = lifetime;
	r->ends_ms = lifetime ? peer_now() + (int64_t)lifetime * 1000 : INT64_MAX;
}

static struct reg *enter(unsigned long id, const char *ep, const char *identity)
{
	struct reg *r = calloc(1, sizeof *r);
	size_t b = bucket_of(ep);

	if (!r)
		die("out of memory");
	r->id = id;
	snprintf(r->ep, sizeof r->ep, "%s", ep);
	snprintf(r->identity, sizeof r->identity, "%s", identity);
	r->next_id = by_id[id % BUCKETS];
	by_id[id % BUCKETS] = r;
	r->next_ep = by_ep[b];
	by_ep[b] = r;
	if (id > last_id)
		last_id = id;
	return r;
}

static void unlink_and_free(struct reg *r)
{
	struct reg **at = &by_id[r->id % BUCKETS];

	while (*at != r)
		at = &(*at)->next_id;
	*at = r->next_id;
	at = &by_ep[bucket_of(r->ep)];
	while (*at != r)
		at = &(*at)->next_ep;
	*at = r->next_ep;
	book_drop_session(r);
	free(r);
}

static void journal_enter(const struct reg *r)
{
	if (!journal)
		return;
	fprintf(journal, "+ %lu %lu %s %s\n", r->id, r->lifetime, r->ep,
		*r->identity ? r->identity : "-");
	fflush(journal);
}

/* A line that a kill cut short is the last one, and is passed over. */
static void journal_read(FILE *f)
{
	char sign;
	char ep[EP_MAX];
	char identity[EP_MAX];
	char line[2 * EP_MAX + 64];
	unsigned long id;
	unsigned long lifetime;

	while (fgets(line, sizeof line, f)) {
		int n = sscanf(line, "%c %lu %lu %255s %255s", &sign, &id, &lifetime, ep, identity);

		if (!strchr(line, '\n') || n < 2)
			continue;
		struct reg *r = book_by_id(id);
		if (sign == '-' && r)
			unlink_and_free(r);
		if (sign == '+' && n == 5 && !r)
			lifetime_start(
				enter(id, ep, strcmp(identity, "-") ? identity : ""), lifetime);
	}
}

void book_open(const char *path)
{
	if (!path)
		return;
	FILE *f = fopen(path, "r");
	if (f) {
		journal_read(f);
		fclose(f);
	}
	journal = fopen(path, "a");
	if (!journal)
		die("%s: can not be written", path);
}

struct reg *book_add(
	const char *ep, const char *identity, unsigned long lifetime, coap_session_t *session)
{
	/* A server that lost its book must not hand out the old Locations again: a device that
	 * comes with a forgotten one has to be answered 4.04. So each process begins elsewhere. */
	if (!last_id)
		last_id = (unsigned long)getpid() * 10000;

	struct reg *r = enter(last_id + 1, ep, identity);
	lifetime_start(r, lifetime);
	r->session = coap_session_reference(session);
	journal_enter(r);
	return r;
}

void book_renew(struct reg *r, unsigned long lifetime, coap_session_t *session)
{
	lifetime_start(r, lifetime);
	book_give_session(r, session);
}

void book_give_session(struct reg *r, coap_session_t *session)
{
	coap_session_reference(session);
	book_drop_session(r);
	r->session = session;
}

void book_remove(struct reg *r)
{
	if (journal) {
		fprintf(journal, "- %lu\n", r->id);
		fflush(journal);
	}
	unlink_and_free(r);
}

void book_drop_session(struct reg *r)
{
	if (r->session)
		coap_session_release(r->session);
	r->session = NULL;
}

struct reg *book_by_id(unsigned long id)
{
	struct reg *r = by_id[id % BUCKETS];

	while (r && r->id != id)
		r = r->next_id;
	return r;
}

struct reg *book_by_ep(const char *ep)
{
	struct reg *r = by_ep[bucket_of(ep)];

	while (r && strcmp(r->ep, ep))
		r = r->next_ep;
	return r;
}

void book_each(void (*each)(struct reg *r, void *arg), void *arg)
{
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct reg *r = by_id[b], *next; r; r = next) {
			next = r->next_id;
			each(r, arg);
		}
}

void book_close(void)
{
	for (size_t b = 0; b < BUCKETS; b++)
		while (by_id[b])
			unlink_and_free(by_id[b]);
	if (journal)
		fclose(journal);
	journal = NULL;
}
