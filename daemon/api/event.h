/* What is said on the streams of /events and of a lease. */
#pragma once

#include "api/field.h"

struct event_status {
        uint64_t sequence;
        const char *kind;
        uint64_t at_real_usec;
        const char *database, *state, *previous, *reason, *message;
        bool ready;
        uint64_t generation;
        /* Of a wake; for others null. */
        uint64_t latency_usec;
        const char *cause;
        int cold;
};

/* "event: gap": what was missed is held no more. */
struct gap_status {
        const char *message;
        uint64_t last_seen, oldest, newest;
};

extern const struct field event_fields[];
extern const struct field gap_fields[];
