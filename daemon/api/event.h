/* Events on the streams of /events and of leases. */
#pragma once

#include "api/field.h"

struct event_status {
        uint64_t sequence;
        const char *kind;
        uint64_t at_real_usec;
        const char *database, *state, *previous, *reason, *message;
        bool ready;
        uint64_t generation;
        /* Only for a wake; else null. */
        uint64_t latency_usec;
        const char *cause;
        int cold;
};

/* "event: gap": missed events are not available any more. */
struct gap_status {
        const char *message;
        uint64_t last_seen, oldest, newest;
};

extern const struct field event_fields[];
extern const struct field gap_fields[];
