/* The UCI grammar, strict, as libuci reads it: tests/conf/uci is the proof. libuci works on one
 * buffer line by line; where that shows (a bare word's ';' loses the rest of the line, a zero byte
 * joins lines) this reader does the same, and notes what was lost so that conf can refuse it. */
#include "conf/uci_int.h"
#include <string.h>
#include "base/secret.h"

struct reader {
	struct uci_doc *doc;
	const char *text;            /* borrowed, or flat */
	size_t n;                    /* its bytes */
	char *flat;                  /* ours: the text with zero bytes resolved, or NULL */
	size_t begin;                /* first byte of the line that was loaded last */
	size_t pos;                  /* next byte; never beyond end */
	size_t end;                  /* one after the loaded text */
	size_t next;                 /* first byte that is not loaded */
	unsigned newlines;           /* read so far: libuci's line number */
	unsigned line;               /* number of the line that was loaded last, from 1 */
	char *word;                  /* the last word; room for all of the text */
	size_t word_n;               /* its bytes */
	struct uci_section *section; /* the open one, or NULL */
	bool skipping;               /* the section's line was refused: no option is kept */
};

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next byte, 0 at the end of what is loaded. */
static char cur(const struct reader *r)
{
	return r->pos < r->end ? r->text[r->pos] : '\0';
}

/* Loads the next line and drops what was left; nothing is loaded at the end of the text. */
static void load_line(struct reader *r)
{
	r->pos = r->begin = r->end = r->next;
	if (r->next >= r->n)
		return;
	const char *from = r->text + r->next;
	const char *newline = memchr(from, '\n', r->n - r->next);
	size_t n = newline != NULL ? (size_t)(newline - from) + 1 : r->n - r->next;
	const char *zero = r->flat != NULL ? memchr(from, '\0', n) : NULL;
	if (zero != NULL)
		n = (size_t)(zero - from);
	r->line = r->newlines + 1;
	r->newlines += zero == NULL && newline != NULL;
	r->end = r->next + n;
	r->next = r->end + (zero != NULL);
}

static void drop_line(struct reader *r)
{
	r->pos = r->end;
}

static bool add_fault(struct reader *r, const char *reason, unsigned line, bool lost)
{
	struct uci_doc *doc = r->doc;
	struct uci_fault *fault = arena_alloc(&doc->arena, sizeof(*fault));
	if (fault == NULL)
		return false;
	*fault = (struct uci_fault){ .reason = reason, .line = line, .lost = lost };
	fault->libuci_line = r->newlines;
	fault->byte = r->pos - r->begin;
	if (doc->fault == NULL)
		doc->fault = fault;
	else
		doc->last_fault->next = fault;
	doc->last_fault = fault;
	doc->refused += !lost;
	return false;
}

/* libuci refuses the file for this; always false. */
static bool refuse(struct reader *r, const char *reason)
{
	return add_fault(r, reason, r->line, false);
}

/* libuci takes this and loses text without a word. */
static void note_loss(struct reader *r, const char *what)
{
	add_fault(r, what, r->line, true);
	if (r->doc->last_fault != NULL)
		r->doc->last_fault->comment = cur(r) == '#';
}

/* Copies the next byte into the word. */
static void take(struct reader *r)
{
	r->word[r->word_n++] = r->text[r->pos++];
}

/* After a backslash: true when the next byte is to be taken as it is; else the line was joined. */
static bool is_escape(struct reader *r)
{
	r->pos++;
	char c = cur(r);
	bool crlf = c == '\r' && r->pos + 2 == r->end && r->text[r->pos + 1] == '\n';
	if (c != '\0' && c != '\n' && !crlf)
		return true;
	load_line(r);
	return false;
}

/* Copies up to the closing quote, over as many lines as it takes. */
static bool read_quoted(struct reader *r, char quote)
{
	unsigned opened = r->line;
	r->pos++;
	for (;;) {
		char c = cur(r);
		if (c == quote) {
			r->pos++;
			return true;
		}
		if (c == '\0') {
			load_line(r);
			if (cur(r) == '\0')
				return add_fault(r, quote == '"' ? "EOF with unterminated \""
					: "EOF with unterminated '", opened, false);
		} else if (c != '\\' || quote != '"' || is_escape(r)) {
			take(r);
		}
	}
}

