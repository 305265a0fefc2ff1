/* What the files of the state file's keeper share. */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "control/state.h"
#include "control/text.h"
#include "timer.h"

/* What it is called before it takes the name. */
#define STATE_NEW STATE_FILE ".new"
/* The first save comes this long after a change, ms. */
#define STATE_AFTER_MS 1000
/* Rows that one wake-up writes. */
#define STATE_ROWS_PER_WAKE 64
/* A row costs less than this, microseconds (measured: 2, and the write); saving may take one
 * part in STATE_SHARE of the time, so a large table is saved less often. */
#define STATE_ROW_US 10
#define STATE_SHARE 50
/* A save that failed is tried again after this, ms. */
#define STATE_RETRY_MS 60000
/* Broken files that are kept. */
#define STATE_BROKEN_KEPT 4

/* What a save is at. */
enum state_phase {
	STATE_IDLE,  /* nothing is under way */
	STATE_FLOWS, /* rows of flows are being written */
	STATE_PORTS  /* rows of routes without flow */
};

struct state {
	struct datapath *dp;     /* of the first worker */
	struct workers *workers; /* the others, or NULL */
	int64_t (*wall)(void);
	char *dir;               /* folder */
	char *path;              /* DIR/routes.json */
	char *path_new;          /* where it is written before it takes the name */
	int lock;                /* the folder, locked; -1 while it could not be opened */
	struct timer timer;      /* the next step */
	bool holds_timer;    /* room for it was asked of the loop */

	enum state_phase phase;
	bool is_wanted;          /* something changed since the save under way began */
	bool is_failing;         /* the last save failed, and that was said */
	struct mono began;       /* when the save under way began */
	int fd;                  /* the file being written; meaningful unless idle */
	unsigned worker;         /* whose flows are walked */
	size_t at;               /* how far the walk has come */
	uint64_t rows;           /* written so far */
	size_t rows_last;        /* rows of the last file */
	struct text text;        /* lines of this step */
	uint32_t ifindex;        /* whose name was looked up last in this save; 0: none */
	char interface[IF_NAMESIZE]; /* its name */
};

/* Opens and locks the folder, which is made when missing. Returns 0; -EBUSY when another daemon has
 * it, or another -errno. */
int state_lock(struct state *s) MUST_CHECK;
