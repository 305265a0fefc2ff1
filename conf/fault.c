/* Faults: gathered while a configuration is read, handed over in the order of file and line. */
#include "conf/conf_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is left to say when memory for faults ran out; never freed. */
static struct conf_fault no_memory = { { "configuration", 0 }, CONF_ERROR,
	"memory ran out while the configuration was read" };

void report_init(struct report *report)
{
	*report = (struct report){ .failed = false };
	arena_init(&report->arena, 0);
}

static bool make_room(struct report *report)
{
	if (report->count < report->room)
		return true;
	size_t room = report->room == 0 ? 16 : report->room * 2;
	struct conf_fault *list = reallocarray(report->list, room, sizeof(*list));
	if (list == NULL)
		return false;
	report->list = list;
	report->room = room;
	return true;
}

void report_vadd(struct report *report, struct conf_where where, enum conf_severity severity,
	const char *fmt, va_list args)
{
	if (!make_room(report)) {
		report->failed = true;
		return;
	}
	if (report->copied == NULL || where.file != report->file) {
		report->file = where.file;
		report->copied = arena_copy(&report->arena, where.file, strlen(where.file));
	}
	struct conf_fault *fault = &report->list[report->count++];
	fault->where = (struct conf_where){ report->copied, where.line };
	fault->severity = severity;
	fault->text = arena_vprintf(&report->arena, fmt, args);
	report->errors += severity == CONF_ERROR;
}

void report_add(struct report *report, struct conf_where where, enum conf_severity severity,
	const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	report_vadd(report, where, severity, fmt, args);
	va_end(args);
}

/* What is sorted: qsort forgets the order of equals, so it is part of the key. */
struct entry {
	struct conf_fault fault;
	size_t order; /* of arrival */
	bool first;   /* stands in the first file */
};

static int compare(const void *left, const void *right)
{
	const struct entry *a = left;
	const struct entry *b = right;
	if (a->first != b->first)
		return a->first ? -1 : 1;
	int files = strcmp(a->fault.where.file, b->fault.where.file);
	if (files != 0)
		return files;
	if (a->fault.where.line != b->fault.where.line)
		return a->fault.where.line < b->fault.where.line ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

static bool sort(struct report *report, const char *first)
{
	if (report->count == 0)
		return true;
	struct entry *entry = calloc(report->count, sizeof(*entry));
	if (entry == NULL)
		return false;
	for (size_t i = 0; i < report->count; i++) {
		const struct conf_fault *fault = &report->list[i];
		entry[i] = (struct entry){ *fault, i, strcmp(fault->where.file, first) == 0 };
	}
	qsort(entry, report->count, sizeof(*entry), compare);
	for (size_t i = 0; i < report->count; i++)
		report->list[i] = entry[i].fault;
	free(entry);
	return true;
}

/* What stands behind faults->owned. */
struct owned {
	struct arena arena;
	struct conf_fault *list;
};

void report_finish(struct report *report, const char *first, struct conf_faults *faults)
{
	struct owned *owned = malloc(sizeof(*owned));
	bool failed = report->failed || report->arena.failed || owned == NULL;
	if (failed || !sort(report, first)) {
		free(owned);
		free(report->list);
		arena_fini(&report->arena);
		*faults = (struct conf_faults){ &no_memory, 1, 1, NULL };
		return;
	}
	*owned = (struct owned){ report->arena, report->list };
	*faults = (struct conf_faults){ report->list, report->count, report->errors, owned };
}

void conf_faults_free(struct conf_faults *faults)
{
	struct owned *owned = faults->owned;
	if (owned != NULL) {
		arena_fini(&owned->arena);
		free(owned->list);
		free(owned);
	}
	*faults = (struct conf_faults){ NULL, 0, 0, NULL };
}

int conf_fault_print(const struct conf_fault *fault, char *text, size_t size)
{
	const char *kind = fault->severity == CONF_WARNING ? "warning: " : "";
	if (fault->where.line == 0)
		return snprintf(text, size, "%s: %s%s", fault->where.file, kind, fault->text);
	return snprintf(text, size, "%s:%u: %s%s", fault->where.file, fault->where.line, kind,
		fault->text);
}

const char *shown(char room[SHOWN], const char *text)
{
	size_t n = 0;
	for (const char *c = text; *c != '\0'; c++) {
		unsigned char byte = (unsigned char)*c;
		/* A UTF-8 character is not cut in two. */
		bool inside = (byte & 0xc0) == 0x80 && n + 5 <= SHOWN;
		if (n + 8 > SHOWN && !inside) {
			snprintf(room + n, SHOWN - n, "...");
			return room;
		}
		if (byte < 32 || byte == 127)
			n += (size_t)snprintf(room + n, SHOWN - n, "\\x%02x", byte);
		else
			room[n++] = *c;
	}
	room[n] = '\0';
	return room;
}
