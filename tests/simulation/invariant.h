/* The invariants that are asserted after every step of a world: they compare the daemon's statements with the truth (witness.h). */
#pragma once

#include "view.h"

void invariants_begin(void);
/* DATABASE may have changed, from BEFORE to NOW. */
void invariants_assert(unsigned database, const struct view *before, const struct view *now);
/* For events that must happen in time, and states that must not last. */
void invariants_assert_time(const struct view *views, unsigned n_databases);
/* A new engine replaced the old one: its first statements may be older than the old one's last. */
void invariants_expect_restart(unsigned database);
