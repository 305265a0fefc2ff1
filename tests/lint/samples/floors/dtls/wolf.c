/* The door. */
#include "dtls_int.h"
#include <wolfssl/ssl.h>
#include <json-c/json.h>
