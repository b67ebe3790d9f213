#include "breach.h"

#include "clocks.h"

#include <stdarg.h>
#include <stdio.h>

unsigned invariants_asserted = (1u << _INVARIANT_MAX) - 1;
struct breach breach;

static const struct {
        const char *name, *sentence;
} invariants[_INVARIANT_MAX] = {
        [INVARIANT_DEMAND] = {"demand", "No login or ping is sent without demand under on-demand and observe."},
        [INVARIANT_ONE_ATTEMPT] = {"one-attempt", "A database has at most one attempt at a time."},
        [INVARIANT_PAUSED] = {"paused", "A paused database is not asked, and a pause ends when its time is over."},
        [INVARIANT_READY] = {"ready", "Ready rests on an answer that is fresh, or on a session that lives."},
        [INVARIANT_ACCEPTED] = {"accepted", "accept=asleep never accepts what a person must act on, and accepts what sleeps unseen."},
        [INVARIANT_CLEARED] = {"cleared", "What only a login clears is cleared by a login, a sleep that was seen, or a session that lives on."},
        [INVARIANT_GENERATION] = {"generation", "The generation grows exactly when a session of that server died or a newer start was seen."},
        [INVARIANT_DOWN] = {"down", "Down needs `fall` failures in a row, or a wake that somebody waits for longer than wake_timeout."},
        [INVARIANT_ACCOUNT] = {"account", "Awake seconds are the true ones within 2 %, and never more than have passed."},
        [INVARIANT_WAKES] = {"wakes", "Each wake is counted once."},
        [INVARIANT_CAUSE] = {"cause", "Each wake is counted as caused by who truly caused it."},
        [INVARIANT_LATENCY] = {"latency", "A wake's latency is the true one within 20 ms or 5 %."},
        [INVARIANT_BOUNDED] = {"bounded", "A demanded database whose server is well is awake in bounded time."},
        [INVARIANT_DUE] = {"due", "Something is due unless nothing may be asked."},
        [INVARIANT_THROTTLED] = {"throttled", "A database that throttles us is asked ever more slowly, whoever calls."},
        [INVARIANT_REASON] = {"reason", "A verdict that is not ready has the reason of the newest evidence."},
        [INVARIANT_SENTINEL] = {"sentinel", "A session that outlives the last doubt by a minute makes its database awake, if nobody asks."},
        [INVARIANT_BACKWARDS] = {"backwards", "Counters and accounts never run backwards by more than a crash loses."},
        [INVARIANT_TOLD] = {"told", "Every change is told, after what was told before it, and no step takes back what it told."},
        [INVARIANT_EXPECTED] = {"expected", "What the scenario expects."},
};

const char *invariant_name(enum invariant invariant) {
        return invariants[invariant].name;
}

const char *invariant_sentence(enum invariant invariant) {
        return invariants[invariant].sentence;
}

enum invariant invariant_from_name(const char *name) {
        unsigned i = 0;

        while (i < _INVARIANT_MAX && !streq(invariants[i].name, name))
                i++;
        return (enum invariant)i;
}

void breach_begin(void) {
        breach = (struct breach){0};
}

void breach_note(enum invariant invariant, const char *format, ...) {
        va_list arguments;

        if (breach.broken || !(invariants_asserted & 1u << invariant))
                return;
        breach.broken = true;
        breach.invariant = invariant;
        breach.at_usec = clock_boot_usec() - WORLD_BEGINS_USEC;
        va_start(arguments, format);
        (void)vsnprintf(breach.text, sizeof(breach.text), format, arguments);
        va_end(arguments);
}
