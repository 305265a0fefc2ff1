/* The echo server's control port: lines of text (control.h) that say what it is to ask, and tell what
 * it saw. */
#pragma once
#include "server.h"

/* Takes the lines that wait at the socket, and answers them:
 *   forget                      nobody is known, nothing was counted
 *   write|observe|push KEY=VALUE...   begins to ask or notify (asker.h): devices window inflight payload rate
 *                               timeout confirm
 *   stop                        asks no more
 *   reset                       what became of requests so far is forgotten, but for foreign and bad
 *   stats                       what was counted */
void order_take(struct server *s, int fd);
