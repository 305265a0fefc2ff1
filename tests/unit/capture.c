/* The reader of tests/captures. */
#include "capture.h"
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"

const char *const capture_coap_files[] = {
	"tests/captures/anjay-leshan.hex",
	"tests/captures/collision-same-second.hex",
	"tests/captures/libcoap-4.3.1.hex",
	"tests/captures/odd-answers.hex",
	"tests/captures/wakaama-blockwise-send.hex",
	"tests/captures/wakaama-lifecycle.hex",
	NULL,
};

static _Noreturn void unreadable(const struct capture *c, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", c->path, c->line, what);
	abort();
}

void capture_open(struct capture *c, const char *path)
{
	*c = (struct capture){ fopen(path, "r"), path, 0 };
	if (c->file == NULL)
		unreadable(c, "can not be opened; tests run in the top folder");
}

void capture_close(struct capture *c)
{
	fclose(c->file);
	c->file = NULL;
}

/* The next line without its end, NULL at the end of the file. */
static char *next_line(struct capture *c, char *line, int size)
{
	if (fgets(line, size, c->file) == NULL)
		return NULL;
	c->line++;
	char *end = strchr(line, '\n');
	if (end == NULL)
		unreadable(c, "the line is too long or has no end");
	*end = '\0';
	return line;
}

/* One end of the direction: C or S, and perhaps a name in parentheses. */
static const char *skip_end(const char *text)
{
	if (*text != 'C' && *text != 'S')
		return NULL;
	text++;
	if (*text != '(')
		return text;
	text = strchr(text, ')');
	return text == NULL ? NULL : text + 1;
}

/* "# C(port B)>S Register ..." into direction and comment; false for another comment. */
static bool read_comment(const char *line, struct captured *d)
{
	const char *start = line + 2;
	if (strncmp(line, "# ", 2) != 0)
		return false;
	const char *to = skip_end(start);
	if (to == NULL || *to != '>')
		return false;
	const char *end = skip_end(to + 1);
	if (end == NULL || (*end != ' ' && *end != '\0') || *start == to[1])
		return false;
	snprintf(d->direction, sizeof(d->direction), "%.*s", (int)(end - start), start);
	snprintf(d->comment, sizeof(d->comment), "%s", *end == ' ' ? end + 1 : end);
	d->up = *start == 'C';
	return true;
}

bool capture_next(struct capture *c, struct captured *d)
{
	char line[2 * sizeof(d->bytes) + 2];
	bool described = false;
	while (next_line(c, line, sizeof(line)) != NULL) {
		if (line[0] == '#') {
			if (described)
				unreadable(c, "the datagram of the comment above is missing");
			described = read_comment(line, d);
			continue;
		}
		if (!described)
			unreadable(c, "the line above names no direction");
		long n = hex_decode(line, strlen(line), d->bytes, sizeof(d->bytes));
		if (n <= 0)
			unreadable(c, "no hex");
		d->n = (size_t)n;
		d->line = c->line;
		return true;
	}
	if (described)
		unreadable(c, "the datagram of the last comment is missing");
	return false;
}
