/*
 * Durations counted by fixed bounds, exactly: what monitoring is shown of all attempts together. struct histogram is finer, for
 * quantiles, and its buckets do not end where people would have them end. A fixed size, no allocation.
 */
#pragma once

#include <stdint.h>

#define TALLY_BOUNDS 16

/* 0.5 ms to 60 s, rising: a ping on the same machine, and a login that waits for a cold start. */
extern const uint64_t tally_bounds_usec[TALLY_BOUNDS];

struct tally {
        uint64_t counts[TALLY_BOUNDS + 1]; /* above the bound before, up to and including this one; the last is open */
        uint64_t sum_usec;
};

void tally_add(struct tally *tally, uint64_t usec);
