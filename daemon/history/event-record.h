/* An event that waits to be written, with its raw text, in one piece of memory. */
#pragma once

#include "model/event.h"

#include <sys/queue.h>

struct event_record {
        STAILQ_ENTRY(event_record) link;
        struct event event;        /* EVENT_STATE or EVENT_WAKE */
        char detail[]; /* EVENT_STATE: raw text for the reason, or "" */
};

/* The durations of the phases that one attempt completed; 0 for the others. */
struct timing {
        uint32_t phase_usec[_PHASE_MAX];
};

/* Whether STATE counts as an outage: down, blocked, full or degraded. Asleep, waking and unknown do not. */
static inline bool state_is_outage(enum state state) {
        return state == STATE_DOWN || state == STATE_BLOCKED || state == STATE_FULL || state == STATE_DEGRADED;
}
