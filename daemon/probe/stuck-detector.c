#include "probe/stuck-detector.h"

#include "base/clock.h"

#define STUCK_DETECTOR_OUTSIDE UINT64_C(0)
#define STUCK_DETECTOR_DETACHED UINT64_MAX

void stuck_detector_enter(struct stuck_detector *detector, void *slot, bool may_compute) {
        detector->slot = slot;
        atomic_store_explicit(&detector->cpu_usec, may_compute ? clock_thread_cpu_usec() : UINT64_MAX, memory_order_relaxed);
        /* Releases everything written so far to the thread that may detach this one. */
        atomic_store_explicit(&detector->word, clock_monotonic_usec(), memory_order_release);
}

bool stuck_detector_leave(struct stuck_detector *detector) {
        uint64_t expected = atomic_load_explicit(&detector->word, memory_order_relaxed);

        /* Only this thread changes the word between two entries, so one try is enough: it fails only if the thread was detached. */
        return expected != STUCK_DETECTOR_DETACHED &&
               atomic_compare_exchange_strong_explicit(&detector->word, &expected, STUCK_DETECTOR_OUTSIDE, memory_order_acq_rel, memory_order_acquire);
}

uint64_t stuck_detector_busy_usec(const struct stuck_detector *detector, uint64_t now_usec) {
        uint64_t since = atomic_load_explicit(&detector->word, memory_order_relaxed);

        if (since == STUCK_DETECTOR_OUTSIDE || since == STUCK_DETECTOR_DETACHED)
                return 0;
        return usec_sub(now_usec, since);
}

uint64_t stuck_detector_computed_usec(const struct stuck_detector *detector, uint64_t cpu_usec) {
        return usec_sub(cpu_usec, atomic_load_explicit(&detector->cpu_usec, memory_order_relaxed));
}

bool stuck_detector_detach(struct stuck_detector *detector, uint64_t now_usec, uint64_t longer_than_usec, void **ret_slot) {
        uint64_t since = atomic_load_explicit(&detector->word, memory_order_relaxed);

        if (since == STUCK_DETECTOR_OUTSIDE || since == STUCK_DETECTOR_DETACHED || usec_sub(now_usec, since) < longer_than_usec)
                return false;
        /* A call that lasts LONGER_THAN cannot begin in the same microsecond as another: an equal word is the same call. */
        if (!atomic_compare_exchange_strong_explicit(&detector->word, &since, STUCK_DETECTOR_DETACHED, memory_order_acq_rel, memory_order_acquire))
                return false;
        *ret_slot = detector->slot;
        return true;
}
