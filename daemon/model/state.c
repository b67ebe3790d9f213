#include "model/state.h"

#include "base/error.h"
#include "base/macro.h"

static const struct {
        const char *name;
        const char *sentence;
} states[_STATE_MAX] = {
        [STATE_UNKNOWN] = { "unknown", "Nothing recent is known of the database." },
        [STATE_ASLEEP] = { "asleep", "The database is suspended; a login would wake it." },
        [STATE_WAKING] = { "waking", "The database is on its way from sleep or start to its first answer." },
        [STATE_AWAKE] = { "awake", "The database answered its last check, and that is fresh." },
        [STATE_DEGRADED] = { "degraded", "The database answers, but not as expected of it." },
        [STATE_FULL] = { "full", "The database is awake and has no free connection slot." },
        [STATE_DOWN] = { "down", "The database failed several checks in a row." },
        [STATE_BLOCKED] = { "blocked", "The database cannot be used until a person acts." },
};

bool state_is_awake(enum state state) {
        return state == STATE_AWAKE || state == STATE_DEGRADED || state == STATE_FULL;
}

const char *state_name(enum state state) {
        return states[state].name;
}

const char *state_sentence(enum state state) {
        return states[state].sentence;
}

/* Whether the state needs no reason. A cut is how sleep is recognised, so it tells nothing more about a sleeping database. */
static bool needs_no_reason(enum state state, enum reason reason) {
        return reason == REASON_NONE || (state == STATE_ASLEEP && reason_class(reason) == CLASS_CUT);
}

const char *state_explain(enum state state, enum reason reason) {
        return needs_no_reason(state, reason) ? state_sentence(state) : reason_info(reason)->sentence;
}

const char *state_advice(enum state state, enum reason reason) {
        return needs_no_reason(state, reason) ? NULL : reason_info(reason)->advice;
}

int state_from_name(const char *name, enum state *ret_state) {
        for (size_t i = 0; i < _STATE_MAX; i++)
                if (streq(name, states[i].name)) {
                        *ret_state = (enum state)i;
                        return 0;
                }
        return -EINVAL;
}
