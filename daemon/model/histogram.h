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
