/*
 * The simulated host's clocks, which replace those of base/clock.h in this program. Time stands still until the loop lets it pass. The boot
 * clock is the reference: everything in the world happens by it.
 */
#pragma once

#include "base/clock.h"

#include <stdbool.h>

/* A host that has run for a while when the world begins; 0 would read as "never". */
#define WORLD_BEGINS_USEC (1000 * USEC_PER_SEC)

void clocks_begin(uint64_t real_usec);
/* While the host is suspended, its monotonic clock stands still. */
void clocks_pass(uint64_t usec, bool host_suspended);
/* Sets the wall clock. */
void clocks_step(int64_t usec);
/* The reading at BOOT_USEC of a clock that nobody sets, such as a server's. */
uint64_t clocks_true_real_usec(uint64_t boot_usec);
