/* The loop may read the clock, and it is not on the packet path; gets() it may not. */
void loop_now(struct timespec *ts, char *line)
{
	clock_gettime(CLOCK_MONOTONIC, ts);
	free(malloc(8));
	char quote = '"'; gets(line); /* " */
	// system("rm");
	system(line);
}
