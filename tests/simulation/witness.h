/*
 * What truly happened, seen from outside the daemon: what it asked, what it was told, who needed which database when. The invariants
 * (invariant.h) hold the daemon's word against it.
 */
#pragma once

#include "route.h"
#include "stretch.h"

#include "config/config.h"
#include "health/policy.h"
#include "model/event.h"
#include "probe/pool.h"

/* Checks that are due within 2 ms are sent together (scheduler/drive.c), and a timer fires in its own turn. */
#define TOGETHER_USEC (5 * USEC_PER_MSEC)
#define ALL_CAUSES ((1u << _WAKE_CAUSE_MAX) - 1)

struct witness {
        bool watched; /* it is configured, and the daemon runs */
        const struct database_config *config;
        enum policy policy;
        uint64_t kept_awake_usec; /* until the last reload that ended it */
        uint64_t watched_since_usec;
        uint64_t watch_began_usec; /* the same, but for what was watched before a restart or a reload */

        /* The last that the daemon was told. */
        bool told;
        enum check told_check;
        enum reason told_reason; /* REASON_NONE: good */
        bool told_own_network;   /* it may have been our own network */
        bool told_unsure;        /* it was asked in the moment of a reload: before it or after it */
        bool blocked_before;     /* it was before the restart, and no login was told since */
        bool lacked_means;       /* the last attempt had no descriptors: that says nothing of the database */
        uint64_t told_asked_usec; /* when that was asked */
        uint64_t told_usec;
        uint64_t doubted_usec; /* the same of what says anything of the database */
        uint64_t answered_usec; /* the last login or ping that was answered; 0: none */
        enum reason login_reason; /* what the last login failed by; REASON_NONE: it did not */
        bool login_stands;        /* ... and nothing cleared it */
        enum reason login_failure; /* the same, though it may have been our own network */
        const struct server *answered_by; /* the last that answered, and as what */
        unsigned answered_start;
        bool answered_in_recovery;
        uint64_t caught_up_usec;  /* when that was last told to have replayed everything; 0: never */
        enum reason unmet_reason; /* what the last answer did not meet; REASON_NONE: it met all */
        bool session;             /* the daemon holds one and was not told of its end */
        enum reason cut_reason;   /* how the last session ended */
        bool cut;                 /* a session ended, and nothing was answered since */
        bool unasked;             /* what is expected of it is another since it was answered */
        unsigned failures;        /* in a row */
        unsigned unanswered;      /* the last of them that told nothing of the database */
        bool starts_between;      /* among those one that says that it starts: the daemon may have begun the count there */
        uint64_t failing_since_usec; /* the start of the first of them */
        uint64_t failing_wanted_usec; /* since when that was wanted */
        uint64_t failing_login_usec;     /* the start of the first login that failed since one was answered */
        uint64_t logins_fail_since_usec; /* the same, from when somebody needed it; 0: none did */
        unsigned throttled;       /* in a row */
        uint64_t throttled_usec;  /* the last of those */
        uint64_t throttled_least_usec; /* how long it is to be left alone since then, at least */

        /* What the generation may and must have grown by since the last look. */
        unsigned generation_may, generation_must;
        uint64_t newest_start_usec; /* real clock; 0: none was seen */
        bool newest_start_unsure;   /* a crash may have lost it */
        bool first;                 /* nothing was answered since it is watched */

        /* Who needs it. */
        unsigned leases;
        uint64_t restored_until_real_usec; /* of leases by the clock from before a restart */
        uint64_t lease_until_usec, call_until_usec, start_until_usec, grace_until_usec;
        uint64_t lingers_unsure_until_usec; /* a reload has shortened it */
        bool paused;
        uint64_t paused_until_usec, paused_latest_usec; /* after a restart the pause's end lies between them */
        uint64_t paused_usec;       /* when somebody last paused or resumed it */
        uint64_t needed_since_usec; /* 0: not needed now */
        uint64_t requested_usec;    /* when somebody last asked for it */
        uint64_t waits_since_usec;  /* since when somebody who needs it finds it not awake; 0: nobody does */
        bool waits_in_rhythm;       /* its verdict grew old, or it is to be kept awake from now on: it is due in its rhythm, and nobody asked for it */
        uint64_t need_began_usec;   /* the same, of the last time that it was needed */
        uint64_t asked_for_since_usec; /* since when the daemon says that it is we who keep it awake; 0: it is not */
        uint64_t well_since_usec;   /* since when it is needed and nothing stands in its way; 0: something does */
        uint64_t wait_usec;         /* the longest wait between two tries that was due since then */
        uint64_t due_since_usec;    /* since when something must be due; 0: nothing need be */
        uint64_t lives_since_usec;  /* since when a session that nobody asks anything lives on in doubt; 0: there is none */
        uint64_t unknown_since_usec; /* the verdict; 0: it is another */
        uint64_t undoubted_usec;     /* for how long nothing new spoke against a session that lives */