/* True when something other than blanks and a comment follows on this line. */
static bool is_more(const struct reader *r, size_t at)
{
	while (at < r->end && is_blank(r->text[at]))
		at++;
	return at < r->end && r->text[at] != '#';
}

/* What a bare ';' or '#' inside a word does. libuci ends the word in place, so the rest of the line
 * is lost unless the word had become shorter than its source. */
static void end_at_mark(struct reader *r, bool shrunk)
{
	if (cur(r) == '#') {
		note_loss(r, "a '#' inside a word ends it and begins a comment; put the value in "
			"quotes");
		drop_line(r);
	} else if (!shrunk) {
		if (is_more(r, r->pos + 1))
			note_loss(r, "the text after ';' is lost; begin a new line instead");
		drop_line(r);
	}
}

/* Copies one byte, quoted stretch or escape; false when a quote is never closed. */
static bool copy_piece(struct reader *r, bool *shrunk)
{
	char c = cur(r);
	bool quote = c == '\'' || c == '"';
	*shrunk = *shrunk || quote || c == '\\';
	if (quote)
		return read_quoted(r, c);
	if (c != '\\' || is_escape(r))
		take(r);
	return true;
}

/* Copies bare text, quotes and escapes into the word, up to a blank. */
static bool copy_word(struct reader *r)
{
	bool shrunk = false;
	size_t begin = r->pos;
	do {
		char c = cur(r);
		if (c == '#' && r->pos == begin)
			drop_line(r);
		else if (c == '#' || c == ';')
			end_at_mark(r, shrunk);
		if (c == '\0' || c == '#' || c == ';')
			return true;
		if (!copy_piece(r, &shrunk))
			return false;
	} while (cur(r) != '\0' && !is_blank(cur(r)));
	if (cur(r) != '\0')
		r->pos++;
	return true;
}

/* Reads the next word; it is empty at the end of the command. */
static bool read_word(struct reader *r)
{
	while (is_blank(cur(r)))
		r->pos++;
	r->word_n = 0;
	if (cur(r) == ';')
		r->pos++;
	else if (!copy_word(r))
		return false;
	return true;
}

static bool is_name(const char *text, size_t n, bool dash)
{
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && !(c >= '0' && c <= '9') && c != '_' && !(dash && c == '-'))
			return false;
	}
	return true;
}

static bool is_type(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] < 33 || text[i] > 126)
			return false;
	return true;
}

static const char *keep_word(struct reader *r)
{
	return arena_copy(&r->doc->arena, r->word, r->word_n);
}

/* Reads a word that must be there. */
static bool need_word(struct reader *r)
{
	if (!read_word(r))
		return false;
	return r->word_n != 0 || refuse(r, "insufficient arguments");
}

/* Reads the end of the command. */
static bool need_end(struct reader *r)
{
	if (!read_word(r))
		return false;
	return r->word_n == 0 || refuse(r, "too many arguments");
}

static bool check_name(struct reader *r, bool dash)
{
	return is_name(r->word, r->word_n, dash) || refuse(r, "invalid character in name field");
}

/* The name that libuci gives: running number, and djb2 over the type. */
static const char *anonymous_name(struct uci_doc *doc, const char *type)
{
	uint32_t hash = 5381;
	for (const char *c = type; *c != '\0'; c++)
		hash = hash * 33 + (unsigned char)*c;
	return arena_printf(&doc->arena, "cfg%02x%04x", doc->sections, hash & 0xffff);
}

static struct uci_section *add_section(struct uci_doc *doc, const char *type, const char *name)
{
	struct uci_section *section = arena_alloc(&doc->arena, sizeof(*section));
	if (section == NULL)
		return NULL;
	section->id = ++doc->sections;
	section->type = type;
	section->anonymous = *name == '\0';
	section->name = section->anonymous ? anonymous_name(doc, type) : name;
	if (doc->first == NULL)
		doc->first = section;
	else
		doc->last->next = section;
	doc->last = section;
	index_add(&doc->names, section->name, strlen(section->name), section);
	return section;
}

