/* Who pays for a database being awake: when we may ask it. Pure. */
#pragma once

#include "config/config.h"
#include "model/check.h"
#include "model/provider.h"

#include <stdbool.h>

enum policy {
        POLICY_IS_KEEP_AWAKE,
        POLICY_IS_ON_DEMAND,
        POLICY_IS_OBSERVE,
};

/* "keep-awake", "on-demand", "observe" */
const char *policy_name(enum policy policy);
/* The operator's choice, or what suits the provider. */
enum policy policy_choose(enum policy_choice choice, const struct provider *provider);

struct database;
struct instant;

struct plan {
        enum check check;
        uint64_t due_boot_usec; /* USEC_INFINITY: nothing is to be asked */
};

/* Whether it is we who keep it awake: by the policy, or by demand; and the budget lets us. */
bool policy_asks(const struct database *database);
/* Whether the last that was asked was told to ask less often. */
bool policy_was_throttled(const struct database *database);
/* When the next login is due by the rhythm of retries. */
uint64_t policy_retry_boot_usec(const struct database *database);
/* The next check of TARGET, from what is known now. A due time in the past means at once. */
struct plan policy_next(const struct database *database);
/* The next ping alone: what goes on while another check that is due has to wait. */
struct plan policy_next_ping(const struct database *database);
