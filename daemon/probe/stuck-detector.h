/*
 * Says of a thread whether it is inside a call that may not come back, and lets another thread take its work away while it is.
 *
 * The whole truth is one atomic word, so that exactly one side wins: the thread that leaves the call, or the one that detaches it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct stuck_detector {
        _Atomic uint64_t word;     /* 0: outside; STUCK_DETECTOR_DETACHED; or the moment of entry, CLOCK_MONOTONIC usec */
        _Atomic uint64_t cpu_usec; /* CPU time of the thread at the entry, where that was asked for; else UINT64_MAX */
        void *slot;             /* what the call works on: written before entry, read by who detached it */
};

/* The thread itself: around the call. MAY_COMPUTE: its CPU time is of interest, which costs a system call. */
void stuck_detector_enter(struct stuck_detector *detector, void *slot, bool may_compute);
/*
 * Answers false when the thread was detached meanwhile: nothing is its own any more but the slot. What it wrote before it entered is
 * seen by who detached it; what it writes now is not.
 */
bool stuck_detector_leave(struct stuck_detector *detector);

/* Anybody else: how long the thread has been in its call, at NOW; 0 when it is outside. */
uint64_t stuck_detector_busy_usec(const struct stuck_detector *detector, uint64_t now_usec);
/* How much of that it computed, when its CPU time is CPU_USEC now; 0 when that is not known. */
uint64_t stuck_detector_computed_usec(const struct stuck_detector *detector, uint64_t cpu_usec);
/*
 * Detaches the thread when it has been in the same call for at least LONGER_THAN_USEC. Answers true, and what it works on: everything
 * else of the thread now belongs to the caller.
 */
bool stuck_detector_detach(struct stuck_detector *detector, uint64_t now_usec, uint64_t longer_than_usec, void **ret_slot);
