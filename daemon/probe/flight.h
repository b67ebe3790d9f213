/*
 * An attempt as both sides see it: the one who waits for it reads where it is, the one who runs it writes it. Shared by reference, so that
 * neither has to ask the other whether it is still looked at.
 */
#pragma once

#include "model/check.h"
#include "model/phase.h"

#include <stdatomic.h>
#include <stdint.h>

struct flight {
        atomic_uint references;
        atomic_uint phase; /* enum phase */
        _Atomic uint64_t queued_usec; /* how long it waited for a thread of ours: its time began that much later */

        /* The waiting side's own. */
        uint64_t database;
        uint64_t attempt;
        enum check check;
        uint64_t started_usec;      /* CLOCK_MONOTONIC */
        uint64_t started_boot_usec;
        uint64_t started_real_usec;
        uint64_t timeout_usec;
        uint64_t look_usec; /* when to look next whether its prober is stuck */
        struct flight *next, *previous;
};

/* With one reference for each side; NULL when there is no memory. */
struct flight *flight_new(void);
/* Answers NULL; takes NULL. */
struct flight *flight_unref(struct flight *flight);
