/* A doubly linked ring of nodes that their owners embed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/bug.h"

/* A node, or the head of a ring. */
struct list {
	struct list *next; /* itself when alone or empty */
	struct list *prev; /* itself when alone or empty */
};

/* Makes an empty ring, or a node that is in none. */
static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

/* True when the ring has no node, or the node is in no ring. */
static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}

/* Puts a node behind the last of the ring. */
static inline void list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/* Takes a node out of its ring; it may be in none. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* Walks the nodes; the one at hand may be removed on the way, others may not. */
#define list_each(node, head)                                                                      \
	for (struct list *node = (head)->next, *node##_next = node->next; node != (head);          \
		node = node##_next, node##_next = node->next)
