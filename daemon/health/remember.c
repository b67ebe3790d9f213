/* What of a target outlives the daemon: into a plain value, and back. */
#include "health/account.h"

#include "base/macro.h"

void target_remember(const struct target *t, struct instant now, struct memory *ret_memory) {
        *ret_memory = (struct memory){
                .saved_real_usec = now.real_usec,
                .held = t->n_leases > 0,
                .state = t->state,
                .reason = t->reason,
                .since_real_usec = t->since_real_usec,
                .generation = t->generation,
                .server_started_real_usec = t->server_started_real_usec,
                .last_success_real_usec = t->last_success_real_usec,
                .paused_until_real_usec = target_paused_until_real(t, now),
                .last_wake = t->last_wake,
                .account = target_account(t, now),
        };
        memcpy(ret_memory->attempts, t->attempts, sizeof(t->attempts));
        memcpy(ret_memory->wakes_by_cause, t->wakes_by_cause, sizeof(t->wakes_by_cause));
        for (unsigned reason = 0; reason < _REASON_MAX; reason++)
                ret_memory->failures_by_reason[reason] = t->failures_by_reason[reason];
        if (t->wake_latency)
                ret_memory->wake_latency = *t->wake_latency;
}

static void restore_wakes(struct target *t, const struct memory *memory) {
        memcpy(t->wakes_by_cause, memory->wakes_by_cause, sizeof(t->wakes_by_cause));
        t->wakes = 0;
        for (unsigned cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                t->wakes += t->wakes_by_cause[cause];
        t->last_wake = memory->last_wake;
        if (memory->wake_latency.count == 0)
                return;
        if (!t->wake_latency)
                t->wake_latency = malloc(sizeof(*t->wake_latency));
        /* Without memory the distribution begins anew; the counts do not. */
        if (t->wake_latency)
                *t->wake_latency = memory->wake_latency;
}

static void restore_counts(struct target *t, const struct memory *memory) {
        t->generation = memory->generation;
        t->server_started_real_usec = memory->server_started_real_usec;
        t->last_success_real_usec = memory->last_success_real_usec;
        memcpy(t->attempts, memory->attempts, sizeof(t->attempts));
        t->failures_total = 0;
        for (unsigned r = 0; r < _REASON_MAX; r++) {
                t->failures_by_reason[r] = memory->failures_by_reason[r];
                t->failures_total += t->failures_by_reason[r];
        }
        restore_wakes(t, memory);
}

void target_restore(struct target *t, const struct memory *memory, enum reason reason, struct instant now) {
        uint64_t pause = memory_pause_left(memory, now.real_usec);

        account_restore(t, &memory->account, memory->saved_real_usec, now);
        t->reason = t->budget_spent ? REASON_BUDGET_SPENT : reason;
        if (pause > 0) {
                t->paused_until_boot_usec = usec_add(now.boot_usec, pause);
                t->reason = REASON_PAUSED;
        }
        restore_counts(t, memory);
        t->blocked_before = memory->state == STATE_BLOCKED;
        t->woken_server_real_usec = t->server_started_real_usec;
}

void target_restore_late(struct target *t, const struct memory *before, struct instant now) {
        struct memory memory;

        target_remember(t, now, &memory);
        memory_add(&memory, before);
        t->account = memory.account;
        restore_counts(t, &memory);
        t->blocked_before = before->state == STATE_BLOCKED && t->findings.last[FOUND_BY_LOGIN].boot_usec == 0;
        if (t->woken_server_real_usec == 0)
                t->woken_server_real_usec = before->server_started_real_usec;
}
