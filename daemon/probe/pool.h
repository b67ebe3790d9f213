/*
 * The probers: threads that make every libpq call, and the door to them for the main loop.
 *
 * The main loop asks for a check and gets one report an attempt, always, in time: an attempt whose prober does not come back (libpq
 * computes on the calling thread: TLS, SCRAM with 10^7 iterations) is reported here by its phase's timeout, and its prober is replaced so
 * that every other database goes on. All functions are for the main thread.
 */
#pragma once

#include "config/conninfo.h"
#include "model/attempt.h"

#include <systemd/sd-event.h>

struct probe_pool;

/* What a prober must know to run one check. */
struct probe_request {
        uint64_t database; /* an id of the caller's, never reused, not 0 */
        uint64_t attempt;  /* an id of the caller's, never reused */
        enum check check;
        struct conninfo *conninfo; /* borrowed for the call; the pool takes a reference of its own */
        const struct provider *provider;
        uint64_t timeout_usec;
        const char *expect_query; /* NULL, or a query of the operator's asked after the probe query; borrowed, copied */
        const char *expect_value; /* the text that its first column must have; borrowed, copied */
        bool want_lag;            /* ask for the replay lag as well */
        bool hold_session;        /* keep the connection of a good login as the session (an older one is closed) */
};

enum probe_report_kind {
        PROBE_REPORT_ATTEMPT, /* `attempt` is complete */
        PROBE_REPORT_SESSION, /* the held session ended by itself */
};

struct probe_report {
        enum probe_report_kind kind;
        uint64_t database;
        struct attempt attempt; /* for PROBE_REPORT_SESSION: reason, sqlstate, detail, address of its end */
        bool bare_eof;          /* PROBE_REPORT_SESSION: the connection ended without a word */
};

typedef void (*probe_report_handler)(void *userdata, const struct probe_report *report);

/* Answers are delivered on EVENT's loop. N_PROBERS from 1. */
int probe_pool_new(sd_event *event, unsigned n_probers, probe_report_handler handler, void *userdata, struct probe_pool **ret_pool);
/* Begins what probe_pool_free() waits for. */
void probe_pool_stop(struct probe_pool *pool);
/*
 * Terminates every session cleanly, ends what runs (as long as servers answer they may; workers_stop()), frees. Waits at most TIMEOUT_USEC
 * for servers, and for what we do ourselves as long as that takes. Nothing is reported any more. Not from the report handler. Takes NULL.
 */
struct probe_pool *probe_pool_free(struct probe_pool *pool, uint64_t timeout_usec);

/* At most one attempt a database at a time (-EBUSY). 0, or a negative errno when nothing was started (then no report follows). */
int probe_pool_check(struct probe_pool *pool, const struct probe_request *request);
/* Where the running attempt of DATABASE is now; answers false when none runs. Cheap, from memory. */
bool probe_pool_phase(struct probe_pool *pool, uint64_t database, enum phase *ret_phase);
/* Closes the held session of DATABASE, if any, and holds none that an attempt under way brings; nothing is reported. */
void probe_pool_drop_session(struct probe_pool *pool, uint64_t database);
/* DATABASE is gone: its attempt is cancelled without a report, its session closed. */
void probe_pool_forget(struct probe_pool *pool, uint64_t database);

/* For metrics and the watchdog. */
struct probe_pool_stats {
        unsigned probers;
        unsigned replaced;      /* probers that were detached so far */
        uint64_t overdue_usec;  /* how long the most overdue answer of a prober is awaited; 0 when none is */
        unsigned resolver_threads;
        unsigned names_waiting; /* for one of them */
};
void probe_pool_stats(struct probe_pool *pool, struct probe_pool_stats *ret_stats);
