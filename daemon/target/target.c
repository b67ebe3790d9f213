#include "target/target.h"

#include "base/backoff.h"
#include "base/macro.h"
#include "target/account.h"
#include "target/demand.h"
#include "target/verdict.h"
#include "target/wake.h"

#include <errno.h>

void target_plan_interval(struct target *t, enum check check) {
        const struct database_config *config = t->config;
        const uint64_t intervals[_CHECK_MAX] = {
                [CHECK_DOOR] = config->door_interval_usec,
                [CHECK_LOGIN] = config->login_interval_usec,
                [CHECK_PING] = config->ping_interval_usec,
        };

        t->jittered_interval_usec[check] = backoff_jitter(intervals[check], config->jitter_permille, &t->random);
}

int target_new(uint64_t id, const struct database_config *config, struct instant now, struct target **ret_target) {
        const char *host = conninfo_get(config->conninfo, "host");
        struct target *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        t->id = id;
        t->config = config;
        t->provider = provider_by_name(config->provider);
        if (!t->provider)
                t->provider = provider_by_host(host);
        t->policy = policy_choose(config->policy, t->provider);
        t->cut_signature = provider_cut_signature(t->provider, host);
        t->state = STATE_UNKNOWN;
        t->reason = REASON_NOT_CHECKED;
        t->since_real_usec = now.real_usec;
        t->since_boot_usec = now.boot_usec;
        t->random = id * UINT64_C(0x9e3779b97f4a7c15) ^ now.real_usec;
        t->slow_due_boot_usec = USEC_INFINITY;
        for (unsigned check = 0; check < _CHECK_MAX; check++)
                target_plan_interval(t, (enum check)check);
        t->retry_delay_usec = config->retry_interval_usec;
        t->counted_boot_usec = t->asking_since_boot_usec = now.boot_usec;
        if (config->wake_at_start && t->policy == POLICY_IS_ON_DEMAND)
                demand_start(t, now);
        *ret_target = t;
        return 0;
}

struct target *target_free(struct target *t) {
        if (!t)
                return NULL;
        free(t->detail);
        free(t->wake_latency);
        free(t);
        return NULL;
}

void target_reconfigure(struct target *t, const struct database_config *config) {
        t->config = config;
}

void target_begin(struct target *t, enum check check, uint64_t attempt_id, struct instant now) {
        t->in_flight = true;
        t->in_flight_check = check;
        t->in_flight_id = attempt_id;
        t->in_flight_boot_usec = now.boot_usec;
        t->check_at_once = false; /* this is it; what changes from here on asks for the next */
        t->slow_look_was_early = false;
        t->slow_due_boot_usec = check == CHECK_LOGIN ? usec_add(now.boot_usec, t->config->slow_usec) : USEC_INFINITY;
}

void target_cancel(struct target *t, enum check check, struct instant now) {
        t->in_flight = false;
        t->in_flight_boot_usec = 0;
        t->check_at_once = false;
        t->finished_boot_usec[check] = now.boot_usec;
}

void target_session_dropped(struct target *t) {
        t->session_held = false;
        t->cut_looked_like_suspend = false;
}

bool target_is_slow(const struct target *t, struct instant now) {
        return t->in_flight && t->slow_due_boot_usec <= now.boot_usec;
}

static uint64_t wake_deadline(const struct target *t) {
        return t->waking ? usec_add(t->wake_began_boot_usec, t->config->wake_timeout_usec) : USEC_INFINITY;
}

static uint64_t expiry(const struct target *t) {
        return t->fresh_until_boot_usec ? t->fresh_until_boot_usec : USEC_INFINITY;
}

/* Who asked for the wake is gone, and so nobody asks how it goes. One that a door saw is somebody else's. */
static bool wakes_for_nobody(const struct target *t) {
        return t->waking && !t->in_flight && !t->paused_until_boot_usec && !policy_asks(t) && t->attempted &&
               t->last_attempt.check == CHECK_LOGIN;
}

uint64_t target_due(const struct target *t) {
        uint64_t due = MIN(MIN(expiry(t), wake_deadline(t)), account_due(t));

        if (t->paused_until_boot_usec)
                return MIN(due, t->paused_until_boot_usec);
        if (wakes_for_nobody(t))
                return 0;
        due = MIN(due, demand_due(t));
        return t->in_flight ? MIN(due, t->slow_due_boot_usec) : due;
}

/* What ended while nobody looked is no demand any more: it must not wake anybody. */
static void lapse_if_over(struct target *t, struct instant now) {
        if (demand_due(t) <= now.boot_usec)
                demand_lapse(t, now);
}

