#include "health/policy.h"

#include "base/backoff.h"
#include "base/macro.h"
#include "health/target.h"

const char *policy_name(enum policy policy) {
        switch (policy) {
        case POLICY_IS_KEEP_AWAKE:
                return "keep-awake";
        case POLICY_IS_ON_DEMAND:
                return "on-demand";
        case POLICY_IS_OBSERVE:
                return "observe";
        }
        return NULL;
}

enum policy policy_choose(enum policy_choice choice, const struct provider *provider) {
        switch (choice) {
        case POLICY_KEEP_AWAKE:
                return POLICY_IS_KEEP_AWAKE;
        case POLICY_ON_DEMAND:
                return POLICY_IS_ON_DEMAND;
        case POLICY_OBSERVE:
                return POLICY_IS_OBSERVE;
        case POLICY_AUTO:
                break;
        }
        /* Waking costs money only where sleeping saves some. */
        return provider->suspends ? POLICY_IS_ON_DEMAND : POLICY_IS_KEEP_AWAKE;
}

bool policy_asks(const struct target *t) {
        return !t->budget_spent && (t->policy == POLICY_IS_KEEP_AWAKE || target_has_demand(t));
}

bool policy_was_throttled(const struct target *t) {
        return reason_class(t->last_attempt.reason) == CLASS_THROTTLED;
}

static const struct plan nothing = {.check = CHECK_LOGIN, .due_boot_usec = USEC_INFINITY};

static struct plan check_after(const struct target *t, enum check check, uint64_t delay_usec) {
        uint64_t last = t->finished_boot_usec[check];

        return (struct plan){.check = check, .due_boot_usec = last ? usec_add(last, delay_usec) : 0};
}

/*
 * A retry counts from the last login or ping: a failed ping is followed by a login after the same delay. A door counts where it was
 * throttled, for that is about all that we ask.
 */
uint64_t policy_retry_boot_usec(const struct target *t) {
        uint64_t last = MAX(t->finished_boot_usec[CHECK_LOGIN], t->finished_boot_usec[CHECK_PING]);

        if (policy_was_throttled(t))
                last = MAX(last, t->finished_boot_usec[CHECK_DOOR]);
        return last ? usec_add(last, t->retry_delay_usec) : 0;
}

static struct plan retry_login(const struct target *t) {
        return (struct plan){.check = CHECK_LOGIN, .due_boot_usec = policy_retry_boot_usec(t)};
}

static struct plan earlier(struct plan a, struct plan b) {
        return b.due_boot_usec < a.due_boot_usec ? b : a;
}

static struct plan plan_ping(const struct target *t) {
        uint64_t last = MAX(t->session_query_boot_usec, t->finished_boot_usec[CHECK_PING]);

        if (!t->session_held)
                return nothing;
        return (struct plan){.check = CHECK_PING, .due_boot_usec = usec_add(last, t->jittered_interval_usec[CHECK_PING])};
}

/* It answers: pings on the session, and now and then a fresh login, which alone sees what new connections will meet. */
static struct plan plan_while_awake(const struct target *t) {
        return earlier(check_after(t, CHECK_LOGIN, t->jittered_interval_usec[CHECK_LOGIN]), plan_ping(t));
}

/* What is wanted at once, whatever its rhythm. Who was throttled keeps to the delay all the same. */
static struct plan plan_wanted(const struct target *t, enum check check) {
        return (struct plan){check, policy_was_throttled(t) ? MAX(t->wanted_boot_usec, policy_retry_boot_usec(t)) : t->wanted_boot_usec};
}

static struct plan plan_login(const struct target *t) {
        if (t->wanted_boot_usec)
                return plan_wanted(t, CHECK_LOGIN);
        switch (t->state) {
        case STATE_AWAKE:
                return findings_needs_login(&t->findings) ? retry_login(t) : plan_while_awake(t);
        case STATE_DEGRADED:
                return plan_while_awake(t);
        case STATE_UNKNOWN:
        case STATE_ASLEEP:
        case STATE_WAKING:
        case STATE_FULL:
        case STATE_DOWN:
        case STATE_BLOCKED:
        case _STATE_MAX:
                break;
        }
        return retry_login(t);
}

/* Nobody needs it: the session, if there is one, is the sentinel and costs nothing; without one the door tells asleep from unreachable. */
static struct plan plan_door(const struct target *t) {
        enum reason last = t->last_attempt.reason;
        uint64_t interval = t->jittered_interval_usec[CHECK_DOOR];
        struct plan plan;

        if (t->session_held || t->findings.door_lets_in || !t->provider->door_is_free || t->config->door_interval_usec == 0)
                return nothing;
        if (t->wanted_boot_usec)
                return plan_wanted(t, CHECK_DOOR);
        plan = check_after(t, CHECK_DOOR, last == REASON_NONE ? interval : MIN(t->retry_delay_usec, interval));
        if (policy_was_throttled(t))
                plan.due_boot_usec = MAX(policy_retry_boot_usec(t), check_after(t, CHECK_DOOR, interval).due_boot_usec);
        return plan;
}

struct plan policy_next(const struct target *t) {
        if (t->in_flight || t->paused_until_boot_usec)
                return nothing;
        return policy_asks(t) ? plan_login(t) : plan_door(t);
}

struct plan policy_next_ping(const struct target *t) {
        bool answers = (t->state == STATE_AWAKE && !findings_needs_login(&t->findings)) || t->state == STATE_DEGRADED;

        if (t->in_flight || t->paused_until_boot_usec || !answers || !policy_asks(t))
                return nothing;
        return plan_ping(t);
}
