/* A private header needs its purpose only. */
int conf_private(int x);
