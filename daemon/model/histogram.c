#include "model/histogram.h"

#include "base/macro.h"

/*
 * The first 16 buckets are the values 0 to 15 themselves. From there each octave [2^n, 2^(n+1)) is cut into 16 buckets of equal width: the
 * four bits below the leading one choose the bucket. The last bucket has no upper bound.
 */
#define BITS 4
#define PER_OCTAVE (1U << BITS)

size_t histogram_bucket(uint64_t usec) {
        unsigned octave;
        size_t bucket;

        if (usec < PER_OCTAVE)
                return (size_t)usec;
        octave = 63 - (unsigned)__builtin_clzll(usec) - BITS;
        bucket = (size_t)(octave + 1) * PER_OCTAVE + (size_t)((usec >> octave) & (PER_OCTAVE - 1));
        return MIN(bucket, (size_t)HISTOGRAM_BUCKETS - 1);
}

/* The number of bits that do not choose the bucket: each bucket is 2^octave wide. */
static unsigned octave_of(size_t bucket) {
        return bucket < PER_OCTAVE ? 0 : (unsigned)(bucket / PER_OCTAVE) - 1;
}

uint64_t histogram_bucket_from(size_t bucket) {
        return bucket < PER_OCTAVE ? bucket : (uint64_t)(PER_OCTAVE + bucket % PER_OCTAVE) << octave_of(bucket);
}

static uint64_t bucket_middle(size_t bucket) {
        return histogram_bucket_from(bucket) + (UINT64_C(1) << octave_of(bucket)) / 2;
}

void histogram_add(struct histogram *histogram, uint64_t usec) {
        uint32_t *bucket = &histogram->buckets[histogram_bucket(usec)];

        histogram->count++;
        histogram->sum_usec += usec;
        histogram->max_usec = MAX(histogram->max_usec, usec);
        if (*bucket < UINT32_MAX)
                (*bucket)++;
}

/* The rank, from 1, of the value that PERMILLE of N values do not exceed: rounded up, and split to avoid overflow. */
static uint64_t rank_of(uint64_t n, unsigned permille) {
        uint64_t rank = n / 1000 * permille + (n % 1000 * permille + 999) / 1000;

        return MAX(rank, UINT64_C(1));
}

uint64_t histogram_quantile(const struct histogram *histogram, unsigned permille) {
        uint64_t rank = rank_of(histogram->count, MIN(permille, 1000U)), seen = 0;

        /* The last bucket has no middle: the largest value seen stands for its values. */
        for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
                seen += histogram->buckets[i];
                if (seen >= rank)
                        return MIN(bucket_middle(i), histogram->max_usec);
        }
        return histogram->max_usec;
}

void histogram_counts_below(const struct histogram *histogram, const uint64_t *bounds_usec, size_t n, uint64_t *ret_counts) {
        uint64_t seen = 0;
        size_t bucket = 0;

        for (size_t i = 0; i < n; i++) {
                size_t last = histogram_bucket(bounds_usec[i]);

                while (bucket <= last)
                        seen += histogram->buckets[bucket++];
                ret_counts[i] = bounds_usec[i] >= histogram->max_usec ? histogram->count : MIN(seen, histogram->count);
        }
}

/* -- Tallies --------------------------------------------------------------------------------------------------------------------------- */

#define MS UINT64_C(1000)

const uint64_t tally_bounds_usec[TALLY_BOUNDS] = {
        500,      1 * MS,   2500,     5 * MS,    10 * MS,   25 * MS,   50 * MS,    100 * MS,
        250 * MS, 500 * MS, 1000 * MS, 2500 * MS, 5000 * MS, 10000 * MS, 30000 * MS, 60000 * MS,
};

void tally_add(struct tally *tally, uint64_t usec) {
        unsigned i = 0;

        while (i < TALLY_BOUNDS && usec > tally_bounds_usec[i])
                i++;
        tally->counts[i]++;
        tally->sum_usec += usec;
}
