/* A small generator (splitmix64) for jitter; nothing secret is made with it. Pure: the state is the caller's. */
#pragma once

#include <stdint.h>

/* Seeds from the kernel. */
uint64_t random_seed(void);
uint64_t random_next(uint64_t *state);
