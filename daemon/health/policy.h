/* Who pays for a database being awake: when we may ask it. Pure. */
#pragma once

#include "config/config.h"
#include "model/check.h"
#include "model/event.h"
#include "model/provider.h"

#include <stdbool.h>

/* "keep-awake", "on-demand", "observe" */
const char *policy_name(enum policy policy);
/* The operator's CHOICE; for POLICY_AUTO what suits the provider. */
enum policy policy_choose(enum policy choice, const struct provider *provider);

struct database;
struct input;
struct instant;
struct step;

struct plan {
        enum check check;
        uint64_t due_boot_usec; /* USEC_INFINITY: nothing is to be asked */
};

/* The one that DATABASE is watched by. */
enum policy policy_of(const struct database *database);
/* Whether it is we who keep it awake: by the policy, or by demand; and the budget lets us. */
bool policy_asks(const struct database *database);
/* Whether the last that was asked was told to ask less often. */
bool policy_was_throttled(const struct database *database);
/* When the next login is due by the rhythm of retries. */
uint64_t policy_retry_boot_usec(const struct database *database);
/* The next check of DATABASE, from what is known now. A due time in the past means at once. */
struct plan policy_next(const struct database *database);
/* The next ping alone: what goes on while another check that is due has to wait. */
struct plan policy_next_ping(const struct database *database);

/* Who needs the database awake: leases, wake calls, the start, and `linger` after each. Internal to health/. */

/* See enum input_kind (health/step.h). */
void demand_start(struct database *database, const struct input *input, struct instant now, struct step *step);
void demand_wake(struct database *database, const struct input *input, struct instant now, struct step *step);
void demand_lease(struct database *database, const struct input *input, struct instant now, struct step *step);
void demand_lease_again(struct database *database, const struct input *input, struct instant now, struct step *step);
void demand_lease_end(struct database *database, const struct input *input, struct instant now, struct step *step);
void demand_presume(struct database *database, const struct input *input, struct instant now, struct step *step);
/* When the time of calls and linger is over; USEC_INFINITY: not at all. */
uint64_t demand_due(const struct database *database);
/* What made a wake that begins now. */
enum wake_cause demand_wake_cause(const struct database *database);
