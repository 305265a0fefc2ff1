/* The top sees all. */
#include "gateway.h"
#include "control/control.h"
#include "base/good.h"
#include "dtls/dtls_int.h"
