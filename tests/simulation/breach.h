/* The invariants by name, and the first breach of one in a world. */
#pragma once

#include "server.h"

#include "base/macro.h"

enum invariant {
        INVARIANT_DEMAND,
        INVARIANT_ONE_ATTEMPT,
        INVARIANT_PAUSED,
        INVARIANT_READY,
        INVARIANT_ACCEPTED,
        INVARIANT_CLEARED,
        INVARIANT_GENERATION,
        INVARIANT_DOWN,
        INVARIANT_ACCOUNT,
        INVARIANT_WAKES,
        INVARIANT_CAUSE,
        INVARIANT_LATENCY,
        INVARIANT_BOUNDED,
        INVARIANT_DUE,
        INVARIANT_THROTTLED,
        INVARIANT_REASON,
        INVARIANT_SENTINEL,
        INVARIANT_BACKWARDS,
        INVARIANT_TOLD,
        INVARIANT_EXPECTED, /* what a scenario expects */
        _INVARIANT_MAX,
};

/* "demand", "one-attempt", ... */
const char *invariant_name(enum invariant invariant);
/* One sentence: the invariant. */
const char *invariant_sentence(enum invariant invariant);
/* Bits of the invariants that are asserted; all of them at first. */
extern unsigned invariants_asserted;
/* _INVARIANT_MAX: there is none of that name. */
enum invariant invariant_from_name(const char *name);

struct breach {
        bool broken;
        enum invariant invariant;
        uint64_t at_usec; /* since the world began */
        unsigned line;    /* of the scenario; 0: none */
        char text[256];
};
extern struct breach breach;

void breach_begin(void);
/* Records a breach, if it is the first of its world and its invariant is asserted. */
_printf_(2, 3) void breach_note(enum invariant invariant, const char *format, ...);
