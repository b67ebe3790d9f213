/* What happened to a database at one moment, as the store keeps it: a plain value in one piece of memory. */
#pragma once

#include "model/event.h"

struct event_record {
        struct event_record *next; /* of what it is listed in */
        enum event_kind kind; /* EVENT_STATE or EVENT_WAKE */
        char name[64];
        uint64_t at_real_usec;

        /* EVENT_STATE: the state or its reason is another from now on. */
        enum state state, previous;
        enum reason reason;
        char sqlstate[SQLSTATE_LENGTH + 1]; /* or "" */
        uint64_t generation;

        /* EVENT_WAKE */
        uint64_t latency_usec; /* USEC_INFINITY: not known */
        enum wake_cause cause;
        bool cold;
        unsigned attempts;
        uint32_t phase_usec[_PHASE_MAX]; /* of the attempt that was answered; 0: not entered */

        char detail[]; /* EVENT_STATE: raw text beside the reason, or "" */
};

/* How long the phases of one attempt took that came to their end; 0 for the others. */
struct timing {
        uint32_t phase_usec[_PHASE_MAX];
};

/* Whether a database in STATE is out of use: down, blocked, full or degraded. Asleep, waking and unknown are none of it. */
static inline bool state_is_outage(enum state state) {
        return state == STATE_DOWN || state == STATE_BLOCKED || state == STATE_FULL || state == STATE_DEGRADED;
}
