/* Tables for people. */
#include "table.h"
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "control/text.h"
#include "control/utf8.h"

/* Blanks between columns. */
#define GAP 2

/* A cell, or, with is_note, a line of its own. */
struct cell {
	char *text;
	bool is_note;
};

struct table {
	const struct table_column *column;
	size_t columns;
	struct cell *cell;
	size_t count;
	size_t room;
	bool broken; /* memory ran out */
};

struct table *table_create(const struct table_column *column, size_t columns)
{
	BUG_UNLESS(columns > 0 && columns <= TABLE_COLUMNS);
	struct table *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->column = column;
	t->columns = columns;
	return t;
}

void table_free(struct table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->cell[i].text);
	free(t->cell);
	free(t);
}

/* The code point of a UTF-8 character of n bytes. */
static uint32_t code_point(const unsigned char *p, size_t n)
{
	static const unsigned char lead[5] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = p[0] & lead[n];
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3fu);
	return c;
}

static bool is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
		(c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

char *table_harmless(const char *text)
{
	struct text t = { 0 };
	size_t left = strlen(text);
	text_add(&t, "");
	while (left > 0) {
		size_t n = utf8_size(text, left);
		if (n == 0 || is_harmful(code_point((const unsigned char *)text, n)))
			text_add(&t, "?");
		else
			text_bytes(&t, text, n);
		n = n == 0 ? 1 : n;
		text += n;
		left -= n;
	}
	if (!t.broken)
		return t.p;
	text_fini(&t);
	return NULL;
}

static void add(struct table *t, const char *text, bool is_note)
{
	if (t->count == t->room) {
		size_t room = t->room == 0 ? 64 : t->room * 2;
		struct cell *cell = realloc(t->cell, room * sizeof(*cell));
		if (cell == NULL) {
			t->broken = true;
			return;
		}
		t->cell = cell;
		t->room = room;
	}
	char *copy = table_harmless(text);
	if (copy == NULL)
		t->broken = true;
	else
		t->cell[t->count++] = (struct cell){ copy, is_note };
}

void table_cell(struct table *t, const char *text)
{
	add(t, text, false);
}

void table_note(struct table *t, const char *text)
{
	add(t, text, true);
}

/* Characters of a UTF-8 text; each is taken to be one column wide. */
static size_t width_of(const char *text)
{
	size_t n = 0;
	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void measure(const struct table *t, size_t width[TABLE_COLUMNS])
{
	size_t at = 0;
	for (size_t i = 0; i < t->columns; i++)
		width[i] = width_of(t->column[i].title);
	for (size_t i = 0; i < t->count; i++) {
		if (t->cell[i].is_note)
			continue;
		size_t n = width_of(t->cell[i].text);
		if (n > width[at])
			width[at] = n;
		at = (at + 1) % t->columns;
	}
}

static void pad(FILE *out, size_t n)
{
	fprintf(out, "%*s", (int)n, "");
}

/* The last cell of a line is not filled up with blanks. */
static void put_cell(const struct table *t, FILE *out, size_t column, size_t width, const char *text)
{
	size_t blanks = width - width_of(text);
	bool is_last = column + 1 == t->columns;
	if (t->column[column].is_right)
		pad(out, blanks);
	fputs(text, out);
	if (is_last)
		fputc('\n', out);
	else
		pad(out, (t->column[column].is_right ? 0 : blanks) + GAP);
}

int table_print(const struct table *t, FILE *out)
{
	size_t width[TABLE_COLUMNS], at = 0;
	if (t->broken)
		return -ENOMEM;
	measure(t, width);
	for (size_t i = 0; i < t->columns; i++)
		put_cell(t, out, i, width[i], t->column[i].title);
	for (size_t i = 0; i < t->count; i++) {
		if (t->cell[i].is_note) {
			fprintf(out, "    %s\n", t->cell[i].text);
			continue;
		}
		put_cell(t, out, at, width[at], t->cell[i].text);
		at = (at + 1) % t->columns;
	}
	return ferror(out) ? -EIO : 0;
}
