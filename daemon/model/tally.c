#include "model/tally.h"

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
