/*
 * One attempt: resolve, walk over the addresses, connect, ask, and one outcome through one exit.
 *
 * Decides what comes next and keeps the times; waits for nothing and calls nobody: each function answers what its caller must do now, and
 * is told the moment (CLOCK_MONOTONIC) at which what it is told of was seen.
 */
#pragma once

#include "probe/addresses.h"
#include "probe/connection.h"
#include "probe/resolver.h"

#include <stdatomic.h>
#include <sys/queue.h>

/*
 * An attempt as both sides see it: the one who waits for it reads where it is, the one who runs it writes it. Shared by reference, so that
 * neither has to ask the other whether it is still looked at.
 */
struct in_flight {
        atomic_uint references;
        atomic_uint phase; /* enum phase */
        _Atomic uint64_t queued_usec; /* how long it waited for a thread of ours: its time began that much later */

        /* The waiting side's own. */
        uint64_t database;
        uint64_t attempt;
        enum check check;
        uint64_t started_usec;      /* CLOCK_MONOTONIC */
        uint64_t started_boot_usec;
        uint64_t started_real_usec;
        uint64_t timeout_usec;
        uint64_t look_usec; /* when to look next whether its prober is stuck */
        TAILQ_ENTRY(in_flight) link;
};

/* With one reference for each side; NULL when there is no memory. */
struct in_flight *in_flight_new(void);
/* Answers NULL; takes NULL. */
struct in_flight *in_flight_unref(struct in_flight *in_flight);

enum attempt_todo {
        ATTEMPT_WAIT,    /* for the socket, until attempt_due() */
        ATTEMPT_LOOK_UP, /* the host's addresses are needed: attempt_resolved() */
        ATTEMPT_PERFORM, /* run->op on run->connection: attempt_performed() */
        ATTEMPT_ENDED,   /* run->attempt is complete */
};

enum attempt_stage {
        ATTEMPT_IDLE,      /* no attempt */
        ATTEMPT_HELD_BACK, /* a connection of the same database is not back yet */
        ATTEMPT_QUEUED,    /* its name waits for a thread of the resolver: a time that is ours, and counts for nothing */
        ATTEMPT_RESOLVING,
        ATTEMPT_CONNECTING,
        ATTEMPT_ASKING,    /* the probe query */
        ATTEMPT_EXPECTING, /* the operator's query */
};

/* What is to be done. References and strings belong to the request. */
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
        bool connected; /* to some address: no further one is tried */

        struct connection *connection;
        enum op op;
        bool looks_up;               /* the resolver was asked, and has not answered */
        struct addresses *addresses; /* what is left of a name, or NULL */
        unsigned next_address;
        char good_address[ADDRESS_TEXT_MAX]; /* where the last good attempt went: kept from attempt to attempt */
};

/* Begins REQUEST, which belongs to the run from now on; nothing is done yet. */
void attempt_accept(struct attempt_run *run, const struct attempt_request *request, uint64_t at_usec, uint64_t at_boot_usec);
/*
 * Nothing can be done before a connection of the same database is back from where it hangs, in PHASE; if that lasts too long the reason
 * will be that phase's.
 */
void attempt_hold_back(struct attempt_run *run, enum phase phase);
/* Starts it: on a new CONNECTION, or, a ping, on that of the session. */
enum attempt_todo attempt_start(struct attempt_run *run, struct connection *connection, uint64_t at_usec);
/* The look-up waits for a thread; and it has begun, so the attempt's time begins as well. */
void attempt_queue(struct attempt_run *run);
void attempt_begun(struct attempt_run *run, uint64_t at_usec);
/* The addresses of the host, or why there are none; ANSWER's addresses are taken. */
enum attempt_todo attempt_resolved(struct attempt_run *run, struct resolved *answer, uint64_t at_usec);
enum attempt_todo attempt_performed(struct attempt_run *run, uint64_t at_usec);
/* attempt_due() has come. AWAY: the connection must not be touched. */
enum attempt_todo attempt_expired(struct attempt_run *run, bool away, uint64_t at_usec);
/* Ends it for a reason that is known without trying, and what there is to say of it. */
enum attempt_todo attempt_give_up(struct attempt_run *run, enum reason reason, const char *detail, uint64_t at_usec);

uint64_t attempt_due(const struct attempt_run *run);
/* A good login's connection, or that of a ping which was answered, be it by an error, may stand as the session. */
bool attempt_may_hold(const struct attempt_run *run);
/* After ATTEMPT_ENDED: lets go of the request. The connection is the caller's. */
void attempt_clear(struct attempt_run *run);
