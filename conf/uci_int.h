/* Private to conf: what stands in a UCI file, before anybody asks what it means. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "conf/conf_int.h"

/* One value of an option, or one item of a list. */
struct uci_value {
	struct uci_value *next; /* the next item, or NULL */
	const char *text;       /* ended by a zero; may hold any other byte */
	unsigned line;          /* where its command stands */
};

/* An option or a list; where it was given more than once, what libuci makes of that. */
struct uci_option {
	struct uci_option *next;        /* the next of the section, or NULL */
	struct uci_value *first, *last; /* one value, or the items of the list */
	const char *name;               /* letters, digits and _ */
	unsigned line;                  /* where it was given first */
	unsigned again;                 /* where a later `option` replaced it, or 0 */
	bool is_list;                   /* given by `list` */
};

/* A section. */
struct uci_section {
	struct uci_section *next;         /* the next of the file, or NULL */
	struct uci_option *first, *last;  /* its options */
	const char *type;                 /* printable */
	const char *name;                 /* libuci's own name where it is anonymous */
	unsigned id;                      /* running number, from 1 */
	unsigned line;                    /* where it begins */
	unsigned again;                   /* where it was opened a second time, or 0 */
	bool anonymous;                   /* the file gave no name */
};

/* Something that libuci refuses, or takes while it loses text. */
struct uci_fault {
	struct uci_fault *next; /* the next, or NULL */
	const char *reason;     /* libuci's words for what it refuses; ours for lost text */
	unsigned line;          /* the line where it stands */
	unsigned libuci_line;   /* the line that libuci names: newlines read so far */
	size_t byte;            /* offset in that line */
	bool lost;              /* libuci takes it, and loses text */
	bool comment;           /* the lost text looks like a comment */
};

/* The whole file. */
struct uci_doc {
	struct uci_section *first, *last;      /* sections in the order of the file */
	struct uci_fault *fault, *last_fault;  /* what was found, in the order of the file */
	unsigned sections;                     /* how many */
	unsigned refused;                      /* faults that libuci refuses the file for */
	struct index names, options;           /* private */
	struct arena arena;                    /* all of the above */
	bool failed;                           /* memory ran out */
};

/* Reads n bytes of text, which stay the caller's. With all, goes on after a fault with the next
 * line, else stops. Ends with uci_fini in any case. limit bounds the memory as in arena_init. */
void uci_read(struct uci_doc *doc, const char *text, size_t n, bool all, size_t limit);
/* Wipes and frees. */
void uci_fini(struct uci_doc *doc);
/* Prints as `uci export` does. */
void uci_export(const struct uci_doc *doc, const char *package, FILE *out);
/* Prints text in single quotes as UCI wants it. */
void uci_quote(const char *text, FILE *out);
