#include "health/demand.h"

#include "base/macro.h"
#include "health/account.h"
#include "health/verdict.h"

#include <assert.h>

bool target_has_demand(const struct target *t) {
        return t->n_leases > 0 || t->demand_until_boot_usec != 0;
}

uint64_t demand_due(const struct target *t) {
        return t->demand_until_boot_usec ? t->demand_until_boot_usec : USEC_INFINITY;
}

enum wake_cause demand_wake_cause(const struct target *t) {
        if (t->n_leases > 0)
                return WAKE_LEASE;
        if (t->demand_until_boot_usec)
                return t->demand_cause;
        return t->asked_boot_usec ? WAKE_INTERVAL : WAKE_START;
}

void demand_begin(struct target *t, struct instant now) {
        if (policy_asks(t))
                return;
        t->asking_since_boot_usec = now.boot_usec;
}

void demand_lapse(struct target *t) {
        t->demand_until_boot_usec = 0;
}

static void demand_until(struct target *t, enum wake_cause cause, uint64_t until_boot_usec, struct instant now) {
        demand_begin(t, now);
        if (until_boot_usec > t->demand_until_boot_usec)
                t->demand_cause = cause;
        t->demand_until_boot_usec = MAX(t->demand_until_boot_usec, until_boot_usec);
}

/* Until it is awake; from then on `linger` (judge.c). A wake that never ends is no demand for ever. */
static uint64_t wake_end_boot_usec(const struct target *t, struct instant now) {
        return usec_add(now.boot_usec, usec_add(t->config->wake_timeout_usec, t->config->linger_usec));
}

void demand_start(struct target *t, struct instant now) {
        if (t->config->wake_at_start && t->policy == POLICY_IS_ON_DEMAND)
                demand_until(t, WAKE_START, wake_end_boot_usec(t, now), now);
}

void demand_presume(struct target *t, uint64_t for_usec, struct instant now) {
        if (for_usec == 0)
                return;
        t->presumed_until_boot_usec = usec_add(now.boot_usec, for_usec);
        demand_until(t, WAKE_LEASE, t->presumed_until_boot_usec, now);
}

/* A door check under way wakes nothing, and answers nobody. */
static bool is_asking(const struct target *t) {
        return t->in_flight && t->in_flight_check != CHECK_DOOR;
}

/* Somebody asks: why it cannot be, or REASON_NONE. Who is blocked is asked again in its own rhythm, and in no other. */
static enum reason refusal(const struct target *t, struct instant now) {
        if (t->paused_until_boot_usec)
                return REASON_PAUSED;
        if (t->budget_spent)
                return REASON_BUDGET_SPENT;
        if (t->state == STATE_BLOCKED && !is_asking(t) && policy_retry_boot_usec(t) > now.boot_usec)
                return t->reason;
        return REASON_NONE;
}

/* A caller does not wait for the rhythm of retries. */
static void ask_at_once(struct target *t, struct instant now) {
        if (!is_asking(t) && t->state != STATE_AWAKE && !t->wanted_boot_usec)
                t->wanted_boot_usec = now.boot_usec;
}

enum reason demand_wake(struct target *t, enum wake_cause cause, struct instant now) {
        enum reason refused = refusal(t, now);

        if (refused != REASON_NONE)
                return refused;
        demand_until(t, cause, t->state == STATE_AWAKE ? usec_add(now.boot_usec, t->config->linger_usec) : wake_end_boot_usec(t, now), now);
        ask_at_once(t, now);
        return REASON_NONE;
}

void demand_lease_again(struct target *t, struct instant now) {
        demand_begin(t, now);
        t->n_leases++;
        ask_at_once(t, now);
}

enum reason demand_lease(struct target *t, struct instant now) {
        enum reason refused = refusal(t, now);

        if (refused == REASON_NONE)
                demand_lease_again(t, now);
        return refused;
}

void demand_lease_end(struct target *t, uint64_t ago_usec, struct instant now) {
        assert(t->n_leases > 0);
        /* Who waited for it and went leaves no demand behind but the linger, which goes on from the lease, whichever of several is told first. */
        if (!t->budget_spent && t->config->linger_usec > ago_usec)
                demand_until(t, WAKE_LEASE, usec_add(now.boot_usec, t->config->linger_usec - ago_usec), now);
        t->n_leases--;
}
