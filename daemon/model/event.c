#include "model/event.h"

static const char *const wake_cause_names[_WAKE_CAUSE_MAX] = {
        [WAKE_LEASE] = "lease",
        [WAKE_CALL] = "wake",
        [WAKE_START] = "start",
        [WAKE_INTERVAL] = "interval",
        [WAKE_OTHER] = "other",
};

static const char *const event_kind_names[] = {
        [EVENT_STATE] = "state",
        [EVENT_WAKE] = "wake",
        [EVENT_ADDED] = "added",
        [EVENT_REMOVED] = "removed",
        [EVENT_BUDGET] = "budget",
};

const char *wake_cause_name(enum wake_cause cause) {
        return wake_cause_names[cause];
}

const char *event_kind_name(enum event_kind kind) {
        return event_kind_names[kind];
}
