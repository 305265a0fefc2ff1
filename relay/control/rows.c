/* The state file as a whole. */
#include "rows.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"

/* What rows were there: their hashes, by open addressing. Two of 2^64 are equal by chance so rarely
 * that the price, a first start, does not matter. */
struct seen {
	struct hash_key secret;
	uint64_t *hash; /* 0 is free */
	size_t mask;
	size_t count;
};

struct reader {
	FILE *file;
	struct seen seen;
	struct rows_fault *fault;
	uint64_t rows;
	bool has_header, has_end;
	int64_t saved_at;
	void (*each)(void *who, const struct row *row);
	void *who;
};

/* Puts a hash in; false when it was there. There is room. */
static bool seen_put(struct seen *s, uint64_t hash)
{
	size_t i = (size_t)hash & s->mask;
	while (s->hash[i] != 0) {
		if (s->hash[i] == hash)
			return false;
		i = (i + 1) & s->mask;
	}
	s->hash[i] = hash;
	s->count++;
	return true;
}

/* Keeps the table at most half full. */
static int seen_grow(struct seen *s)
{
	if (s->hash != NULL && s->count * 2 <= s->mask)
		return 0;
	size_t size = s->hash == NULL ? 256 : (s->mask + 1) * 2;
	struct seen larger = { s->secret, calloc(size, sizeof(*s->hash)), size - 1, 0 };
	if (larger.hash == NULL)
		return -ENOMEM;
	for (size_t i = 0; s->hash != NULL && i <= s->mask; i++)
		if (s->hash[i] != 0)
			(void)seen_put(&larger, s->hash[i]);
	free(s->hash);
	*s = larger;
	return 0;
}

static int fault(struct reader *r, const char *text)
{
	r->fault->text = text;
	return -EINVAL;
}

/* An endpoint and server may stand once among the flows and once among the ports. */
static int check_twice(struct reader *r, const struct row *row)
{
	char key[ROW_LINE_MAX + ENDPOINT_NAME_MAX + 16];
	int n = snprintf(key, sizeof(key), "%d%d%s%c%s", (int)row->kind, row->saved.is_bootstrap,
		row->saved.endpoint, 0, row->saved.server);
	int rc = seen_grow(&r->seen);
	if (rc != 0)
		return rc;
	uint64_t hash = hash_bytes(&r->seen.secret, key, (size_t)n);
	return seen_put(&r->seen, hash | 1) ? 0 : fault(r, "the row stands twice");
}

static int take_row(struct reader *r, const struct row *row)
{
	if (++r->rows > ROWS_MAX)
		return fault(r, "there are too many rows");
	int rc = check_twice(r, row);
	if (rc == 0 && r->each != NULL)
		r->each(r->who, row);
	return rc;
}

static int take(struct reader *r, const struct row *row)
{
	if (r->has_end)
		return fault(r, "there is something behind the end");
	if ((row->kind == ROW_HEADER) == r->has_header)
		return fault(r, r->has_header ? "there is a second header" : "the header is missing");
	switch (row->kind) {
	case ROW_HEADER:
		r->has_header = true;
		r->saved_at = row->saved_at;
		return 0;
	case ROW_FLOW:
	case ROW_PORT:
		return take_row(r, row);
	case ROW_END:
		r->has_end = true;
		return row->rows == r->rows ? 0 : fault(r, "the number of rows is another one");
	}
	BUG("unknown kind of row");
}

static int take_line(struct reader *r, char *line)
{
	struct row row;
	size_t n = strlen(line);
	if (n == 0 || line[n - 1] != '\n')
		return fault(r, "the line is cut off, too long, or has a zero byte");
	int rc = row_read(&row, line, n - 1, &r->fault->text);
	if (rc != 0)
		return rc;
	rc = take(r, &row);
	row_fini(&row);
	return rc;
}

int rows_read(FILE *file, int64_t *saved_at, void (*each)(void *who, const struct row *row),
	void *who, struct rows_fault *fault_)
{
	struct reader r = { .file = file, .fault = fault_, .each = each, .who = who };
	char line[ROW_LINE_MAX];
	int rc = 0;
	hash_key_init(&r.seen.secret);
	*fault_ = (struct rows_fault){ 0, "" };
	while (rc == 0 && fgets(line, sizeof(line), file) != NULL) {
		fault_->line++;
		rc = take_line(&r, line);
	}
	if (rc == 0 && ferror(file))
		rc = -EIO;
	if (rc == 0 && !r.has_end)
		rc = fault(&r, "the end is missing");
	*saved_at = r.saved_at;
	free(r.seen.hash);
	return rc;
}
