/* A world runs: its plan happens, the daemon does what it does, and every step is held against the invariants. */
#pragma once

#include "breach.h"
#include "plan.h"

struct outcome {
        struct breach breach;
        uint64_t digest; /* of everything that the daemon said; the same plan has the same */
        uint64_t steps;
};

/* TRACE: every change of every database is told on stdout. */
void world_run(const struct plan_of_world *plan, bool trace, struct outcome *ret_outcome);
