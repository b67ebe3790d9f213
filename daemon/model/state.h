/* The states of a database, as in pgwaked(8). */
#pragma once

#include "model/reason.h"

#include <stdbool.h>

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

/* Whether its server is awake, whatever new logins meet: awake, degraded or full. */
bool state_is_awake(enum state state);
/* "unknown", "asleep", ... */
const char *state_name(enum state state);
/* One sentence for people. */
const char *state_sentence(enum state state);
/* The reason's sentence, or the state's if the reason tells nothing more. */
const char *state_explain(enum state state, enum reason reason);
/* What to do; NULL: nothing. */
const char *state_advice(enum state state, enum reason reason);
/* -EINVAL for a word that names no state. */
int state_from_name(const char *name, enum state *ret_state);
