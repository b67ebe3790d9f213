/*
 * One attempt: resolve, walk over the addresses, connect, ask, and one outcome through one exit.
 *
 * Decides what comes next and keeps the times; waits for nothing and calls nobody: each function answers what its caller must do now, and
 * is told the moment (CLOCK_MONOTONIC) at which what it is told of was seen.
 */
#pragma once

#include "probe/addresses.h"
#include "probe/connection.h"
#include "probe/flight.h"
#include "probe/resolver.h"

enum run_todo {
        RUN_WAIT,    /* for the socket, until run_due() */
        RUN_LOOK_UP, /* the host's addresses are needed: run_resolved() */
        RUN_PERFORM, /* run->op on run->connection: run_performed() */
        RUN_ENDED,   /* run->attempt is complete */
};

enum run_stage {
        RUN_IDLE,      /* no attempt */
        RUN_HELD_BACK, /* a connection of the same database is not back yet */
        RUN_QUEUED,    /* its name waits for a thread of the resolver: a time that is ours, and counts for nothing */
        RUN_RESOLVING,
        RUN_CONNECTING,
        RUN_ASKING,    /* the probe query */
        RUN_EXPECTING, /* the operator's query */
};

/* What is to be done. References and strings belong to the order. */
struct run_order {
        uint64_t attempt;
        enum check check;
        struct conninfo *conninfo;
        const struct provider *provider;
        uint64_t timeout_usec;
        char *expect_query;
        char *expect_value;
        bool want_lag;
        bool hold_session;
        struct flight *flight;
};
void run_order_deinit(struct run_order *order);

struct run {
        enum run_stage stage;
        struct run_order order;
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

/* Begins ORDER, which belongs to the run from now on; nothing is done yet. */
void run_accept(struct run *run, const struct run_order *order, uint64_t at_usec, uint64_t at_boot_usec);
/*
 * Nothing can be done before a connection of the same database is back from where it hangs, in PHASE; if that lasts too long the reason
 * will be that phase's.
 */
void run_hold_back(struct run *run, enum phase phase);
/* Starts it: on a new CONNECTION, or, a ping, on that of the session. */
enum run_todo run_start(struct run *run, struct connection *connection, uint64_t at_usec);
/* The look-up waits for a thread; and it has begun, so the attempt's time begins as well. */
void run_queue(struct run *run);
void run_begun(struct run *run, uint64_t at_usec);
/* The addresses of the host, or why there are none; ANSWER's addresses are taken. */
enum run_todo run_resolved(struct run *run, struct resolved *answer, uint64_t at_usec);
enum run_todo run_performed(struct run *run, uint64_t at_usec);
/* run_due() has come. AWAY: the connection must not be touched. */
enum run_todo run_expired(struct run *run, bool away, uint64_t at_usec);
/* Ends it for a reason that is known without trying, and what there is to say of it. */
enum run_todo run_give_up(struct run *run, enum reason reason, const char *detail, uint64_t at_usec);

uint64_t run_due(const struct run *run);
/* A good login's connection, or that of a ping which was answered, be it by an error, may stand as the session. */
bool run_may_hold(const struct run *run);
/* After RUN_ENDED: lets go of the order. The connection is the caller's. */
void run_clear(struct run *run);
