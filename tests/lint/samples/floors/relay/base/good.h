/* A base header. */
#include <ares_dns.h>
