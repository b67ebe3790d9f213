/*
 * One happening in a world at a given time: a person acts, a server fails, a state is expected. Each kind is one row of one table with the
 * words of a scenario, which serves for reading and for writing.
 */
#pragma once

#include "base/buffer.h"
#include "server.h"

enum happening_kind {
        /* People. */
        PERSON_TAKES_LEASE_FOR,
        PERSON_TAKES_LEASE,
        PERSON_RELEASES_LEASE,
        PERSON_WAKES,
        PERSON_PAUSES,
        PERSON_RESUMES,
        /* The administrator. */
        RELOAD_CHANGES,
        RELOAD_ADDS,
        RELOAD_REMOVES,
        DAEMON_CRASHES,
        DAEMON_RESTARTS,
        /* The host. */
        HOST_SUSPENDS,
        CLOCK_FORWARD,
        CLOCK_BACK,
        NETWORK_AWAY,
        RESOLVER_FAILS,
        RESOLVER_HANGS,
        HOST_LACKS_DESCRIPTORS,
        /* Servers. */
        SERVER_SUSPENDS,
        SERVER_RESTARTS,
        SERVER_CRASHES,
        SERVER_STOPS,
        SERVER_STARTS,
        SERVER_IS_USED,
        SERVER_WAKES_SLOWLY,
        SERVER_PROMOTED,
        SERVER_LAGS,
        SERVER_TROUBLE, /* one row for each kind of trouble */
        NAME_MOVES,
        /* Expectations. */
        EXPECT_STATE,
        EXPECT_STATE_ALONE,
        EXPECT_LOGINS,
        EXPECT_DOORS,
        EXPECT_WAKES,
        EXPECT_GENERATION,
        EXPECT_LATENCY,
        EXPECT_CAUSE,
        EXPECT_MONTH,
        EXPECT_READY_OR_ASLEEP,
        EXPECT_NOT_READY_OR_ASLEEP,
        _HAPPENING_KIND_MAX,
};

struct happening {
        uint64_t at_usec; /* since the world began */
        enum happening_kind kind;
        enum trouble trouble;
        char person[WORLD_NAME_MAX], database[WORLD_NAME_MAX], server[WORLD_NAME_MAX];
        char key[WORLD_NAME_MAX], value[WORLD_NAME_MAX]; /* of a setting; or a state and its reason */
        uint64_t usec, number;
        unsigned line; /* of the scenario; 0: none */
};

/* Parses WORDS ("holder takes a lease on main"); returns false if no kind matches. */
bool happening_parse(const char *words, struct happening *ret_happening);
void happening_print(const struct happening *happening, struct buffer *buffer);
bool happening_is_expectation(const struct happening *happening);
