/* The other two measurements of dtls-bench. */
#pragma once

/* Handshakes by kind of credential: measures and prints; the folder is what tests/lib/pki made. Returns an exit status. */
int time_kinds(const char *folder);
/* Records of many sessions in random order; the same. */
int time_many(void);
