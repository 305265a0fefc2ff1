/* Tables for people: columns as wide as what stands in them, and nothing that could harm a terminal. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "base/bug.h"

/* Most columns of a table. */
#define TABLE_COLUMNS 16

/* A column. */
struct table_column {
	const char *title; /* in capitals */
	bool is_right;     /* its cells end below each other */
};

struct table;

/* Begins a table with `columns` columns, borrowed, at most TABLE_COLUMNS. NULL: no memory. */
struct table *table_create(const struct table_column *column, size_t columns);
/* NULL is allowed. */
void table_free(struct table *table);
/* Fills the next cell, row by row; the text is copied, and made harmless. */
void table_cell(struct table *table, const char *text);
/* Adds a line of its own below the row at hand. */
void table_note(struct table *table, const char *text);
/* Prints titles and rows, each line at most as long as it must be. Returns 0 or -errno. */
int table_print(const struct table *table, FILE *out) MUST_CHECK;
/* Copies a text with '?' for control characters, for those that turn writing around, and for bytes
 * that are no UTF-8. The caller frees it; NULL: no memory. */
char *table_harmless(const char *text);
