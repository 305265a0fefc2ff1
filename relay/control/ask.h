/* One question to the daemon, from the lwgate command. */
#pragma once
#include "base/bug.h"
#include "control/text.h"

/* Sends {"cmd":"COMMAND"} to the socket and reads the whole answer. Returns 0; or -errno: the daemon
 * can not be reached, or fell silent for 30 s. */
int ask(const char *socket, const char *command, struct text *answer) MUST_CHECK;