void target_tick(struct target *t, struct instant now, struct edges *edges) {
        if (t->paused_until_boot_usec && t->paused_until_boot_usec <= now.boot_usec)
                target_pause(t, 0, now, edges);
        lapse_if_over(t, now);
        if (wake_deadline(t) <= now.boot_usec) {
                verdict_step(t, MACHINE_WAKE_TIMEOUT, (struct evidence_brought){.reason = REASON_WAKE_TIMEOUT}, now, edges);
                wake_fail(t);
        }
        if (wakes_for_nobody(t)) {
                verdict_step(t, MACHINE_EXPIRED, (struct evidence_brought){.reason = REASON_STALE}, now, edges);
                wake_fail(t);
        }
        if (expiry(t) <= now.boot_usec) {
                t->fresh_until_boot_usec = 0;
                verdict_step(t, MACHINE_EXPIRED, (struct evidence_brought){.reason = REASON_STALE}, now, edges);
        }
        account_settle(t, now);
        account_check_budget(t, now, edges);
}

void target_host_suspended(struct target *t, struct instant now, struct edges *edges) {
        if (t->paused_until_boot_usec)
                return;
        account_interrupt(t, now);
        lapse_if_over(t, now);
        t->fresh_until_boot_usec = 0;
        t->check_at_once = true;
        t->cut_looked_like_suspend = false;
        if (t->in_flight) {
                /* The time that the host slept is not the database's: it was not slow. */
                t->in_flight_boot_usec = now.boot_usec;
                if (t->slow_due_boot_usec != USEC_INFINITY)
                        t->slow_due_boot_usec = usec_add(now.boot_usec, t->config->slow_usec);
        }
        verdict_step(t, MACHINE_EXPIRED, (struct evidence_brought){.reason = REASON_STALE}, now, edges);
}

void target_pause(struct target *t, uint64_t for_usec, struct instant now, struct edges *edges) {
        if (for_usec == 0) {
                if (!t->paused_until_boot_usec)
                        return;
                t->paused_until_boot_usec = t->paused_until_real_usec = 0;
                lapse_if_over(t, now);
                t->check_at_once = true;
                verdict_step(t, MACHINE_RESUMED, (struct evidence_brought){.reason = REASON_STALE}, now, edges);
                return;
        }
        t->paused_until_boot_usec = usec_add(now.boot_usec, for_usec);
        t->paused_until_real_usec = usec_add(now.real_usec, for_usec);
        t->in_flight = false;
        t->in_flight_boot_usec = 0;
        t->session_held = false;
        t->cut_looked_like_suspend = false;
        t->failures_in_row = t->unanswered_in_row = t->successes_in_row = 0;
        verdict_step(t, MACHINE_PAUSED, (struct evidence_brought){.reason = REASON_PAUSED}, now, edges);
        account_settle(t, now);
}

bool target_ready(const struct target *t) {
        return t->state == STATE_AWAKE;
}

/*
 * Nobody needs it, and there is no check that would not wake it (a provider whose door wakes, or no door_interval): whether it sleeps is never
 * seen, and nothing speaks against it.
 */
static bool rests_unseen(const struct target *t) {
        return (t->reason == REASON_STALE || t->reason == REASON_NOT_CHECKED) && t->policy == POLICY_IS_ON_DEMAND && !t->budget_spent &&
               (!t->attempted || t->judged == REASON_NONE) && !t->login_must_clear && !t->in_flight &&
               policy_next(t).due_boot_usec == USEC_INFINITY;
}

bool target_ready_or_asleep(const struct target *t) {
        bool good_door = t->attempted && t->last_attempt.check == CHECK_DOOR && t->last_attempt.reason == REASON_NONE;

        if (t->paused_until_boot_usec)
                return false;
        return t->state == STATE_AWAKE || t->state == STATE_ASLEEP || t->state == STATE_WAKING ||
               (t->state == STATE_UNKNOWN && (good_door || rests_unseen(t)));
}

/* When it is probably answered, of one that is under way since ELAPSED: by its own wakes, or by what is usual for its provider. */
static uint64_t expected_usec(const struct target *t, uint64_t elapsed_usec) {
        static const unsigned permilles[] = {500, 950, 990};

        /* The median; for one that is later than most, what most of the late ones needed. */
        for (size_t i = 0; t->wake_latency && i < ARRAY_LENGTH(permilles); i++) {
                uint64_t quantile = histogram_quantile(t->wake_latency, permilles[i]);

                if (quantile > elapsed_usec)
                        return quantile - elapsed_usec;
        }
        if (!t->wake_latency && t->provider->usual_wake_usec > elapsed_usec)
                return t->provider->usual_wake_usec - elapsed_usec;
        return USEC_INFINITY;
}

uint64_t target_expected_ready_usec(const struct target *t, struct instant now) {
        bool under_way = t->waking || (t->in_flight && t->in_flight_check == CHECK_LOGIN);
        uint64_t elapsed = usec_sub(now.boot_usec, t->waking ? t->wake_began_boot_usec : t->in_flight_boot_usec), expected;

        if (t->state == STATE_AWAKE)
                return 0;
        if (!under_way)
                return USEC_INFINITY;
        expected = expected_usec(t, elapsed);
        /* Later than all that are known: probably as long again as it took so far, and not past the time at which it is given up. */
        if (expected == USEC_INFINITY && t->waking)
                expected = MIN(elapsed, usec_sub(wake_deadline(t), now.boot_usec));
        return expected;
}
