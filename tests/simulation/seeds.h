/* Runs worlds from seeds on all processors, until one breaks an invariant, or all of them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct seeds_options {
        uint64_t seed;
        uint64_t days, worlds;
        uint64_t seconds; /* 0: no limit */
        unsigned each;    /* how many breaches of each invariant are explained */
        unsigned jobs;    /* processes */
        bool goes_on, trace, shrinks;
        bool rows; /* of scenarios */
};

/* Returns an exit code: EXIT_FAILURE if a world broke an invariant. */
int seeds_run(const struct seeds_options *options);
