/* The endpoints_file: CSV as RFC 4180 has it, CRLF or LF, with a header line that names endpoint
 * options. A row is an endpoint; an empty cell is an option that is not given. */
#include "conf/conf_int.h"
#include <string.h>

/* Cells of a row that are kept; there are fewer options than that. */
#define CELLS 64

struct csv {
	struct load *load;
	struct conf_where where; /* of the row */
	char *p, *end;           /* next byte; the end, where a zero stands */
	unsigned line;           /* of the next byte */
	char *cell[CELLS];       /* of the row, ended by zeros, in the text itself */
	size_t cells;            /* of the row, those that are not kept too */
	enum option_id column[CELLS]; /* what each column is; OPTION_COUNT for an unknown one */
	size_t columns;
};

static bool refuse(struct csv *csv, const char *what)
{
	report_add(csv->load->report, (struct conf_where){ csv->where.file, csv->line }, CONF_ERROR,
		"endpoints_file: %s", what);
	return false;
}

/* Copies a quoted cell over itself; p stands behind the closing quote afterwards. */
static bool read_quoted(struct csv *csv, char **to)
{
	for (csv->p++; csv->p < csv->end; csv->p++) {
		if (*csv->p == '"' && csv->p[1] != '"') {
			csv->p++;
			return true;
		}
		csv->p += *csv->p == '"';
		csv->line += *csv->p == '\n';
		*(*to)++ = *csv->p;
	}
	csv->line = csv->where.line;
	return refuse(csv, "a quote that opens in this row is never closed");
}

static bool is_line_end(const struct csv *csv)
{
	return csv->p >= csv->end || *csv->p == '\n' ||
		(*csv->p == '\r' && (csv->p + 1 == csv->end || csv->p[1] == '\n'));
}

static bool read_bare(struct csv *csv, char **to)
{
	while (!is_line_end(csv) && *csv->p != ',') {
		if (*csv->p == '"')
			return refuse(csv, "a quote inside a cell; put the whole cell in quotes "
				"and write the quote twice");
		if (*csv->p == '\0')
			return refuse(csv, "a zero byte has no place here");
		*(*to)++ = *csv->p++;
	}
	return true;
}

/* Steps over the end of the row. */
static void skip_line_end(struct csv *csv)
{
	csv->p += csv->p < csv->end && *csv->p == '\r';
	if (csv->p < csv->end) {
		csv->p++;
		csv->line++;
	}
}

static void skip_row(struct csv *csv)
{
	char *newline = memchr(csv->p, '\n', (size_t)(csv->end - csv->p));
	csv->p = newline != NULL ? newline + 1 : csv->end;
	csv->line += newline != NULL;
}

/* Reads one cell and the comma behind it; *last is set when the row ends instead. */
static bool read_cell(struct csv *csv, bool *last)
{
	char *to = csv->p;
	char *from = to;
	bool quoted = csv->p < csv->end && *csv->p == '"';
	if (!(quoted ? read_quoted(csv, &to) : read_bare(csv, &to)))
		return false;
	*last = is_line_end(csv);
	if (!*last && *csv->p != ',')
		return refuse(csv, "text behind a closing quote; a comma or the end of the row is "
			"right");
	if (*last)
		skip_line_end(csv);
	else
		csv->p++;
	*to = '\0';
	if (strlen(from) != (size_t)(to - from))
		return refuse(csv, "a zero byte has no place here");
	if (csv->cells < CELLS)
		csv->cell[csv->cells] = from;
	csv->cells++;
	return true;
}

/* Reads one row; false when there was a fault, and the rest of the line is skipped. */
static bool read_row(struct csv *csv)
{
	bool last = false;
	csv->where.line = csv->line;
	csv->cells = 0;
	while (!last)
		if (!read_cell(csv, &last)) {
			skip_row(csv);
			return false;
		}
	return true;
}

static bool is_empty_row(const struct csv *csv)
{
	return csv->cells == 1 && *csv->cell[0] == '\0';
}

/* Reads one name of the header. */
static void read_column(struct csv *csv, size_t at)
{
	char room[SHOWN];
	struct load *load = csv->load;
	const struct section_kind *kind = &section_kinds[KIND_ENDPOINT];
	const char *name = csv->cell[at];
	enum option_id id = schema_find(kind, name);
	csv->column[at] = id;
	if (id == OPTION_COUNT)
		report_add(load->report, csv->where, CONF_ERROR,
			"endpoints_file: unknown column '%s'; %s", shown(room, name),
			schema_suggest(&load->scratch, kind, name));
	for (size_t i = 0; i < at && id != OPTION_COUNT; i++)
		if (csv->column[i] == id)
			report_add(load->report, csv->where, CONF_ERROR,
				"endpoints_file: column '%s' stands there twice", name);
}

static bool read_header(struct csv *csv)
{
	bool named = false;
	if (csv->p == csv->end)
		return refuse(csv, "it is empty; right is a header line that names endpoint "
			"options");
	if (!read_row(csv))
		return false;
	if (csv->cells > CELLS) {
		csv->line = csv->where.line;
		return refuse(csv, "there are more columns than options");
	}
	csv->columns = csv->cells;
	for (size_t i = 0; i < csv->columns; i++) {
		read_column(csv, i);
		named = named || csv->column[i] == ENDPOINT_NAME;
	}
	if (!named)
		report_add(csv->load->report, csv->where, CONF_ERROR,
			"endpoints_file: there is no column 'name'; the first line names the "
			"columns");
	return named;
}

static void add_endpoint(struct csv *csv, struct section_in *in)
{
	in->where = csv->where;
	memset(in->given, 0, sizeof(in->given));
	for (size_t i = 0; i < csv->columns; i++) {
		enum option_id id = csv->column[i];
		if (id == OPTION_COUNT || *csv->cell[i] == '\0')
			continue;
		in->given[id].text = csv->cell[i];
		in->given[id].line = csv->where.line;
	}
	in->name = in->given[ENDPOINT_NAME].text;
	load_endpoint(csv->load, in);
}

static void read_rows(struct csv *csv, struct section_in *in)
{
	struct load *load = csv->load;
	while (csv->p < csv->end && !load->failed && !load->arena->failed) {
		if (!read_row(csv) || is_empty_row(csv))
			continue;
		if (csv->cells != csv->columns) {
			report_add(load->report, csv->where, CONF_ERROR,
				"endpoints_file: the row has %zu cells; right is %zu, as in the "
				"first line", csv->cells, csv->columns);
		} else if (load->conf->endpoint_count >= CONF_ENDPOINTS_MAX) {
			report_add(load->report, csv->where, CONF_ERROR,
				"endpoints_file: there are more than %d endpoints; this row and "
				"what follows was not read", CONF_ENDPOINTS_MAX);
			return;
		} else {
			add_endpoint(csv, in);
		}
	}
}

void csv_read(struct load *load, const char *file, const char *dir, char *text, size_t n)
{
	struct csv csv = { .load = load, .where = { file, 1 }, .line = 1 };
	struct section_in in = { .kind = &section_kinds[KIND_ENDPOINT], .dir = dir };
	csv.p = text;
	csv.end = text + n;
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		csv.p += 3; /* spreadsheets write it */
	if (read_header(&csv))
		read_rows(&csv, &in);
}
