/*
 * One database and everything that is known of it, to be read; what changes it is one function, database_step() (health/step.h). No fd, no
 * clock, no thread.
 */
#pragma once

#include "base/clock.h"
#include "base/heap.h"
#include "config/config.h"
#include "health/evidence.h"
#include "health/policy.h"
#include "health/state-machine.h"
#include "model/attempt.h"
#include "model/memory.h"
#include "model/provider.h"
#include "model/state.h"

#include <sys/queue.h>

struct input;
struct lease;
struct step;

/* What a reload did with a database, of which those who listen have not been told yet. */
enum news {
        NEWS_NONE,
        NEWS_ADDED,
        NEWS_REMOVED,
        NEWS_REPLACES, /* its predecessor */
        NEWS_REPLACED, /* told with its successor */
};

/* The attempt that is under way. */
struct check_in_flight {
        uint64_t id; /* 0: none is */
        enum check check;
        uint64_t began_boot_usec;
        uint64_t wanted_boot_usec;   /* since when it was wanted at once: it may have waited for a place */
        uint64_t slow_due_boot_usec; /* when to ask whether it is slow */
        bool slow_look_was_early;    /* the last look found it before the login */
        bool asked_otherwise;        /* a reload expects something else of its answer */
};

struct check_rhythm {
        uint64_t finished_boot_usec; /* when one of this kind last ended; 0: never */
        uint64_t duration_usec;      /* of the last one; 0: there was none */
        uint64_t interval_usec;      /* to the next one: the configured one, with jitter */
};

/* The wake that runs, or was given up and not answered since. */
struct wake {
        uint64_t began_boot_usec;  /* its first attempt; 0: there is none */
        uint64_t wanted_boot_usec; /* since when that attempt was wanted: the latency counts from here */
        bool from_evidence;        /* begun where the database was not known to be awake */
        unsigned attempts;         /* the logins of it that ended, before the one that is being judged */
        enum wake_cause cause;
};

struct database {
        uint64_t id;                          /* never reused */
        const struct database_config *config; /* borrowed */
        const struct provider *provider;

        /* The verdict. */
        enum state state;
        enum reason reason;
        char sqlstate[SQLSTATE_LENGTH + 1];
        char *detail; /* raw text beside the reason, or NULL */
        uint64_t since_real_usec;
        uint64_t since_boot_usec;
        uint64_t renewed_boot_usec; /* when its evidence was last confirmed; 0: there was none yet */
        uint64_t repeated;

        /* What was counted. */
        unsigned answers_needed; /* after failures: so many more in a row, of `rise`, before it is awake */
        unsigned failures_in_row;
        unsigned unanswered_in_row; /* the last of them that told nothing of the database: `fall` of these are down */
        struct counts counts; /* also from before a restart of ours */

        /* What the verdict is derived from. */
        struct evidence evidence;

        /* The last attempt, and the one in flight. */
        struct attempt last_attempt; /* id 0: there was none */
        struct check_in_flight in_flight;
        struct check_rhythm checks[_CHECK_MAX];

        /* The session and the server behind it. */
        bool session_held;
        uint64_t session_since_real_usec;
        bool blocked_before; /* it was before a restart of ours, and no login said anything since */
        struct server_info server; /* version 0: not known */
        uint64_t caught_up_boot_usec; /* when the standby that answered last had replayed everything; 0: not known */
        bool cut_young;               /* the last session that went did so within retry_interval of its login */
        uint64_t wanted_boot_usec;    /* since when the next check is wanted at once; 0: it comes in its rhythm */

        /* Waking. */
        struct wake wake;
        uint64_t woken_server_real_usec; /* the start of the server whose wake was judged last: none is counted twice */
        bool woken_is_open;              /* it may have been judged before a restart of ours */
        struct histogram *wake_latency; /* made by the first wake */

        /* The cost. */
        struct account account;         /* of what was until counted_boot_usec */
        uint64_t counted_boot_usec, counted_suspended_usec;
        bool account_runs;              /* it is awake since then */
        uint64_t asked_boot_usec;       /* when our last answered query was sent */
        uint64_t asking_since_boot_usec; /* since when it is we who keep it awake, while that is so (policy_asks) */
        bool budget_spent;
        uint64_t month_look_boot_usec; /* budget_spent: when to look whether a new month has begun */

        /* Demand and pause. */
        uint64_t demand_until_boot_usec; /* of wake calls, the start and linger; 0: none */
        uint64_t presumed_until_boot_usec; /* what is presumed after a restart: no answer shortens it to `linger` */
        enum wake_cause demand_cause;
        TAILQ_HEAD(lease_list, lease) leases; /* the engine's */
        size_t n_leases;
        uint64_t paused_until_boot_usec; /* 0: not paused */

        bool past_is_to_come; /* the engine's: what was before a restart of ours is not known yet (database_restore_late()) */
        enum news news;             /* the engine's */
        struct database *predecessor; /* the engine's: of the same name, before a reload; until that is told */

        struct heap_item due;     /* the engine's: when to look at it again */
        struct heap_item waiting; /* the engine's: due, and waiting for a free place among the attempts */

        uint64_t random; /* for jitter */
        uint64_t retry_delay_usec; /* before the next try while something is changing */
};

/* CONFIG is borrowed and must outlive the database, or be replaced. Nobody needs it yet. */
int database_new(uint64_t id, const struct database_config *config, struct instant now, struct database **ret_database);
struct database *database_free(struct database *database);

/* After a reload that did not change this database: only the pointer. */
void database_replace_config(struct database *database, const struct database_config *config);

/*
 * Counters, accounts and a pause go on from MEMORY; the verdict is unknown all the same, for REASON where nothing else says why. Of a
 * database that nothing happened to yet.
 */
void database_restore(struct database *database, const struct memory *memory, enum reason reason, struct instant now);
/* INPUT_RECALLED: what was before the database began without knowing it; counters and accounts go on from there. For step.c. */
void database_restore_late(struct database *database, const struct input *input, struct instant now, struct step *step);
void database_remember(const struct database *database, struct instant now, struct memory *ret_memory);

/* How long after the last query its server may be suspended. */
uint64_t database_suspend_after_usec(const struct database *database);
bool database_has_demand(const struct database *database);
/* When the verdict expires; USEC_INFINITY: not by time alone. */
uint64_t database_fresh_until(const struct database *database);
/* The end of its pause by the clock of people; 0: not paused. */
uint64_t database_paused_until_real(const struct database *database, struct instant now);
/* What being awake has cost, up to NOW. */
struct account database_account(const struct database *database, struct instant now);

/* All failures, and all wakes. */
uint64_t database_failures(const struct database *database);
uint64_t database_wakes(const struct database *database);

bool database_ready(const struct database *database);
/* ?accept=asleep: also asleep, waking, and unknown with a good door. */
bool database_ready_or_asleep(const struct database *database);
/* Usec until it is probably ready, from its own wakes; USEC_INFINITY when nothing is known or nothing is under way. */
uint64_t database_expected_ready_usec(const struct database *database, struct instant now);
