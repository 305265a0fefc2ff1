/* The trunk sees the rooms, not their private headers, and nothing above. */
#include "conf/conf.h"
#include "lwm2m/reg.h"
#include "dtls/dtls_int.h"
#include "control/control.h"
#include "gateway.h"
#include "json.h"
#include <netlink/netlink.h>
