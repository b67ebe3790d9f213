/*
 * The clocks of the simulated host: what base/clock.h answers in this program. Time stands still until the loop lets it pass. The boot
 * clock is the truth here: everything in the world happens by it.
 */
#pragma once

#include "base/clock.h"

#include <stdbool.h>

/* A host that has run for a while when the world begins; 0 would read as "never". */
#define WORLD_BEGINS_USEC (1000 * USEC_PER_SEC)

void clocks_begin(uint64_t real_usec);
/* While the host is suspended its monotonic clock stands. */
void clocks_pass(uint64_t usec, bool host_suspended);
/* Somebody sets the clock of people. */
void clocks_step(int64_t usec);
/* What a clock that nobody sets, the servers' for example, shows at BOOT_USEC. */
uint64_t clocks_true_real_usec(uint64_t boot_usec);
