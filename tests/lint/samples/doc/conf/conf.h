/* Shows what must have a comment, and what need not. */
#pragma once

#define CONF_PLAIN(x) \
	conf_plain(x)

struct conf;

/* A pair. */
struct pair {
	int first;  /* in ms */
	int second;
	/* Above is as good as behind. */
	unsigned third : 3;
	struct {
		int deep;
		int known; /* in bytes */
	} inner;
	void (*called)(int a,
		int b); /* when it is over */
};

/* Words. */
enum word { ONE, TWO };

/* Opens it; 0 or -errno. */
int conf_open(struct conf **conf,
	const char *path);
int conf_silent(struct conf *conf,
	int number);

/* Far away. */

void conf_far(void);

static inline int conf_inline(int x)
{
	return x + 1;
}

/* Twice. */
static inline int conf_twice(int x)
{
	int y = x;
	return x + y;
}
