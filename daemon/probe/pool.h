/*
 * The probers, which are threads that make every libpq call, and their interface to the main loop.
 *
 * The main loop requests a check and gets exactly one report of the attempt, in time. libpq computes on the calling thread (TLS, SCRAM with
 * 10^7 iterations): if a prober does not come back, its attempt is reported with its phase's timeout, and the prober is replaced, so that
 * every other database goes on. All functions are for the main thread.
 */
#pragma once

#include "config/conninfo.h"
#include "model/attempt.h"

#include <systemd/sd-event.h>

struct probe_pool;

/* One check to run. */
struct probe_request {
        uint64_t database; /* the caller's id, never reused, not 0 */
        uint64_t attempt;  /* the caller's id, never reused */
        enum check check;
        struct conninfo *conninfo; /* borrowed for the call; the pool takes its own reference */
        const struct provider *provider;
        uint64_t timeout_usec;
        const char *expect_query; /* NULL, or the operator's query, sent after the probe query; copied */
        const char *expect_value; /* the text that its first column must have; copied */
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
        bool bare_eof;          /* PROBE_REPORT_SESSION: the connection ended without a message */
};

typedef void (*probe_report_handler)(void *userdata, const struct probe_report *report);

/* Reports are delivered on EVENT's loop. N_PROBERS is at least 1. */
int probe_pool_new(sd_event *event, unsigned n_probers, probe_report_handler handler, void *userdata, struct probe_pool **ret_pool);
/* Begins to stop; probe_pool_free() waits for the end. */
void probe_pool_stop(struct probe_pool *pool);
/*
 * Terminates every session cleanly, ends the attempts in flight (they may finish while servers respond; workers_stop()), and frees. Waits
 * at most TIMEOUT_USEC for servers, and for our own work as long as that takes. Reports nothing. Not to be called from the report handler.
 * Takes NULL.
 */
struct probe_pool *probe_pool_free(struct probe_pool *pool, uint64_t timeout_usec);

/* At most one attempt per database at a time (-EBUSY). Returns 0, or a negative errno if nothing was started and no report follows. */
int probe_pool_check(struct probe_pool *pool, const struct probe_request *request);
/* The phase of DATABASE's attempt in flight; returns false if there is none. Cheap: reads memory only. */
bool probe_pool_phase(struct probe_pool *pool, uint64_t database, enum phase *ret_phase);
/* Closes DATABASE's held session, if any, and holds none that an attempt in flight brings; nothing is reported. */
void probe_pool_drop_session(struct probe_pool *pool, uint64_t database);
/* DATABASE is gone: cancels its attempt without a report, and closes its session. */
void probe_pool_forget(struct probe_pool *pool, uint64_t database);

/* For metrics and the watchdog. */
struct probe_pool_stats {
        unsigned probers;
        unsigned replaced;      /* detached so far */
        uint64_t overdue_usec;  /* how late the most overdue answer of a prober is; 0: none is */
        unsigned resolver_threads;
        unsigned names_waiting; /* for a resolver thread */
};
void probe_pool_stats(struct probe_pool *pool, struct probe_pool_stats *ret_stats);
