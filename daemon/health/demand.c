#include "health/demand.h"

#include "base/macro.h"
#include "health/account.h"
#include "health/verdict.h"

#include <assert.h>

bool database_has_demand(const struct database *d) {
        return d->n_leases > 0 || d->demand_until_boot_usec != 0;
}

uint64_t demand_due(const struct database *d) {
        return d->demand_until_boot_usec ? d->demand_until_boot_usec : USEC_INFINITY;
}

enum wake_cause demand_wake_cause(const struct database *d) {
        if (d->n_leases > 0)
                return WAKE_LEASE;
        if (d->demand_until_boot_usec)
                return d->demand_cause;
        return d->asked_boot_usec ? WAKE_INTERVAL : WAKE_START;
}

void demand_begin(struct database *d, struct instant now) {
        if (policy_asks(d))
                return;
        d->asking_since_boot_usec = now.boot_usec;
}

void demand_lapse(struct database *d) {
        d->demand_until_boot_usec = 0;
}

static void demand_until(struct database *d, enum wake_cause cause, uint64_t until_boot_usec, struct instant now) {
        demand_begin(d, now);
        if (until_boot_usec > d->demand_until_boot_usec)
                d->demand_cause = cause;
        d->demand_until_boot_usec = MAX(d->demand_until_boot_usec, until_boot_usec);
}

/* Until it is awake; from then on `linger` (judge.c). A wake that never ends is no demand for ever. */
static uint64_t wake_end_boot_usec(const struct database *d, struct instant now) {
        return usec_add(now.boot_usec, usec_add(d->config->wake_timeout_usec, d->config->linger_usec));
}

void demand_start(struct database *d, struct instant now) {
        if (d->config->wake_at_start && d->policy == POLICY_IS_ON_DEMAND)
                demand_until(d, WAKE_START, wake_end_boot_usec(d, now), now);
}

void demand_presume(struct database *d, uint64_t for_usec, struct instant now) {
        if (for_usec == 0)
                return;
        d->presumed_until_boot_usec = usec_add(now.boot_usec, for_usec);
        demand_until(d, WAKE_LEASE, d->presumed_until_boot_usec, now);
}

/* A door check under way wakes nothing, and answers nobody. */
static bool is_asking(const struct database *d) {
        return d->in_flight && d->in_flight_check != CHECK_DOOR;
}

/* Somebody asks: why it cannot be, or REASON_NONE. Who is blocked is asked again in its own rhythm, and in no other. */
static enum reason refusal(const struct database *d, struct instant now) {
        if (d->paused_until_boot_usec)
                return REASON_PAUSED;
        if (d->budget_spent)
                return REASON_BUDGET_SPENT;
        if (d->state == STATE_BLOCKED && !is_asking(d) && policy_retry_boot_usec(d) > now.boot_usec)
                return d->reason;
        return REASON_NONE;
}

/* A caller does not wait for the rhythm of retries. */
static void ask_at_once(struct database *d, struct instant now) {
        if (!is_asking(d) && d->state != STATE_AWAKE && !d->wanted_boot_usec)
                d->wanted_boot_usec = now.boot_usec;
}

enum reason demand_wake(struct database *d, enum wake_cause cause, struct instant now) {
        enum reason refused = refusal(d, now);

        if (refused != REASON_NONE)
                return refused;
        demand_until(d, cause, d->state == STATE_AWAKE ? usec_add(now.boot_usec, d->config->linger_usec) : wake_end_boot_usec(d, now), now);
        ask_at_once(d, now);
        return REASON_NONE;
}

void demand_lease_again(struct database *d, struct instant now) {
        demand_begin(d, now);
        d->n_leases++;
        ask_at_once(d, now);
}

enum reason demand_lease(struct database *d, struct instant now) {
        enum reason refused = refusal(d, now);

        if (refused == REASON_NONE)
                demand_lease_again(d, now);
        return refused;
}

void demand_lease_end(struct database *d, uint64_t ago_usec, struct instant now) {
        assert(d->n_leases > 0);
        /* Who waited for it and went leaves no demand behind but the linger, which goes on from the lease, whichever of several is told first. */
        if (!d->budget_spent && d->config->linger_usec > ago_usec)
                demand_until(d, WAKE_LEASE, usec_add(now.boot_usec, d->config->linger_usec - ago_usec), now);
        d->n_leases--;
}
