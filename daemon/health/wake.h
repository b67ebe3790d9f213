/* Wakes: when one began, whether it is proven, what it cost. Internal to health/. */
#pragma once

#include "health/database.h"

/* When the wake that runs is given up; USEC_INFINITY: none runs. */
uint64_t wake_deadline(const struct database *database);

/* Whether REASON is the server's own word that it starts. */
bool wake_is_said(enum reason reason);
/*
 * Whether an attempt inside a wake may fail for REASON: the server says that it starts or, of a provider that suspends, time ran out or the
 * proxy had trouble of its own.
 */
bool wake_may_look_like(const struct database *database, enum reason reason);
/* Whether the wake that an attempt caused is still to be answered when it failed for REASON: one without a place for us is up, and ours. */
bool wake_goes_on(const struct database *database, enum reason reason);

/* The database was found asleep or starting by what began at BEGAN. */
void wake_begin(struct database *database, uint64_t began_boot_usec, bool from_evidence);
/* The wake that runs (if one does) is over without the database being awake. */
void wake_fail(struct database *database);
/*
 * A login was answered where the database was not known to be awake: ends the wake that runs, or finds one that was too quick to be seen.
 * After failures the first answer does, however many (`rise`) make a verdict.
 * Answers whether a wake was recorded.
 */
bool wake_end(struct database *database, const struct attempt *answered, bool was_awake, struct instant now);
