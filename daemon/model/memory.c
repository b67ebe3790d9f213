#include "model/memory.h"

#include "base/clock.h"
#include "base/macro.h"

#include <stddef.h>

/* The difference to allow between a server's clock and ours. */
#define CLOCKS_APART_USEC USEC_PER_MINUTE

bool memory_is_newer_start(uint64_t known_real_usec, uint64_t started_real_usec, uint64_t now_real_usec) {
        bool wrong = known_real_usec > usec_add(now_real_usec, CLOCKS_APART_USEC) && known_real_usec != started_real_usec;

        return known_real_usec < started_real_usec || wrong;
}

uint64_t memory_pause_left(const struct memory *memory, uint64_t now_real_usec) {
        /* If the clock was set back since, no more is left than when it was saved. */
        return MIN(usec_sub(memory->paused_until_real_usec, now_real_usec), usec_sub(memory->paused_until_real_usec, memory->saved_real_usec));
}

static void add_histogram(struct histogram *histogram, const struct histogram *before) {
        histogram->count += before->count;
        histogram->sum_usec += before->sum_usec;
        histogram->max_usec = MAX(histogram->max_usec, before->max_usec);
        for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
                histogram->buckets[i] = (uint32_t)MIN((uint64_t)histogram->buckets[i] + before->buckets[i], (uint64_t)UINT32_MAX);
}

static void add_account(struct account *account, const struct account *before) {
        /* Unless a later time was counted already, the time between the two is left to the uptime in the next answer. */
        if (account->awake_usec == 0 && before->counted_real_usec)
                account->counted_real_usec = before->counted_real_usec;
        account->awake_usec += before->awake_usec;
        account->ours_usec += before->ours_usec;
        if (before->month > account->month) {
                account->month = before->month;
                account->month_awake_usec = before->month_awake_usec;
        } else if (before->month == account->month)
                account->month_awake_usec += before->month_awake_usec;
}

static void add_server(struct memory *memory, const struct memory *before) {
        uint64_t known = before->counts.server_started_real_usec, met = memory->counts.server_started_real_usec;
        bool newer = met && memory_is_newer_start(known, met, memory->saved_real_usec);

        /* If the generation has grown since, that growth covers the newer start. */
        memory->counts.generation = before->counts.generation + MAX(memory->counts.generation, (uint64_t)(known && newer));
        if (!newer)
                memory->counts.server_started_real_usec = known;
}

void memory_add(struct memory *memory, const struct memory *before) {
        add_server(memory, before);
        if (memory->paused_until_real_usec == 0)
                memory->paused_until_real_usec = before->paused_until_real_usec;
        memory->counts.last_success_real_usec = MAX(memory->counts.last_success_real_usec, before->counts.last_success_real_usec);
        for (unsigned check = 0; check < _CHECK_MAX; check++)
                for (unsigned class = 0; class < _REASON_CLASS_MAX; class++)
                        memory->counts.attempts[check][class] += before->counts.attempts[check][class];
        for (unsigned reason = 0; reason < _REASON_MAX; reason++)
                memory->counts.failures_by_reason[reason] += before->counts.failures_by_reason[reason];
        for (unsigned cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                memory->counts.wakes_by_cause[cause] += before->counts.wakes_by_cause[cause];
        if (memory->counts.last_wake.at_real_usec == 0)
                memory->counts.last_wake = before->counts.last_wake;
        add_histogram(&memory->wake_latency, &before->wake_latency);
        add_account(&memory->account, &before->account);
}
