/* Rooms do not know each other; foreign headers stay at their door. */
#include "conf/conf.h"
#include "base/good.h"
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/random.h>
