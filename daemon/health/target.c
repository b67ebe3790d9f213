#include "health/target.h"

#include "base/backoff.h"
#include "base/macro.h"
#include "health/verdict.h"
#include "health/wake.h"

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

void target_replace_config(struct target *t, const struct database_config *config) {
        t->config = config;
}

uint64_t target_suspend_after_usec(const struct target *t) {
        return t->config->suspend_after_usec ? t->config->suspend_after_usec : t->provider->suspend_after_usec;
}

uint64_t target_paused_until_real(const struct target *t, struct instant now) {
        return t->paused_until_boot_usec ? usec_add(now.real_usec, usec_sub(t->paused_until_boot_usec, now.boot_usec)) : 0;
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
               findings_newest(&t->findings).reason == REASON_NONE && !findings_needs_login(&t->findings) && !t->in_flight &&
               policy_next(t).due_boot_usec == USEC_INFINITY;
}

bool target_ready_or_asleep(const struct target *t) {
        if (t->paused_until_boot_usec || t->blocked_before || findings_blocked(&t->findings) != REASON_NONE)
                return false;
        return t->state == STATE_AWAKE || t->state == STATE_ASLEEP || t->state == STATE_WAKING ||
               (t->state == STATE_UNKNOWN && (findings_good_door(&t->findings) || rests_unseen(t)));
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
        bool waking = t->state == STATE_WAKING, under_way = waking || (t->in_flight && t->in_flight_check == CHECK_LOGIN);
        uint64_t began = waking ? t->wake_began_boot_usec : 0;
        uint64_t elapsed = usec_sub(now.boot_usec, began ? began : t->in_flight_boot_usec), expected;

        if (t->state == STATE_AWAKE)
                return 0;
        if (!under_way)
                return USEC_INFINITY;
        expected = expected_usec(t, elapsed);
        /* Later than all that are known: probably as long again as it took so far, and not past the time at which it is given up. */
        if (expected == USEC_INFINITY && waking)
                expected = MIN(elapsed, usec_sub(wake_deadline(t), now.boot_usec));
        return expected;
}