        /* Checks. */
        bool in_flight;
        bool in_flight_unasked; /* what is expected of it is another since it was asked */
        enum check in_flight_check;
        uint64_t in_flight_usec;
        uint64_t in_flight_slow_usec;   /* `slow`, when it began */
        uint64_t reconfigured_usec, slow_before_usec; /* the last reload that changed it, and `slow` before that */
        uint64_t in_flight_wanted_usec; /* since when it may have waited for a place */
        uint64_t in_flight_waited_usec; /* since when it surely has */
        unsigned in_flight_causes, failing_causes; /* bits: whose demand the last login was for, and the first that failed since */
        uint64_t attempt_told_usec;     /* when the last attempt ended */
        uint64_t login_asked_usec;      /* when the last login was started; 0: none yet */
        uint64_t session_ended_usec;    /* when the last end of a session was told; 0: none yet */
        uint64_t asked_usec; /* when the last check was started; 0: none yet */
        unsigned logins, doors, pings;

        /* Wakes. */
        const struct server *met;      /* whose start was seen last */
        unsigned met_start;
        bool met_unsure;               /* the daemon may not remember that it saw it */
        unsigned wakes_least, wakes_most, wakes_of_others; /* due since the last look */
        uint64_t wake_began_usec;      /* our attempt that truly began the wake */
        uint64_t wake_wanted_usec;     /* since when that may have waited for a place */
        uint64_t wake_waited_usec;     /* since when it surely has */
        uint64_t wake_began_monotonic_usec;
        bool wake_shared; /* another database's attempt came first, and ours was under way */
        uint64_t wake_least_usec, wake_most_usec; /* the latency of the last one */
        uint64_t wake_answered_usec;   /* its first answer; `rise` of them may be needed */
        unsigned wake_causes;          /* bits: whose demand it may have been for */

        /* What being awake has cost. */
        struct stretch stretch;
        uint64_t awake_least_usec, awake_most_usec;
        uint64_t unsure_least_usec, unsure_most_usec; /* what may be missing or too much, for the clock was set over a restart */
};

extern struct witness witnesses[DATABASES_MAX];

void witness_begin(void);

/*
 * The daemon watches it from now on: since its own start, or by a reload; nothing happens to one that it watched before. HELD: the history
 * says that somebody held a lease, and may come back.
 */
void witness_watch(unsigned database, const struct database_config *config, enum policy policy, bool held);
/* A reload: one whose settings are others keeps what is known of it, for it is the same server. Before the engine reloads. */
void witness_reconfigure(unsigned database, const struct database_config *config, enum policy policy);
void witness_unwatch(unsigned database, bool crash);

/* People. Demand is noted before the daemon is asked, for it acts at once, and taken back when it refuses. */
void witness_lease(unsigned database);
void witness_refuse_lease(unsigned database);
/* UNTIL: where the clock of people ended it; 0: it ends now. */
void witness_lease_end(unsigned database, uint64_t until_real_usec);
/* Answers until when earlier calls reached, for witness_refuse_call(). */
uint64_t witness_call(unsigned database, bool ready);
void witness_refuse_call(unsigned database, uint64_t until_usec);
void witness_pause(unsigned database, uint64_t for_usec);
/* A lease by the clock that outlived a restart. */
void witness_restore_lease(unsigned database, uint64_t until_real_usec);
void witness_host_suspends(void);
/* The daemon says that it is awake. */
void witness_risen(unsigned database);
/* Whose demand a login that begins now is for, as bits: all whom it may be for. */
unsigned witness_causes_now(const struct witness *w);
/* Until when a call that finds it asleep is demand, if it is not answered. */
uint64_t witness_wake_end(const struct witness *w);
/* The daemon says so from now on: with that all demand ends. */
void witness_budget_spent(struct witness *w);
/* Whether somebody needs it now, or did so a moment ago: checks that fall due within 2 ms are sent together. */
bool witness_needs(struct witness *w);
/* The same, where no reload has changed for how long demand lingers. */
bool witness_surely_needs(struct witness *w);

/* What is expected and INFO, an answer of SERVER, does not meet; REASON_NONE: it meets all. */
enum reason witness_judge(const struct witness *w, const struct server_info *info, const struct server *server);
/* How far it had replayed, and who it is that answered last. */
void witness_note_replayed(struct witness *w, const struct server_info *info, const struct server *server);

/* The probers. */
void witness_asked(unsigned database, const struct probe_request *request);
void witness_told(unsigned database, const struct probe_report *report, const struct server *server, bool died);
void witness_dropped_session(unsigned database);
void witness_forgot(unsigned database);
