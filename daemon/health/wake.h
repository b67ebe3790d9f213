/* Wakes: when one begins, whether it is proven, and how long it took. Internal to health/. */
#pragma once

#include "health/database.h"

/* When the current wake times out; USEC_INFINITY: there is none. */
uint64_t wake_deadline(const struct database *database);

/* Whether REASON is the server's own message that it is starting. */
bool wake_is_said(enum reason reason);
/*
 * Whether an attempt inside a wake may fail for REASON: the server says that it is starting or, with a provider that suspends, the login
 * timed out or the proxy had trouble of its own.
 */
bool wake_may_look_like(const struct database *database, enum reason reason);
/* Whether the wake goes on after its login failed for REASON. A server without a free slot for us is up, and the wake is ours. */
bool wake_goes_on(const struct database *database, enum reason reason);

/*
 * The attempt that began at BEGAN may be a wake: begins one, unless one is under way. FROM_EVIDENCE: the database was seen asleep or
 * starting.
 */
void wake_begin(struct database *database, uint64_t began_boot_usec, bool from_evidence);
/* Ends the current wake, if there is one, without the database being awake. */
void wake_fail(struct database *database);
/*
 * A login was answered while the database was not known to be awake: ends the current wake, or finds one that was too quick to be seen.
 * After failures the first answer ends it, however many the verdict needs (`rise`). Returns whether a wake was recorded.
 */
bool wake_end(struct database *database, const struct attempt *answered, bool was_awake, struct instant now);
