#include "probe/guard.h"

#include "base/clock.h"

#define GUARD_OUTSIDE UINT64_C(0)
#define GUARD_ABANDONED UINT64_MAX

void guard_enter(struct guard *guard, void *subject, bool may_compute) {
        guard->subject = subject;
        atomic_store_explicit(&guard->cpu_usec, may_compute ? clock_thread_cpu_usec() : UINT64_MAX, memory_order_relaxed);
        /* Releases everything that was written so far to who may abandon us in this call. */
        atomic_store_explicit(&guard->word, clock_monotonic_usec(), memory_order_release);
}

bool guard_leave(struct guard *guard) {
        uint64_t expected = atomic_load_explicit(&guard->word, memory_order_relaxed);

        /* Only we move the word between two entries, so one try is enough: it fails for no other reason than having been abandoned. */
        return expected != GUARD_ABANDONED &&
               atomic_compare_exchange_strong_explicit(&guard->word, &expected, GUARD_OUTSIDE, memory_order_acq_rel, memory_order_acquire);
}

uint64_t guard_busy_usec(const struct guard *guard, uint64_t now_usec) {
        uint64_t since = atomic_load_explicit(&guard->word, memory_order_relaxed);

        if (since == GUARD_OUTSIDE || since == GUARD_ABANDONED)
                return 0;
        return usec_sub(now_usec, since);
}

uint64_t guard_computed_usec(const struct guard *guard, uint64_t cpu_usec) {
        return usec_sub(cpu_usec, atomic_load_explicit(&guard->cpu_usec, memory_order_relaxed));
}

bool guard_abandon(struct guard *guard, uint64_t now_usec, uint64_t longer_than_usec, void **ret_subject) {
        uint64_t since = atomic_load_explicit(&guard->word, memory_order_relaxed);

        if (since == GUARD_OUTSIDE || since == GUARD_ABANDONED || usec_sub(now_usec, since) < longer_than_usec)
                return false;
        /* Two calls never begin in the same microsecond when the first lasts LONGER_THAN, so the same word is the same call. */
        if (!atomic_compare_exchange_strong_explicit(&guard->word, &since, GUARD_ABANDONED, memory_order_acq_rel, memory_order_acquire))
                return false;
        *ret_subject = guard->subject;
        return true;
}
