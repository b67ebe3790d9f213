#include "health/database.h"

#include "base/macro.h"
#include "base/random.h"
#include "health/account.h"
#include "health/verdict.h"
#include "health/wake.h"

#include <errno.h>

void database_plan_interval(struct database *d, enum check check) {
        const struct database_config *config = d->config;
        const uint64_t intervals[_CHECK_MAX] = {
                [CHECK_DOOR] = config->door_interval_usec,
                [CHECK_LOGIN] = config->login_interval_usec,
                [CHECK_PING] = config->ping_interval_usec,
        };

        d->checks[check].interval_usec = backoff_jitter(intervals[check], config->jitter_permille, &d->random);
}

int database_new(uint64_t id, const struct database_config *config, struct instant now, struct database **ret_database) {
        struct database *d = calloc(1, sizeof(*d));

        if (!d)
                return -ENOMEM;
        d->id = id;
        d->config = config;
        TAILQ_INIT(&d->leases);
        d->provider = provider_by_name(config->provider);
        if (!d->provider)
                d->provider = provider_by_host(conninfo_get(config->conninfo, "host"));
        d->state = STATE_UNKNOWN;
        d->reason = REASON_NOT_CHECKED;
        d->since_real_usec = now.real_usec;
        d->since_boot_usec = now.boot_usec;
        d->random = id * UINT64_C(0x9e3779b97f4a7c15) ^ now.real_usec;
        for (unsigned check = 0; check < _CHECK_MAX; check++)
                database_plan_interval(d, (enum check)check);
        d->retry_delay_usec = config->retry_interval_usec;
        d->counted_boot_usec = d->asking_since_boot_usec = now.boot_usec;
        *ret_database = d;
        return 0;
}

struct database *database_free(struct database *d) {
        if (!d)
                return NULL;
        free(d->detail);
        free(d->wake_latency);
        free(d);
        return NULL;
}

void database_replace_config(struct database *d, const struct database_config *config) {
        d->config = config;
}

uint64_t database_suspend_after_usec(const struct database *d) {
        return d->config->suspend_after_usec ? d->config->suspend_after_usec : d->provider->suspend_after_usec;
}

uint64_t database_paused_until_real(const struct database *d, struct instant now) {
        return d->paused_until_boot_usec ? usec_add(now.real_usec, usec_sub(d->paused_until_boot_usec, now.boot_usec)) : 0;
}

uint64_t database_failures(const struct database *d) {
        uint64_t sum = 0;

        for (unsigned reason = 0; reason < _REASON_MAX; reason++)
                sum += d->counts.failures_by_reason[reason];
        return sum;
}

