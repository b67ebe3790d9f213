/* The invariants that are asserted after every step of a world: the daemon's word against the truth (witness.h). */
#pragma once

#include "view.h"

void invariants_begin(void);
/* DATABASE may have changed: from BEFORE to NOW. */
void invariants_assert(unsigned database, const struct view *before, const struct view *now);
/* What must happen in time, or must not last. */
void invariants_assert_time(const struct view *views, unsigned n_databases);
/* The engine was replaced by another: what it says first may be older than what the last one said. */
void invariants_expect_restart(unsigned database);
