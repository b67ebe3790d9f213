/*
 * Tells whether a thread is inside a call that may not return, and lets another thread take over its work meanwhile.
 *
 * The state is one atomic word, so that exactly one side wins: the thread that leaves the call, or the one that detaches it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct stuck_detector {
        _Atomic uint64_t word;     /* 0: outside; STUCK_DETECTOR_DETACHED; or the time of entry, CLOCK_MONOTONIC usec */
        _Atomic uint64_t cpu_usec; /* CPU time of the thread at the entry, if requested; else UINT64_MAX */
        void *slot;             /* what the call works on: written before the entry, read by the detaching thread */
};

/* For the thread itself, around the call. MAY_COMPUTE: records its CPU time, which costs a system call. */
void stuck_detector_enter(struct stuck_detector *detector, void *slot, bool may_compute);
/*
 * Returns false if the thread was detached meanwhile: only the slot is its own then. The detaching thread sees what this one wrote before
 * it entered, and nothing that it writes now.
 */
bool stuck_detector_leave(struct stuck_detector *detector);

/* For other threads: how long the thread has been in its call, at NOW_USEC; 0: it is outside. */
uint64_t stuck_detector_busy_usec(const struct stuck_detector *detector, uint64_t now_usec);
/* How much of that it computed, if its CPU time is CPU_USEC now; 0: unknown. */
uint64_t stuck_detector_computed_usec(const struct stuck_detector *detector, uint64_t cpu_usec);
/*
 * Detaches the thread if it has been in the same call for at least LONGER_THAN_USEC. Returns true, and what it works on: everything else of
 * the thread belongs to the caller then.
 */
bool stuck_detector_detach(struct stuck_detector *detector, uint64_t now_usec, uint64_t longer_than_usec, void **ret_slot);
