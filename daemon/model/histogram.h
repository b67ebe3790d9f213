/*
 * A distribution of durations: log-linear counters, 16 per octave. A quantile is the middle of its bucket, less than 3.2 % off. A fixed
 * size, no allocation; merging is adding.
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

/*
 * The bucket of USEC, and the smallest value in BUCKET. Files hold that value, so that they do not depend on the numbering of the buckets.
 */
size_t histogram_bucket(uint64_t usec);
uint64_t histogram_bucket_from(size_t bucket);

void histogram_add(struct histogram *histogram, uint64_t usec);
/* The quantile of PERMILLE (500, 950, 990), or 0 if the histogram is empty. Never above the largest value seen. */
uint64_t histogram_quantile(const struct histogram *histogram, unsigned permille);
/* Counts the values up to each of N ascending bounds, to the precision of a bucket: for Prometheus' le buckets. */
void histogram_counts_below(const struct histogram *histogram, const uint64_t *bounds_usec, size_t n, uint64_t *ret_counts);

/*
 * Durations counted exactly, by fixed bounds: for metrics over all attempts. struct histogram is finer, for quantiles, but its buckets do
 * not end at round values. A fixed size, no allocation.
 */

#define TALLY_BOUNDS 16

/* 0.5 ms to 60 s, ascending: from a ping on the same machine to a login that waits for a cold start. */
extern const uint64_t tally_bounds_usec[TALLY_BOUNDS];

struct tally {
        uint64_t counts[TALLY_BOUNDS + 1]; /* above the previous bound, up to and including this one; the last has no bound */
        uint64_t sum_usec;
};

void tally_add(struct tally *tally, uint64_t usec);