static bool read_config(struct reader *r, unsigned line)
{
	r->skipping = true;
	if (!need_word(r))
		return false;
	if (!is_type(r->word, r->word_n))
		return refuse(r, "invalid character in type field");
	const char *type = keep_word(r);
	if (!read_word(r) || !check_name(r, false))
		return false;
	const char *name = keep_word(r);
	if (!need_end(r))
		return false;
	struct uci_section *old = NULL;
	if (*name != '\0')
		old = index_find(&r->doc->names, name, strlen(name));
	if (old != NULL && strcmp(old->type, type) != 0)
		return refuse(r, "section of different type overwrites prior section with same "
			"name");
	struct uci_section *section = old != NULL ? old : add_section(r->doc, type, name);
	if (section == NULL)
		return false;
	if (old == NULL)
		section->line = line;
	else if (old->again == 0)
		old->again = line;
	r->section = section;
	r->skipping = false;
	return true;
}

static struct uci_value *new_value(struct uci_doc *doc, const char *text, unsigned line)
{
	struct uci_value *value = arena_alloc(&doc->arena, sizeof(*value));
	if (value != NULL)
		*value = (struct uci_value){ .text = text, .line = line };
	return value;
}

/* Finds the option of the section, or adds it without a value. */
static struct uci_option *get_option(struct uci_doc *doc, struct uci_section *s, const char *name)
{
	size_t n = strlen(name);
	char *key = arena_alloc(&doc->arena, sizeof(s->id) + n + 1);
	if (key == NULL)
		return NULL;
	memcpy(key, &s->id, sizeof(s->id));
	memcpy(key + sizeof(s->id), name, n);
	struct uci_option *option = index_find(&doc->options, key, sizeof(s->id) + n);
	if (option != NULL)
		return option;
	option = arena_alloc(&doc->arena, sizeof(*option));
	if (option == NULL)
		return NULL;
	option->name = key + sizeof(s->id);
	if (s->first == NULL)
		s->first = option;
	else
		s->last->next = option;
	s->last = option;
	return index_add(&doc->options, key, sizeof(s->id) + n, option);
}

/* An option replaces what was there; a list keeps it as its first item. */
static void set_value(struct uci_option *option, struct uci_value *value, bool list)
{
	if (option->first == NULL)
		option->line = value->line;
	else if (!list && option->again == 0)
		option->again = value->line;
	if (list && option->first != NULL)
		option->last->next = value;
	else
		option->first = value;
	option->last = value;
	option->is_list = list;
}

static bool read_option(struct reader *r, bool list, unsigned line)
{
	if (!need_word(r) || !check_name(r, false))
		return false;
	const char *name = keep_word(r);
	if (!read_word(r))
		return false;
	const char *text = keep_word(r);
	if (!need_end(r))
		return false;
	if (r->skipping || (*text == '\0' && !list))
		return true;
	/* The value first: an option is never seen without one. */
	struct uci_value *value = new_value(r->doc, text, line);
	struct uci_option *option =
		value != NULL ? get_option(r->doc, r->section, name) : NULL;
	if (option == NULL)
		return false;
	set_value(option, value, list);
	return true;
}

static bool read_package(struct reader *r)
{
	return need_word(r) && check_name(r, true) && need_end(r);
}

/* Which of the four keywords the bytes are: their first letter, or 0. */
static char keyword(const char *text, size_t n)
{
	static const char *const known[] = { "package", "config", "option", "list" };
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (*text == *known[i] && (n == 1 ||
				(n == strlen(known[i]) && memcmp(text, known[i], n) == 0)))
			return *text;
	return '\0';
}

/* Reads one command that begins with a keyword. */
static bool read_command(struct reader *r)
{
	const char *from = r->text + r->pos;
	size_t begin = r->pos;
	size_t n = 0;
	while (r->pos + n < r->end && from[n] != ' ' && from[n] != '\t')
		n++;
	char key = keyword(from, n);
	if (key == '\0')
		return refuse(r, "invalid command");
	bool is_option = key == 'o' || key == 'l';
	if (is_option && r->section == NULL && !r->skipping)
		return refuse(r, "option/list command found before the first section");
	unsigned line = r->line;
	r->pos += n;
	if (r->pos == r->end) {
		r->pos = begin;
		return refuse(r, key == 'p' ? "package without name"
				: key == 'c' ? "config without name" : "option without name");
	}
	r->pos++;
	if (key == 'p')
		return read_package(r);
	return key == 'c' ? read_config(r, line) : read_option(r, key == 'l', line);
}

