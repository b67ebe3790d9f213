/* The one function that changes a database's state, and its helpers. Internal to health/. */
#pragma once

#include "health/step.h"

/* The cause of an event; all members but the reason may be empty. */
struct verdict_cause {
        enum reason reason;
        const char *sqlstate;
        const char *detail;
        const struct attempt *attempt; /* NULL: time or an administrator caused it */
};

/*
 * Takes the step that the state machine's table has for EVENT, and adds its events. Only changes are reported: another state, or another
 * reason for the same state (a new generation is reported at the end of the step).
 */
void verdict_step(struct database *database, enum machine_event event, struct verdict_cause cause, struct instant now, struct event_list *events);

/*
 * At the end of a step: if the generation grew from BEFORE and no event carries it yet, adds a state event with the same state and reason.
 */
void verdict_tell_generation(struct database *database, uint64_t before, const struct attempt *attempt, struct instant now,
                             struct event_list *events);

/* Whether REASON is about this host and not about the database: no network, or no means to check. */
bool verdict_is_host_trouble(enum reason reason);

/* Whether an answer at ANSWERED_BOOT_USEC is too old to prove that the database is awake now. */
bool verdict_is_old(const struct database *database, uint64_t answered_boot_usec, struct instant now);

/* The month's budget is spent, or available again: adds the events, and adapts the reason. */
void verdict_budget(struct database *database, bool spent, struct instant now, struct event_list *events);

/* Draws the interval to the next check of this kind. */
void database_plan_interval(struct database *database, enum check check);
