#include "conf.h"
/* Not on top. */
