#include "health/policy.h"

#include "base/macro.h"
#include "health/step.h"

#include <assert.h>

const char *policy_name(enum policy policy) {
        static const char *const names[] = {
                [POLICY_AUTO] = "auto",
                [POLICY_KEEP_AWAKE] = "keep-awake",
                [POLICY_ON_DEMAND] = "on-demand",
                [POLICY_OBSERVE] = "observe",
        };

        return names[policy];
}

enum policy policy_choose(enum policy choice, const struct provider *provider) {
        if (choice != POLICY_AUTO)
                return choice;
        /* Waking costs money only where sleeping saves some. */
        return provider->suspends ? POLICY_ON_DEMAND : POLICY_KEEP_AWAKE;
}

enum policy policy_of(const struct database *d) {
        return policy_choose(d->config->policy, d->provider);
}

bool policy_asks(const struct database *d) {
        return !d->budget_spent && (policy_of(d) == POLICY_KEEP_AWAKE || database_has_demand(d));
}

bool policy_was_throttled(const struct database *d) {
        return reason_class(d->last_attempt.reason) == CLASS_THROTTLED;
}

static const struct plan nothing = {.check = CHECK_LOGIN, .due_boot_usec = USEC_INFINITY};

/* A check that was never done is due at once. */
static uint64_t after(uint64_t last_boot_usec, uint64_t delay_usec) {
        return last_boot_usec ? usec_add(last_boot_usec, delay_usec) : 0;
}

/*
 * A retry counts from the last login or ping: a failed ping is followed by a login after the same delay. While we are throttled, door
 * checks count too.
 */
uint64_t policy_retry_boot_usec(const struct database *d) {
        uint64_t last = MAX(d->checks[CHECK_LOGIN].finished_boot_usec, d->checks[CHECK_PING].finished_boot_usec);

        if (policy_was_throttled(d))
                last = MAX(last, d->checks[CHECK_DOOR].finished_boot_usec);
        return after(last, d->retry_delay_usec);
}

static struct plan plan_ping(const struct database *d) {
        uint64_t last = MAX(d->asked_boot_usec, d->checks[CHECK_PING].finished_boot_usec);

        if (!d->session_held)
                return nothing;
        return (struct plan){CHECK_PING, usec_add(last, d->checks[CHECK_PING].interval_usec)};
}

/* Queries are answered, and no login found otherwise. */
static bool is_well(const struct database *d) {
        return d->state == STATE_DEGRADED || (d->state == STATE_AWAKE && !evidence_needs_login(&d->evidence));
}

/* A check that is due at once, whatever its schedule. Throttling still delays it. */
static struct plan plan_wanted(const struct database *d, enum check check) {
        return (struct plan){check, policy_was_throttled(d) ? MAX(d->wanted_boot_usec, policy_retry_boot_usec(d)) : d->wanted_boot_usec};
}

static struct plan plan_login(const struct database *d) {
        struct plan ping = plan_ping(d), login = {CHECK_LOGIN, policy_retry_boot_usec(d)};

        if (d->wanted_boot_usec)
                return plan_wanted(d, CHECK_LOGIN);
        if (!is_well(d))
                return login;
        /* Pings on the session, and at longer intervals a login: only a new connection shows what other new connections will meet. */
        login.due_boot_usec = after(d->checks[CHECK_LOGIN].finished_boot_usec, d->checks[CHECK_LOGIN].interval_usec);
        return ping.due_boot_usec < login.due_boot_usec ? ping : login;
}

/* Without demand, a held session is the sentinel and costs nothing. Without a session, the door tells asleep from unreachable. */
static struct plan plan_door(const struct database *d) {
        uint64_t last = d->checks[CHECK_DOOR].finished_boot_usec, interval = d->checks[CHECK_DOOR].interval_usec;

        if (d->session_held || d->evidence.door_lets_in || !d->provider->door_is_free || d->config->door_interval_usec == 0)
                return nothing;
        if (d->wanted_boot_usec)
                return plan_wanted(d, CHECK_DOOR);
        if (policy_was_throttled(d))
                return (struct plan){CHECK_DOOR, MAX(policy_retry_boot_usec(d), after(last, interval))};
        return (struct plan){CHECK_DOOR, after(last, d->last_attempt.reason == REASON_NONE ? interval : MIN(d->retry_delay_usec, interval))};
}

