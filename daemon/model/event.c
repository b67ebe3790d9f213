#include "model/event.h"

#include "base/error.h"
#include "base/macro.h"

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

int wake_cause_from_name(const char *name, enum wake_cause *ret_cause) {
        for (size_t i = 0; i < _WAKE_CAUSE_MAX; i++)
                if (streq(name, wake_cause_names[i])) {
                        *ret_cause = (enum wake_cause)i;
                        return 0;
                }
        return -EINVAL;
}

const char *event_kind_name(enum event_kind kind) {
        return event_kind_names[kind];
}
