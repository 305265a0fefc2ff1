/* Calls that are not made, and words that only look like them. */
#include <stdlib.h>

struct lan *lan_create(void)
{
	return calloc(1, 8);
}

static void lan_grow(struct lan *lan)
{
	lan->more = malloc(8);
}

int lan_read(struct lan *lan, char *text)
{
	/* strcpy(text, "in a comment"); */
	log_debug("in a string: strcpy(text)");
	lan->time(lan);
	snprintf(text, 4, "%d", lan_time(lan));
	sprintf(text, "x");
	return atoi (text) + (int)time(NULL);
}
