#include <wolfssl/ssl.h>
#include "nowhere.h"
#include <mbedtls/ssl.h>
