/* Evaluation of reports: counts each one, notes it as evidence and takes the step of the state (verdict_step()). Internal to health/. */
#pragma once

#include "health/step.h"

/* The attempt in flight ended. OWN_NETWORK: our own network is gone, so a failure says nothing about the database. */
void evaluate_attempt(struct database *database, const struct attempt *attempt, bool own_network, struct instant now, struct event_list *events);
/* INPUT_SESSION_ENDED. */
void evaluate_session_end(struct database *database, const struct input *input, struct instant now, struct step *step);
/* The intervals changed: draws the delay to the next retry anew, for the last result. */
void evaluate_plan_retry(struct database *database);
/* Restarts the count of answers that `rise` requires. */
void evaluate_rise_anew(struct database *database);
/* The login in flight has passed `slow` in PHASE. */
void evaluate_slow(struct database *database, enum phase phase, struct instant now, struct event_list *events);
