/* What a report means: counts it, notes it as evidence, and takes the step of the state (verdict_step()). Internal to health/. */
#pragma once

#include "health/step.h"

/* The attempt in flight ended. OWN_NETWORK: it is our network that is gone, not the database. */
void evaluate_attempt(struct database *database, const struct attempt *attempt, bool own_network, struct instant now, struct event_list *events);
/* INPUT_SESSION_ENDED. */
void evaluate_session_end(struct database *database, const struct input *input, struct instant now, struct step *step);
/* The intervals are others: draws the delay to the next try anew, for what the last one met. */
void evaluate_plan_retry(struct database *database);
/* What was answered so far counts for no `rise`. */
void evaluate_rise_anew(struct database *database);
/* The login in flight is past `slow` and in PHASE. */
void evaluate_slow(struct database *database, enum phase phase, struct instant now, struct event_list *events);
