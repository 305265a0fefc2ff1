/* What strangers get of a server: a cookie, or nothing. */
#include <stdio.h>
#include <string.h>
#include "dtls_suites.h"
#include "wire.h"

Suite *listener_suite(void)
{
	Suite *s = suite_create("dtls listener");
	return s;
}
