/* The lowest floor may name itself only. */
#include "base/good.h"
#include "conf/conf.h"
#include <string.h>
#include "lwm2m/reg.h"