struct plan policy_next(const struct database *d) {
        if (d->in_flight.id || d->paused_until_boot_usec)
                return nothing;
        return policy_asks(d) ? plan_login(d) : plan_door(d);
}

struct plan policy_next_ping(const struct database *d) {
        if (d->in_flight.id || d->paused_until_boot_usec || !is_well(d) || !policy_asks(d))
                return nothing;
        return plan_ping(d);
}

/* -- demand ---------------------------------------------------------------------------------------------------------------------------- */

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

static void demand_until(struct database *d, enum wake_cause cause, uint64_t until_boot_usec) {
        if (until_boot_usec > d->demand_until_boot_usec)
                d->demand_cause = cause;
        d->demand_until_boot_usec = MAX(d->demand_until_boot_usec, until_boot_usec);
}

/*
 * A wake call is demand until the database is awake, and for `linger` from then on (evaluate.c). wake_timeout bounds it if the wake never
 * ends.
 */
static uint64_t wake_end_boot_usec(const struct database *d, struct instant now) {
        return usec_add(now.boot_usec, usec_add(d->config->wake_timeout_usec, d->config->linger_usec));
}

/* A door check in flight wakes nothing and gives no caller an answer. */
static bool is_asking(const struct database *d) {
        return d->in_flight.id && d->in_flight.check != CHECK_DOOR;
}

/* Why demand is refused, or REASON_NONE. A blocked database is retried on its own schedule only. */
static enum reason refusal(const struct database *d, struct instant now) {
        if (d->paused_until_boot_usec)
                return REASON_PAUSED;
        if (d->budget_spent)
                return REASON_BUDGET_SPENT;
        if (d->state == STATE_BLOCKED && !is_asking(d) && policy_retry_boot_usec(d) > now.boot_usec)
                return d->reason;
        return REASON_NONE;
}

/* A caller does not wait for the retry schedule. */
static void ask_at_once(struct database *d, struct instant now) {
        if (!is_asking(d) && d->state != STATE_AWAKE && !d->wanted_boot_usec)
                d->wanted_boot_usec = now.boot_usec;
}

void demand_start(struct database *d, const struct input *input, struct instant now, struct step *step) {
        (void)input;
        (void)step;
        if (policy_of(d) == POLICY_ON_DEMAND && d->config->wake_at_start)
                demand_until(d, WAKE_START, wake_end_boot_usec(d, now));
        if (policy_asks(d))
                ask_at_once(d, now);
}

void demand_presume(struct database *d, const struct input *input, struct instant now, struct step *step) {
        (void)step;
        if (input->for_usec == 0)
                return;
        d->presumed_until_boot_usec = usec_add(now.boot_usec, input->for_usec);
        demand_until(d, WAKE_LEASE, d->presumed_until_boot_usec);
        ask_at_once(d, now);
}

void demand_wake(struct database *d, const struct input *input, struct instant now, struct step *step) {
        bool awake = d->state == STATE_AWAKE;

        step->refusal = refusal(d, now);
        if (step->refusal != REASON_NONE)
                return;
        demand_until(d, input->cause, awake ? usec_add(now.boot_usec, d->config->linger_usec) : wake_end_boot_usec(d, now));
        ask_at_once(d, now);
}

void demand_lease_again(struct database *d, const struct input *input, struct instant now, struct step *step) {
        (void)input;
        (void)step;
        d->n_leases++;
        ask_at_once(d, now);
}

void demand_lease(struct database *d, const struct input *input, struct instant now, struct step *step) {
        step->refusal = refusal(d, now);
        if (step->refusal == REASON_NONE)
                demand_lease_again(d, input, now, step);
}

void demand_lease_end(struct database *d, const struct input *input, struct instant now, struct step *step) {
        (void)step;
        assert(d->n_leases > 0);
        /* The lease leaves only `linger` as demand. It counts from the lease's own end, in whichever order several ends are reported. */
        if (!d->budget_spent && d->config->linger_usec > input->for_usec)
                demand_until(d, WAKE_LEASE, usec_add(now.boot_usec, d->config->linger_usec - input->for_usec));
        d->n_leases--;
}
