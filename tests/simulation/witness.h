/*
 * The truth, seen from outside the daemon: its checks, the reports it got, and who needed which database when. The invariants (invariant.h)
 * compare the daemon's statements with it.
 */
#pragma once

#include "route.h"
#include "stretch.h"

#include "config/config.h"
#include "health/policy.h"
#include "model/event.h"
#include "probe/pool.h"

/* Checks that are due within 2 ms are sent together (scheduler/drive.c), and a timer fires in its own loop iteration. */
#define TOGETHER_USEC (5 * USEC_PER_MSEC)
#define ALL_CAUSES ((1u << _WAKE_CAUSE_MAX) - 1)

struct witness {
        bool watched; /* configured, and the daemon is running */
        const struct database_config *config;
        enum policy policy;
        uint64_t kept_awake_usec; /* until the last reload that ended it */
        uint64_t watched_since_usec;
        uint64_t watch_began_usec; /* the same, but including a watch before a restart or reload */

        /* The last report to the daemon. */
        bool told;
        enum check told_check;
        enum reason told_reason; /* REASON_NONE: good */
        bool told_own_network;   /* it may have been our own network */
        bool told_unsure;        /* the check began at the moment of a reload: before or after it */
        bool blocked_before;     /* blocked before the restart, and no login was reported since */
        bool past_unread;        /* the daemon has not read the history since its start: */
        bool was_blocked, was_paused; /* ... what it will find there, unless something newer replaces it */
        bool lacked_means;       /* the last attempt had no descriptors, which says nothing about the database */
        uint64_t told_asked_usec; /* when that check was started */
        uint64_t told_usec;
        uint64_t doubted_usec; /* the last report that says anything about the database */
        uint64_t answered_usec; /* the last answered login or ping; 0: none */
        enum reason login_reason; /* why the last login failed; REASON_NONE: it did not */
        bool login_stands;        /* ... and nothing cleared it */
        enum reason blocked;      /* what a login found that a person must act on, until another got past it */
        enum reason login_failure; /* the same, even if our own network may have been the cause */
        const struct server *answered_by; /* the server that answered last, and its role */
        unsigned answered_start;
        bool answered_in_recovery;
        uint64_t caught_up_usec;  /* when it last reported to have replayed everything; 0: never */
        enum reason unmet_reason; /* the expectation that the last answer failed; REASON_NONE: none */
        bool session;             /* the daemon holds one, and its end was not reported */
        enum reason cut_reason;   /* how the last session ended */
        bool cut;                 /* a session ended, and nothing was answered since */
        bool unasked;             /* the expectations changed since the last answer */
        unsigned failures;        /* in a row */
        unsigned unanswered;      /* the latest of them that say nothing about the database */
        bool starts_between;      /* one of those says that the server is starting: the daemon may have restarted the count there */
        uint64_t failing_since_usec; /* the start of the first of them */
        uint64_t failing_wanted_usec; /* since when that attempt was due */
        uint64_t failing_login_usec;     /* the start of the first failed login since one was answered */
        uint64_t logins_fail_since_usec; /* the same, counted from when the database was needed; 0: it was not */
        unsigned throttled;       /* in a row */
        uint64_t throttled_usec;  /* the last of those */
        uint64_t throttled_least_usec; /* the minimum delay since then */

        /* The most and the least by which the generation may have grown since the last look. */
        unsigned generation_may, generation_must;
        uint64_t newest_start_usec; /* real clock; 0: none was seen */
        bool newest_start_unsure;   /* a crash may have lost it */
        bool first;                 /* nothing was answered since it is watched */

        /* Demand. */
        unsigned leases;
        uint64_t restored_until_real_usec; /* of leases with a time limit from before a restart */
        uint64_t restored_due_usec;        /* the same, if nobody sets the clock */
        uint64_t lease_until_usec, call_until_usec, start_until_usec, grace_until_usec;
        uint64_t lingers_unsure_until_usec; /* until then linger is uncertain, since a reload shortened it */
        bool paused;
        uint64_t paused_until_usec, paused_latest_usec; /* after a restart the pause ends between these */
        uint64_t paused_usec;       /* when somebody last paused or resumed it */
        uint64_t needed_since_usec; /* 0: not needed now */
        uint64_t requested_usec;    /* the last request for it */
        uint64_t waits_since_usec;  /* since when it is needed and not awake; 0: it is not */
        bool waits_in_rhythm;       /* its verdict expired, or it is kept awake from now on: a check is due on schedule, not by request */
        uint64_t need_began_usec;   /* the same, for the last time it was needed */
        uint64_t asked_for_since_usec; /* since when the daemon says that it keeps the database awake; 0: it does not */
        uint64_t well_since_usec;   /* since when it is needed and nothing prevents it from being awake; 0: something does */
        uint64_t wait_usec;         /* the longest delay between two tries since then */
        uint64_t due_since_usec;    /* since when a check must be due; 0: none need be */
        uint64_t lives_since_usec;  /* since when an idle session lives on in doubt; 0: there is none */
        uint64_t unknown_since_usec; /* since when the verdict is unknown; 0: it is not */
        uint64_t undoubted_usec;     /* for how long nothing new spoke against a live session */

