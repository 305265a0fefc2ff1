/* Folders for our files. */
#pragma once
#include "base/bug.h"

/* Makes the folder and those above it where they are missing, mode 0755. Returns 0 or -errno. */
int folder_make(const char *path) MUST_CHECK;
/* Hands an open folder that is root's over to the user that this process will become, so that it can go
 * on there; with it the files in it whose names begin with prefix, or are also
 * (NULL: none). Only where no other file is in it, and
 * nobody else may write to it: a folder that others use stays theirs. Returns 0, also where nothing is to be done; -EEXIST where other
 * files are there, or another -errno. */
int folder_hand_over(int fd, const char *prefix, const char *also) MUST_CHECK;
/* The folder in which the path stands, "." when it names none; NULL when there is no memory. The
 * caller frees it. */
char *folder_of(const char *path);