uint64_t database_wakes(const struct database *d) {
        uint64_t sum = 0;

        for (unsigned cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                sum += d->counts.wakes_by_cause[cause];
        return sum;
}

bool database_ready(const struct database *d) {
        return d->state == STATE_AWAKE;
}

/*
 * Whether it may be asleep unseen: there is no demand, no check could tell without waking it (the provider's door wakes or admits, or there
 * is no door_interval), and no evidence speaks against it.
 */
static bool rests_unseen(const struct database *d) {
        enum reason newest = evidence_newest(&d->evidence).reason;
        bool cut = reason_class(newest) == CLASS_CUT && d->provider->suspends; /* a suspend looks like this, and no check tells it apart */

        return policy_of(d) == POLICY_ON_DEMAND && !d->budget_spent && (newest == REASON_NONE || cut) && !evidence_needs_login(&d->evidence) &&
               !d->in_flight.id && policy_next(d).due_boot_usec == USEC_INFINITY;
}

bool database_ready_or_asleep(const struct database *d) {
        if (d->paused_until_boot_usec || d->blocked_before || evidence_blocked(&d->evidence) != REASON_NONE)
                return false;
        return d->state == STATE_AWAKE || d->state == STATE_ASLEEP || d->state == STATE_WAKING ||
               (d->state == STATE_UNKNOWN && !verdict_is_host_trouble(d->reason) && (evidence_good_door(&d->evidence) || rests_unseen(d)));
}

/* The expected rest of a wake or login that has run for ELAPSED: from the database's own wakes, or from the provider's usual one. */
static uint64_t expected_usec(const struct database *d, uint64_t elapsed_usec) {
        static const unsigned permilles[] = {500, 950, 990};

        /* The median; for one that is already later, a higher quantile. */
        for (size_t i = 0; d->wake_latency && i < ARRAY_LENGTH(permilles); i++) {
                uint64_t quantile = histogram_quantile(d->wake_latency, permilles[i]);

                if (quantile > elapsed_usec)
                        return quantile - elapsed_usec;
        }
        if (!d->wake_latency && d->provider->usual_wake_usec > elapsed_usec)
                return d->provider->usual_wake_usec - elapsed_usec;
        return USEC_INFINITY;
}

uint64_t database_expected_ready_usec(const struct database *d, struct instant now) {
        bool waking = d->state == STATE_WAKING, under_way = waking || (d->in_flight.id && d->in_flight.check == CHECK_LOGIN);
        uint64_t began = waking ? d->wake.began_boot_usec : 0;
        uint64_t elapsed = usec_sub(now.boot_usec, began ? began : d->in_flight.began_boot_usec), expected;

        if (d->state == STATE_AWAKE)
                return 0;
        if (!under_way)
                return USEC_INFINITY;
        expected = expected_usec(d, elapsed);
        /* Later than all known ones: expect as long again as it took so far, up to the timeout of the wake. */
        if (expected == USEC_INFINITY && waking)
                expected = MIN(elapsed, usec_sub(wake_deadline(d), now.boot_usec));
        return expected;
}

/* -- what of it outlives the daemon: into a plain value, and back ---------------------------------------------------------------------- */

void database_remember(const struct database *d, struct instant now, struct memory *ret_memory) {
        bool blocked = d->blocked_before || evidence_blocked(&d->evidence) != REASON_NONE;

        *ret_memory = (struct memory){
                .saved_real_usec = now.real_usec,
                .held = d->n_leases > d->n_timed_leases || d->presumed_until_boot_usec > now.boot_usec,
                .state = blocked ? STATE_BLOCKED : d->state,
                .reason = d->reason,
                .since_real_usec = d->since_real_usec,
                .paused_until_real_usec = database_paused_until_real(d, now),
                .counts = d->counts,
                .account = database_account(d, now),
        };
        if (d->wake_latency)
                ret_memory->wake_latency = *d->wake_latency;
}

static void restore_counts(struct database *d, const struct memory *memory) {
        d->counts = memory->counts;
        if (memory->wake_latency.count == 0)
                return;
        if (!d->wake_latency)
                d->wake_latency = malloc(sizeof(*d->wake_latency));
        /* If memory runs out, only the distribution starts anew. */
        if (d->wake_latency)
                *d->wake_latency = memory->wake_latency;
}

void database_restore(struct database *d, const struct memory *memory, enum reason reason, struct instant now) {
        uint64_t pause = memory_pause_left(memory, now.real_usec);

        account_restore(d, memory, now);
        d->reason = d->budget_spent ? REASON_BUDGET_SPENT : reason;
        if (pause > 0) {
                d->paused_until_boot_usec = usec_add(now.boot_usec, pause);
                d->reason = REASON_PAUSED;
        }
        restore_counts(d, memory);
        d->blocked_before = memory->state == STATE_BLOCKED;
        d->woken_server_real_usec = d->counts.server_started_real_usec;
}

void database_restore_late(struct database *d, const struct input *input, struct instant now, struct step *step) {
        const struct memory *before = input->memory;
        struct memory memory;

        (void)step;
        database_remember(d, now, &memory);
        memory_add(&memory, before);
        account_restore_late(d, &memory.account, before, now);
        restore_counts(d, &memory);
        d->blocked_before = before->state == STATE_BLOCKED && d->evidence.last[FOUND_BY_LOGIN].boot_usec == 0;
        /* The next answer judges a server that was left open. */
        if (d->woken_server_real_usec == 0 || d->woken_is_open)
                d->woken_server_real_usec = before->counts.server_started_real_usec;
        d->woken_is_open = false;
}