        /* Checks. */
        bool in_flight;
        bool in_flight_unasked; /* the expectations changed since the check was started */
        enum check in_flight_check;
        uint64_t in_flight_usec;
        uint64_t in_flight_slow_usec;   /* `slow`, when it began */
        uint64_t reconfigured_usec, slow_before_usec; /* the last reload that changed it, and `slow` before that */
        uint64_t in_flight_wanted_usec; /* since when it may have waited for a slot */
        uint64_t in_flight_waited_usec; /* since when it certainly has */
        unsigned in_flight_causes, failing_causes; /* bits: whose demand the last login was for, and the first one that failed since */
        uint64_t attempt_told_usec;     /* when the last attempt ended */
        uint64_t login_asked_usec;      /* when the last login was started; 0: none yet */
        uint64_t session_ended_usec;    /* when the last end of a session was reported; 0: none yet */
        uint64_t asked_usec; /* when the last check was started; 0: none yet */
        unsigned logins, doors, pings;

        /* Wakes. */
        const struct server *met;      /* whose start was seen last */
        unsigned met_start;
        bool met_unsure;               /* the daemon may not remember having seen it */
        unsigned wakes_least, wakes_most, wakes_of_others; /* due since the last look */
        uint64_t wake_began_usec;      /* our attempt that truly began the wake */
        uint64_t wake_wanted_usec;     /* since when that may have waited for a slot */
        uint64_t wake_waited_usec;     /* since when it certainly has */
        uint64_t wake_began_monotonic_usec;
        bool wake_shared; /* another database's attempt was first, while ours was in flight */
        bool wake_met_full; /* ... and its server had no free slot meanwhile, which is awake: what was needed after that may count alone */
        uint64_t wake_least_usec, wake_most_usec; /* the latency of the last one */
        uint64_t wake_answered_usec;   /* its first answer; `rise` of them may be needed */
        unsigned wake_causes;          /* bits: whose demand it may have been for */

        /* The account. */
        struct stretch stretch;
        uint64_t awake_least_usec, awake_most_usec;
        uint64_t unsure_least_usec, unsure_most_usec; /* the possible error, since the clock was set over a restart */
};

extern struct witness witnesses[DATABASES_MAX];

void witness_begin(void);

/*
 * The daemon watches the database from now on, since its own start or by a reload; no effect if it did before. HELD: the history says that
 * a lease was held, whose holder may come back. PAST_READ: what the history says is known to the daemon; else witness_recall() follows.
 */
void witness_watch(unsigned database, const struct database_config *config, enum policy policy, bool held, bool past_read);
/* The daemon reads the history now. */
void witness_recall(unsigned database, bool held);
/* A reload: a database with other settings keeps what is known of it, since it is the same server. Call before the engine reloads. */
void witness_reconfigure(unsigned database, const struct database_config *config, enum policy policy);
void witness_unwatch(unsigned database, bool crash);

/* People. Demand is recorded before the daemon gets it, since it acts at once, and withdrawn if it is refused. */
void witness_lease(unsigned database);
void witness_refuse_lease(unsigned database);
/* UNTIL: the time at which the wall clock ended it, DUE if nobody had set it; 0: it ends now. */
void witness_lease_end(unsigned database, uint64_t until_real_usec, uint64_t due_usec);
/* Returns until when earlier calls lasted, for witness_refuse_call(). */
uint64_t witness_call(unsigned database, bool ready);
void witness_refuse_call(unsigned database, uint64_t until_usec);
void witness_pause(unsigned database, uint64_t for_usec);
/* A lease with a time limit that survived a restart. */
void witness_restore_lease(unsigned database, uint64_t until_real_usec);
void witness_host_suspends(void);
/* The daemon reports the database awake. */
void witness_risen(unsigned database);
/* Whose demand a login that begins now is for, as bits: every possible cause. */
unsigned witness_causes_now(const struct witness *w);
/* Until when a call to a sleeping database is demand, if it is not answered. */
uint64_t witness_wake_end(const struct witness *w);
/* The daemon reports a spent budget from now on: all demand ends with that. */
void witness_budget_spent(struct witness *w);
/* Whether the database is needed now, or was a moment ago: checks due within 2 ms are sent together. */
bool witness_needs(struct witness *w);
/* The same, if no reload has changed how long demand lingers. */
bool witness_surely_needs(struct witness *w);

/* The expectation that INFO, an answer of SERVER, fails; REASON_NONE: none. */
enum reason witness_judge(const struct witness *w, const struct server_info *info, const struct server *server);
/* Notes how much SERVER had replayed, and that it answered last. */
void witness_note_replayed(struct witness *w, const struct server_info *info, const struct server *server);

/* The probers. */
void witness_asked(unsigned database, const struct probe_request *request);
void witness_told(unsigned database, const struct probe_report *report, const struct server *server, bool died);
void witness_dropped_session(unsigned database);
void witness_forgot(unsigned database);
