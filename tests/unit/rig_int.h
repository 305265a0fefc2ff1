/* What the files of the rig share. */
#pragma once
#include "rig.h"
#include "wolf_peer.h"

struct rig_peer {
	struct list node;
	struct rig *rig;
	struct wolf_peer *wolf;
	struct addr client; /* the relay's source address */
	struct addr server; /* ours */
	bool is_old;        /* a newer one was made beside it */
};

/* Gives all that was sent on WAN sockets to the servers, until nothing more comes of it. */
void rig_pump(struct rig *r);
/* Ends a session. */
void rig_peer_free(struct rig_peer *p);
