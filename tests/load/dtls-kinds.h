/* What handshakes cost, by kind of credential. */
#pragma once

/* Measures and prints; the folder is what tests/lib/pki made. Returns an exit status. */
int time_kinds(const char *folder);
