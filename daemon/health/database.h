/* One database and everything known about it, for reading. Only database_step() (health/step.h) changes it. No fd, no clock, no thread. */
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

/* What a reload did with a database and has not reported to the observers yet. */
enum news {
        NEWS_NONE,
        NEWS_ADDED,
        NEWS_REMOVED,
        NEWS_REPLACES, /* replaces its predecessor */
        NEWS_REPLACED, /* reported together with its successor */
};

/* The attempt in flight. */
struct check_in_flight {
        uint64_t id; /* 0: none */
        enum check check;
        uint64_t began_boot_usec;
        uint64_t wanted_boot_usec;   /* since when it was due at once; it may have queued for a slot */
        uint64_t slow_due_boot_usec; /* when to look whether it is slow */
        bool slow_look_was_early;    /* the last look came before the login phase */
        bool asked_otherwise;        /* a reload changed the expectations since it began */
};

struct check_rhythm {
        uint64_t finished_boot_usec; /* when one of this kind last ended; 0: never */
        uint64_t duration_usec;      /* of the last one; 0: there was none */
        uint64_t interval_usec;      /* to the next one: the configured one, with jitter */
};

/* The wake in progress, or one that timed out and has not been answered since. */
struct wake {
        uint64_t began_boot_usec;  /* start of its first attempt; 0: no wake */
        uint64_t wanted_boot_usec; /* since when that attempt was due: latency counts from here; USEC_INFINITY: the server was awake and full */
        bool from_evidence;        /* the database was seen asleep, or said that it starts */
        unsigned attempts;         /* its logins that have ended, without the one being evaluated */
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
        uint64_t renewed_boot_usec; /* when the verdict was last confirmed; 0: never */
        uint64_t repeated;

        /* Counters. */
        unsigned answers_needed; /* after failures: answers in a row still missing of `rise` before it is awake */
        unsigned failures_in_row;
        unsigned unanswered_in_row; /* the latest of them that say nothing about the database: `fall` of these make it down */
        struct counts counts; /* including those from before a restart */

        /* The evidence, from which the verdict is derived. */
        struct evidence evidence;

        /* The last attempt, and the one in flight. */
        struct attempt last_attempt; /* id 0: there was none */
        struct check_in_flight in_flight;
        struct check_rhythm checks[_CHECK_MAX];

        /* The session and the server behind it. */
        bool session_held;
        uint64_t session_since_real_usec;
        bool blocked_before; /* blocked before a restart, and no login has tested that since */
        struct server_info server; /* version 0: unknown */
        uint64_t caught_up_boot_usec; /* when the standby that last answered was last seen fully caught up; 0: unknown */
        bool cut_young;               /* the last session to end did so within retry_delay_usec of the last login */
        uint64_t wanted_boot_usec;    /* since when the next check is due at once; 0: it is due on schedule */

        /* Waking. */
        struct wake wake;
        uint64_t woken_server_real_usec; /* start of the last server judged for a wake: no start counts twice */
        bool woken_is_open;              /* it may have been counted before a restart */
        struct histogram *wake_latency; /* NULL until the first wake */

        /* The cost. */
        struct account account;         /* up to counted_boot_usec */
        uint64_t counted_boot_usec, counted_suspended_usec;
        bool account_runs;              /* awake since counted_boot_usec */
        uint64_t asked_boot_usec;       /* when our last answered query was sent */
        uint64_t asking_since_boot_usec; /* since when we keep it awake, while we do (policy_asks()) */
        bool budget_spent;
        uint64_t month_look_boot_usec; /* budget_spent: when to look for a new month */

        /* Demand and pause. */
        uint64_t demand_until_boot_usec; /* end of demand from wake calls, the start and linger; 0: none */
        uint64_t presumed_until_boot_usec; /* end of demand presumed after a restart: no answer shortens it to `linger` */
        enum wake_cause demand_cause;
        TAILQ_HEAD(lease_list, lease) leases; /* the engine's */
        size_t n_leases;
        size_t n_timed_leases; /* the engine's: those of them that the clock ends */
        uint64_t paused_until_boot_usec; /* 0: not paused */

        bool past_is_to_come; /* the engine's: the state from before a restart is not loaded yet (database_restore_late()) */
        enum news news;             /* the engine's */
        struct database *predecessor; /* the engine's: the database of this name before a reload, until that is reported */

        struct heap_item due;     /* the engine's: when its next step is due */
        struct heap_item waiting; /* the engine's: due, and waiting for a free slot among the attempts */

        uint64_t random; /* for jitter */
        uint64_t retry_delay_usec; /* before the next retry */
};

/* CONFIG is borrowed and must outlive the database, or be replaced. A new database has no demand. */
int database_new(uint64_t id, const struct database_config *config, struct instant now, struct database **ret_database);
struct database *database_free(struct database *database);

/* After a reload that did not change this database: replaces only the pointer. */
void database_replace_config(struct database *database, const struct database_config *config);

/*
 * Continues counters, accounts and a pause from MEMORY. The verdict stays unknown, for REASON unless a pause or a spent budget explains it.
 * Only for a database that has taken no step yet.
 */
void database_restore(struct database *database, const struct memory *memory, enum reason reason, struct instant now);
/* INPUT_RECALLED: adds the counters and accounts from before a restart to those of a database that runs already. For step.c. */
void database_restore_late(struct database *database, const struct input *input, struct instant now, struct step *step);
void database_remember(const struct database *database, struct instant now, struct memory *ret_memory);

/* The earliest time after the last query at which its server may be suspended. */
uint64_t database_suspend_after_usec(const struct database *database);
bool database_has_demand(const struct database *database);
/* When the verdict expires; USEC_INFINITY: not by time alone. */
uint64_t database_fresh_until(const struct database *database);
/* The end of its pause in wall-clock time; 0: not paused. */
uint64_t database_paused_until_real(const struct database *database, struct instant now);
/* The account, including the time up to NOW. */
struct account database_account(const struct database *database, struct instant now);

/* The sums over all reasons and over all causes. */
uint64_t database_failures(const struct database *database);
uint64_t database_wakes(const struct database *database);

bool database_ready(const struct database *database);
/* ?accept=asleep: ready, asleep or waking; also unknown behind a good door, or where no check could tell whether it sleeps. */
bool database_ready_or_asleep(const struct database *database);
/* Estimated usec until it is ready, from its own wakes or the provider's usual one; USEC_INFINITY: unknown, or nothing is under way. */
uint64_t database_expected_ready_usec(const struct database *database, struct instant now);