/* Reads all commands of a line; false when it was refused. */
static bool read_line(struct reader *r)
{
	while (is_blank(cur(r)))
		r->pos++;
	for (;;) {
		while (cur(r) == ' ' || cur(r) == '\t')
			r->pos++;
		if (cur(r) == '\0' || cur(r) == '#')
			return true;
		if (!read_command(r))
			return false;
	}
}

/* One line as fgets and strlen see it: a zero byte ends it, and what follows joins it. Returns
 * where the next begins. */
static size_t flatten_line(struct reader *r, size_t at, size_t *to)
{
	for (;;) {
		const char *from = r->text + at;
		const char *newline = memchr(from, '\n', r->n - at);
		size_t n = newline != NULL ? (size_t)(newline - from) + 1 : r->n - at;
		const char *zero = memchr(from, '\0', n);
		size_t keep = zero != NULL ? (size_t)(zero - from) : n;
		memcpy(r->flat + *to, from, keep);
		*to += keep;
		at += n;
		if (keep != 0 && r->flat[*to - 1] == '\n')
			return at;
		if (keep == 0 || at >= r->n) {
			r->flat[(*to)++] = '\0';
			return at;
		}
	}
}

/* Resolves zero bytes: after it a zero stands only where a line ends without a newline. */
static bool flatten(struct reader *r)
{
	const char *zero = r->n != 0 ? memchr(r->text, '\0', r->n) : NULL;
	if (zero == NULL)
		return true;
	for (const char *c = r->text; c < zero; c++)
		r->line += *c == '\n';
	r->line++;
	note_loss(r, "a zero byte stands here; libuci loses text around it");
	r->flat = secret_alloc(r->n + 1);
	if (r->flat == NULL)
		return false;
	size_t to = 0;
	for (size_t at = 0; at < r->n;)
		at = flatten_line(r, at, &to);
	r->text = r->flat;
	r->n = to;
	return true;
}

static void read_lines(struct reader *r, bool all)
{
	while (r->next < r->n && !r->doc->arena.failed) {
		load_line(r);
		if (!read_line(r) && !all)
			return;
	}
}

void uci_read(struct uci_doc *doc, const char *text, size_t n, bool all, size_t limit)
{
	*doc = (struct uci_doc){ .first = NULL };
	arena_init(&doc->arena, limit);
	index_init(&doc->names);
	index_init(&doc->options);
	struct reader r = { .doc = doc, .text = text, .n = n, .word = secret_alloc(n + 1) };
	if (r.word != NULL && flatten(&r))
		read_lines(&r, all);
	else
		doc->failed = true;
	doc->failed = doc->failed || doc->arena.failed || doc->names.failed || doc->options.failed;
	secret_free(r.word);
	secret_free(r.flat);
}

void uci_fini(struct uci_doc *doc)
{
	index_fini(&doc->names);
	index_fini(&doc->options);
	arena_fini(&doc->arena);
}

static void print_escaped(const char *text, FILE *out)
{
	for (; *text != '\0'; text++)
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc(*text, out);
}

void uci_quote(const char *text, FILE *out)
{
	fputc('\'', out);
	print_escaped(text, out);
	fputc('\'', out);
}

static void export_option(const struct uci_option *option, FILE *out)
{
	for (const struct uci_value *v = option->first; v != NULL; v = v->next) {
		fprintf(out, "\t%s %s ", option->is_list ? "list" : "option", option->name);
		uci_quote(v->text, out);
		fputc('\n', out);
	}
}

void uci_export(const struct uci_doc *doc, const char *package, FILE *out)
{
	fprintf(out, "package %s\n", package);
	for (const struct uci_section *s = doc->first; s != NULL; s = s->next) {
		fputs("\nconfig ", out);
		print_escaped(s->type, out);
		if (!s->anonymous) {
			fputc(' ', out);
			uci_quote(s->name, out);
		}
		fputc('\n', out);
		for (const struct uci_option *o = s->first; o != NULL; o = o->next)
			export_option(o, out);
	}
	fputc('\n', out);
}
