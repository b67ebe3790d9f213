#include "base/random.h"

#include "base/clock.h"
#include "base/macro.h"

#include <sys/random.h>

uint64_t random_seed(void) {
        uint64_t seed;

        if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
                seed = clock_monotonic_usec();
        return seed;
}

/* Sebastiano Vigna's splitmix64, public domain. */
uint64_t random_next(uint64_t *state) {
        uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

/* -- Growing delays -------------------------------------------------------------------------------------------------------------------- */

uint64_t backoff_usec(unsigned failures, uint64_t floor_usec, uint64_t ceiling_usec) {
        uint64_t delay = floor_usec, ceiling = MAX(floor_usec, ceiling_usec);

        for (unsigned i = 1; i < failures && delay < ceiling; i++)
                delay = usec_add(delay, delay);
        return MIN(delay, ceiling);
}

uint64_t backoff_jitter(uint64_t usec, unsigned jitter_permille, uint64_t *random_state) {
        uint64_t span;

        /* No delay is 292,000 years; below that nothing here overflows. */
        if (usec > USEC_INFINITY / 4 || jitter_permille == 0)
                return usec;
        span = usec / 1000 * jitter_permille + usec % 1000 * jitter_permille / 1000;
        return usec - span + random_next(random_state) % (2 * span + 1);
}
