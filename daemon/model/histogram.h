/*
 * A distribution of durations: log-linear counters, 16 an octave, so that a quantile is at most 1/16 off (the middle of a bucket is
 * answered: under 3.2 %). A fixed size, no allocation; merging is adding.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 480 /* from 1 us to 2^33 us, 2.4 hours */

struct histogram {
        uint64_t count;
        uint64_t sum_usec;
        uint64_t max_usec;
        uint32_t buckets[HISTOGRAM_BUCKETS];
};

/* The bucket that USEC falls into, and the smallest value of BUCKET: what is kept in a file must not depend on how they are numbered. */
size_t histogram_bucket(uint64_t usec);
uint64_t histogram_bucket_from(size_t bucket);

void histogram_add(struct histogram *histogram, uint64_t usec);
/* The QUANTILE (in thousandths: 500, 950, 990), or 0 when it is empty. Never above the largest value seen. */
uint64_t histogram_quantile(const struct histogram *histogram, unsigned permille);
/* How many values were at most each of N bounds, which rise, to the precision of a bucket: for Prometheus' le lists. */
void histogram_counts_below(const struct histogram *histogram, const uint64_t *bounds_usec, size_t n, uint64_t *ret_counts);

/*
 * Durations counted by fixed bounds, exactly: what monitoring is shown of all attempts together. struct histogram is finer, for
 * quantiles, and its buckets do not end where people would have them end. A fixed size, no allocation.
 */

#define TALLY_BOUNDS 16

/* 0.5 ms to 60 s, rising: a ping on the same machine, and a login that waits for a cold start. */
extern const uint64_t tally_bounds_usec[TALLY_BOUNDS];

struct tally {
        uint64_t counts[TALLY_BOUNDS + 1]; /* above the bound before, up to and including this one; the last is open */
        uint64_t sum_usec;
};

void tally_add(struct tally *tally, uint64_t usec);
