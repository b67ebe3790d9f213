/* What a database can be: the states of pgwaked(8). */
#pragma once

#include "model/reason.h"

enum state {
        STATE_UNKNOWN,
        STATE_ASLEEP,
        STATE_WAKING,
        STATE_AWAKE,
        STATE_DEGRADED,
        STATE_FULL,
        STATE_DOWN,
        STATE_BLOCKED,
        _STATE_MAX,
};

/* "unknown", "asleep", ... */
const char *state_name(enum state state);
/* One sentence for people. */
const char *state_sentence(enum state state);
/* The same with why it is so: the reason's, but where that only tells how the state was seen. */
const char *state_explain(enum state state, enum reason reason);
/* What to do, or NULL where there is nothing to do. */
const char *state_advice(enum state state, enum reason reason);
/* -EINVAL for a word that names no state. */
int state_from_name(const char *name, enum state *ret_state);
