/*
 * One attempt: resolve, try the addresses, connect, query, and one outcome through one exit.
 *
 * It decides what comes next and keeps the times, but never waits and calls nobody: each function returns what its caller must do next, and
 * takes the time (CLOCK_MONOTONIC) at which the event it handles was seen.
 */
#pragma once

#include "probe/addresses.h"
#include "probe/connection.h"
#include "probe/resolver.h"

#include <stdatomic.h>
#include <sys/queue.h>

/*
 * An attempt as both sides see it: the prober writes how far it is, the main loop reads that. Counted by reference, so that neither side
 * must ask whether the other still uses it.
 */
struct in_flight {
        atomic_uint references;
        atomic_uint phase; /* enum phase */
        _Atomic uint64_t queued_usec; /* in our own queue: the attempt's time began that much later */

        /* For the waiting side only. */
        uint64_t database;
        uint64_t attempt;
        enum check check;
        uint64_t started_usec;      /* CLOCK_MONOTONIC */
        uint64_t started_boot_usec;
        uint64_t started_real_usec;
        uint64_t timeout_usec;
        uint64_t look_usec; /* when to check next whether its prober is stuck */
        TAILQ_ENTRY(in_flight) link;
};

/* With one reference for each side; NULL if memory runs out. */
struct in_flight *in_flight_new(void);
/* Returns NULL; takes NULL. */
struct in_flight *in_flight_unref(struct in_flight *in_flight);

enum attempt_todo {
        ATTEMPT_WAIT,    /* for the socket, until attempt_due() */
        ATTEMPT_LOOK_UP, /* the host's addresses are needed: attempt_resolved() */
        ATTEMPT_PERFORM, /* run->op on run->connection: attempt_performed() */
        ATTEMPT_ENDED,   /* run->attempt is complete */
};

enum attempt_stage {
        ATTEMPT_IDLE,      /* no attempt */
        ATTEMPT_HELD_BACK, /* waits for a connection of the same database to come back */
        ATTEMPT_QUEUED,    /* its name waits for a resolver thread: that time is ours, and does not count */
        ATTEMPT_RESOLVING,
        ATTEMPT_CONNECTING,
        ATTEMPT_ASKING,    /* the probe query */
        ATTEMPT_EXPECTING, /* the operator's query */
};

/* The request for an attempt, which owns its references and strings. */
struct attempt_request {
        uint64_t attempt;
        enum check check;
        struct conninfo *conninfo;
        const struct provider *provider;
        uint64_t timeout_usec;
        char *expect_query;
        char *expect_value;
        bool want_lag;
        bool hold_session;
        struct in_flight *in_flight;
};
void attempt_request_deinit(struct attempt_request *request);

struct attempt_run {
        enum attempt_stage stage;
        struct attempt_request request;
        struct attempt attempt;
        uint64_t began_usec;
        uint64_t deadline_usec;
        uint64_t address_deadline_usec; /* for the TCP connect to this address */
        uint64_t mark_usec;             /* when the phase was entered */
        enum phase phase;
        bool connected; /* to an address: no further one is tried */

        struct connection *connection;
        enum op op;
        bool looks_up;               /* the resolver was asked and has not answered */
        struct addresses *addresses; /* of the host name, or NULL */
        unsigned next_address;
        char good_address[ADDRESS_TEXT_MAX]; /* of the last good attempt; kept from attempt to attempt */
};

/* Begins REQUEST and takes it over; nothing is done yet. */
void attempt_accept(struct attempt_run *run, const struct attempt_request *request, uint64_t at_usec, uint64_t at_boot_usec);
/* The attempt waits for a connection of the same database that hangs in PHASE. If that lasts too long, its reason is that phase's. */
void attempt_hold_back(struct attempt_run *run, enum phase phase);
/* Starts it: on a new CONNECTION, or a ping on that of the session. */
enum attempt_todo attempt_start(struct attempt_run *run, struct connection *connection, uint64_t at_usec);
/* attempt_queue(): the look-up waits for a thread. attempt_begun(): it has begun, and with it the attempt's time. */
void attempt_queue(struct attempt_run *run);
void attempt_begun(struct attempt_run *run, uint64_t at_usec);
/* The host's addresses, or why there are none. Takes ANSWER's addresses. */
enum attempt_todo attempt_resolved(struct attempt_run *run, struct resolved *answer, uint64_t at_usec);
enum attempt_todo attempt_performed(struct attempt_run *run, uint64_t at_usec);
/* attempt_due() has passed. AWAY: the connection must not be touched. */
enum attempt_todo attempt_expired(struct attempt_run *run, bool away, uint64_t at_usec);
/* Ends it for a REASON that is known without trying. */
enum attempt_todo attempt_give_up(struct attempt_run *run, enum reason reason, const char *detail, uint64_t at_usec);

uint64_t attempt_due(const struct attempt_run *run);
/* Whether its connection may be held as the session: it is that of a good login, or of a ping that was answered, even with an error. */
bool attempt_may_hold(const struct attempt_run *run);
/* After ATTEMPT_ENDED: frees the request. The connection is the caller's. */
void attempt_clear(struct attempt_run *run);
