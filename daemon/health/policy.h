/* Policy: when we may query a database, given who pays for its being awake. Pure. */
#pragma once

#include "config/config.h"
#include "model/check.h"
#include "model/event.h"
#include "model/provider.h"

#include <stdbool.h>

/* "keep-awake", "on-demand", "observe" */
const char *policy_name(enum policy policy);
/* Resolves POLICY_AUTO to what suits the provider. Any other CHOICE stands. */
enum policy policy_choose(enum policy choice, const struct provider *provider);

struct database;
struct input;
struct instant;
struct step;

struct plan {
        enum check check;
        uint64_t due_boot_usec; /* USEC_INFINITY: nothing is to be asked */
};

/* The policy in effect for DATABASE. */
enum policy policy_of(const struct database *database);
/* Whether we keep it awake, by policy or because of demand, and within the budget. */
bool policy_asks(const struct database *database);
/* Whether the last attempt was throttled. */
bool policy_was_throttled(const struct database *database);
/* When the retry schedule allows the next login. */
uint64_t policy_retry_boot_usec(const struct database *database);
/* The next check of DATABASE, from what is known now. A due time in the past means at once. */
struct plan policy_next(const struct database *database);
/* The next ping alone: it may be sent while another due check waits for a slot. */
struct plan policy_next_ping(const struct database *database);

/* Demand: leases, wake calls, the start, and `linger` after each. Internal to health/. */

/* See enum input_kind (health/step.h). */
void demand_start(struct database *database, const struct input *input, struct instant now, struct step *step);
void demand_wake(struct database *database, const struct input *input, struct instant now, struct step *step);
void demand_lease(struct database *database, const struct input *input, struct instant now, struct step *step);
void demand_lease_again(struct database *database, const struct input *input, struct instant now, struct step *step);
void demand_lease_end(struct database *database, const struct input *input, struct instant now, struct step *step);
void demand_presume(struct database *database, const struct input *input, struct instant now, struct step *step);
/* When the demand of wake calls and linger ends; USEC_INFINITY: there is none. */
uint64_t demand_due(const struct database *database);
/* The cause of a wake that begins now. */
enum wake_cause demand_wake_cause(const struct database *database);
