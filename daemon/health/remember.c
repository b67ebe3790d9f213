/* What of a database outlives the daemon: into a plain value, and back. */
#include "health/account.h"

#include "base/macro.h"

void database_remember(const struct database *d, struct instant now, struct memory *ret_memory) {
        *ret_memory = (struct memory){
                .saved_real_usec = now.real_usec,
                .held = d->n_leases > 0,
                .state = d->state,
                .reason = d->reason,
                .since_real_usec = d->since_real_usec,
                .generation = d->generation,
                .server_started_real_usec = d->server_started_real_usec,
                .last_success_real_usec = d->last_success_real_usec,
                .paused_until_real_usec = database_paused_until_real(d, now),
                .last_wake = d->last_wake,
                .account = database_account(d, now),
        };
        memcpy(ret_memory->attempts, d->attempts, sizeof(d->attempts));
        memcpy(ret_memory->wakes_by_cause, d->wakes_by_cause, sizeof(d->wakes_by_cause));
        for (unsigned reason = 0; reason < _REASON_MAX; reason++)
                ret_memory->failures_by_reason[reason] = d->failures_by_reason[reason];
        if (d->wake_latency)
                ret_memory->wake_latency = *d->wake_latency;
}

static void restore_wakes(struct database *d, const struct memory *memory) {
        memcpy(d->wakes_by_cause, memory->wakes_by_cause, sizeof(d->wakes_by_cause));
        d->wakes = 0;
        for (unsigned cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                d->wakes += d->wakes_by_cause[cause];
        d->last_wake = memory->last_wake;
        if (memory->wake_latency.count == 0)
                return;
        if (!d->wake_latency)
                d->wake_latency = malloc(sizeof(*d->wake_latency));
        /* Without memory the distribution begins anew; the counts do not. */
        if (d->wake_latency)
                *d->wake_latency = memory->wake_latency;
}

static void restore_counts(struct database *d, const struct memory *memory) {
        d->generation = memory->generation;
        d->server_started_real_usec = memory->server_started_real_usec;
        d->last_success_real_usec = memory->last_success_real_usec;
        memcpy(d->attempts, memory->attempts, sizeof(d->attempts));
        d->failures_total = 0;
        for (unsigned r = 0; r < _REASON_MAX; r++) {
                d->failures_by_reason[r] = memory->failures_by_reason[r];
                d->failures_total += d->failures_by_reason[r];
        }
        restore_wakes(d, memory);
}

void database_restore(struct database *d, const struct memory *memory, enum reason reason, struct instant now) {
        uint64_t pause = memory_pause_left(memory, now.real_usec);

        account_restore(d, &memory->account, memory->saved_real_usec, now);
        d->reason = d->budget_spent ? REASON_BUDGET_SPENT : reason;
        if (pause > 0) {
                d->paused_until_boot_usec = usec_add(now.boot_usec, pause);
                d->reason = REASON_PAUSED;
        }
        restore_counts(d, memory);
        d->blocked_before = memory->state == STATE_BLOCKED;
        d->woken_server_real_usec = d->server_started_real_usec;
}

void database_restore_late(struct database *d, const struct memory *before, struct instant now) {
        struct memory memory;

        database_remember(d, now, &memory);
        memory_add(&memory, before);
        d->account = memory.account;
        restore_counts(d, &memory);
        d->blocked_before = before->state == STATE_BLOCKED && d->findings.last[FOUND_BY_LOGIN].boot_usec == 0;
        if (d->woken_server_real_usec == 0)
                d->woken_server_real_usec = before->server_started_real_usec;
}
