/* A room. */
#include <libfoo.h>
