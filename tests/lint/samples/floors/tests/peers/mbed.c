#include <mbedtls/ssl.h>
