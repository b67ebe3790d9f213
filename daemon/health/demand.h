/* Who needs the database awake: leases, wake calls, the start, and `linger` after each. Internal to health/. */
#pragma once

#include "health/step.h"

/* From now on it is our demand that keeps the database awake. Nothing happens where that is so already. */
void demand_begin(struct database *database, struct instant now);
/* The time of calls and linger is over. Leases go on. */
void demand_lapse(struct database *database);
/* The demand of the daemon's start. */
void demand_start(struct database *database, struct instant now);
/* See enum input_kind (health/step.h). Those that ask answer the reason that refuses it, or REASON_NONE. */
enum reason demand_wake(struct database *database, enum wake_cause cause, struct instant now);
enum reason demand_lease(struct database *database, struct instant now);
void demand_lease_again(struct database *database, struct instant now);
/* It has been over for AGO_USEC. */
void demand_lease_end(struct database *database, uint64_t ago_usec, struct instant now);
void demand_presume(struct database *database, uint64_t for_usec, struct instant now);
/* When the time of calls and linger is over; USEC_INFINITY: not at all. */
uint64_t demand_due(const struct database *database);
/* What made a wake that begins now. */
enum wake_cause demand_wake_cause(const struct database *database);
