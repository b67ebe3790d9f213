/* The one function that changes a database's state, and what it changes beside it. Internal to health/. */
#pragma once

#include "health/step.h"

/* What an event is derived from; everything but the reason may be empty. */
struct verdict_cause {
        enum reason reason;
        const char *sqlstate;
        const char *detail;
        const struct attempt *attempt; /* NULL when time or an administrator brought it */
};

/*
 * Takes the step that the state machine's table has for EVENT, and adds its events. Only a change is told: another state, or the same state for
 * another reason (or of another generation, at the end of the step).
 */
void verdict_step(struct database *database, enum machine_event event, struct verdict_cause cause, struct instant now, struct event_list *events);

/*
 * At the end of a step in which the generation may have grown from BEFORE: that is told, by a state that is the same for the same reason where
 * nothing else changed.
 */
void verdict_tell_generation(struct database *database, uint64_t before, const struct attempt *attempt, struct instant now,
                             struct event_list *events);

/* What says nothing of the database: we had no network, or no means to ask. */
bool verdict_is_host_trouble(enum reason reason);

/* Whether an answer of then is too old to say that it is awake now. */
bool verdict_is_old(const struct database *database, uint64_t answered_boot_usec, struct instant now);

/* The month's budget is spent, or there is one again: tells it, and what follows for the reason. */
void verdict_budget(struct database *database, bool spent, struct instant now, struct event_list *events);

/* Draws the time to the next check of this kind. */
void database_plan_interval(struct database *database, enum check check);
