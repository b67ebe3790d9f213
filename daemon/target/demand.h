/* Who needs the database awake: leases, wake calls, the start, and `linger` after each. Internal to target/. */
#pragma once

#include "target/target.h"

/* From now on it is our demand that keeps the database awake. Nothing happens where that is so already. */
void demand_begin(struct target *target, struct instant now);
/* The time of calls and linger is over. Leases go on. */
void demand_lapse(struct target *target, struct instant now);
/* The demand of the daemon's start. */
void demand_start(struct target *target, struct instant now);
/* When the time of calls and linger is over; USEC_INFINITY: not at all. */
uint64_t demand_due(const struct target *target);
/* What made a wake that begins now. */
enum wake_cause demand_wake_cause(const struct target *target);
