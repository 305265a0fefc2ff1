/* Folders for our files. */
#pragma once
#include "base/bug.h"

/* Makes the folder and those above it where they are missing, mode 0755. Returns 0 or -errno. */
int folder_make(const char *path) MUST_CHECK;
/* The folder in which the path stands, "." when it names none; NULL when there is no memory. The
 * caller frees it. */
char *folder_of(const char *path);
