/* An event as it is kept until it is written, with its raw text: in one piece of memory. */
#pragma once

#include "model/event.h"

#include <sys/queue.h>

struct event_record {
        STAILQ_ENTRY(event_record) link;
        struct event event;        /* EVENT_STATE or EVENT_WAKE */
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
