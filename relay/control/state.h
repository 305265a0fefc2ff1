/* The state file: the routing table and the source ports, so that a restart finds them again
 * (DESIGN.md 6, rule 19). It is written a while after something changed, in steps of a few rows a
 * wake-up, to a file beside it that then takes its name. */
#pragma once
#include <stdint.h>
#include "base/bug.h"
#include "base/mono.h"

struct datapath;
struct state;
struct workers;

/* The file's name in its folder. */
#define STATE_FILE "routes.json"
/* The folder unless a command line says otherwise. */
#define STATE_DIR "/var/lib/lwgate"

struct state_spec {
	struct datapath *datapath; /* what is saved and restored, with the other workers'; its timers are
				    * used; borrowed */
	struct workers *workers;   /* the others, or NULL; borrowed */
	const char *dir;           /* folder of the file; copied; made when it is missing */
	int64_t (*wall)(void);     /* seconds since 1970, for what outlives a restart */
};

/* Makes the keeper of the state file, and locks its folder as long as it lives. Returns 0; -EBUSY when
 * another daemon has the folder, which is logged; or -ENOMEM. A folder of root's is handed over to
 * user_service. A folder that can not be made or opened is
 * logged, and tried again with each save. */
int state_create(struct state **state, const struct state_spec *spec) MUST_CHECK;
/* Ends it without saving; a file half written is removed. Must come before datapath_free. NULL is
 * allowed. */
void state_free(struct state *state);
/* Path of the file, for people; lives as long as the keeper. */
const char *state_path(const struct state *state);
/* Restores what the file holds: to be called once, after the first wanted_apply. A missing file is a
 * first start. A file with any fault is set aside as routes.json.broken-N, with the line and the
 * fault in the log, and nothing of it is used. */
void state_load(struct state *state, struct mono now);
/* Something that a restart should know changed: the file is written soon. NULL is allowed. */
void state_changed(struct state *state);
/* The table of routes is another one (after each wanted_apply): a save under way begins again. NULL
 * is allowed. */
void state_restart(struct state *state);
/* Saves at once, and waits until it is on the disk: for an orderly stop, before the flows end.
 * Returns 0, or -errno with the reason logged. */
int state_save(struct state *state, struct mono now) MUST_CHECK;
