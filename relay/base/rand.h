/* Randomness from the kernel, through a small pool that is wiped as it is used. Each thread has its own. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Fills n bytes with randomness fit for keys. */
void rand_bytes(void *bytes, size_t n);
/* A number from 0 up to, not including, below, which is not 0. */
uint32_t rand_below(uint32_t below);
/* Forgets the pool of this thread: must be called in the child after a fork. */
void rand_forget(void);
