/*
 * The part of a database's state that outlives the daemon: its counters, its wakes, its account, and leases with a time limit. Plain
 * values; health/ makes and takes them, history/ stores them.
 */
#pragma once

#include "model/attempt.h"
#include "model/event.h"
#include "model/histogram.h"
#include "model/state.h"

struct wake_record {
        uint64_t at_real_usec; /* when it ended */
        uint64_t latency_usec; /* USEC_INFINITY: unknown, since somebody else woke it */
        enum wake_cause cause;
        bool cold;
};

/* The time that a database was seen awake. */
struct account {
        uint64_t awake_usec;
        uint64_t ours_usec; /* the part that we caused: under our demand, and as long as our last query could keep it awake */
        /* The calendar month (UTC, months since January 1970) that the budget is for, and the time awake in it. */
        unsigned month;
        uint64_t month_awake_usec;
        /* Another month whose total is kept: the one before, or one that the wall clock was set to meanwhile. Not kept over a restart. */
        unsigned other_month;
        uint64_t other_month_awake_usec;
        /* Until when time is counted, by the wall clock: a later answer may add the server's uptime since then. 0: unknown. */
        uint64_t counted_real_usec;
};

/* A database's counters, and the times that belong to them. */
struct counts {
        uint64_t generation;
        uint64_t server_started_real_usec; /* the newest start of all servers seen; 0: unknown */
        uint64_t attempts[_CHECK_MAX][_REASON_CLASS_MAX];
        uint64_t failures_by_reason[_REASON_MAX];
        uint64_t last_success_real_usec; /* 0: never */
        uint64_t wakes_by_cause[_WAKE_CAUSE_MAX];
        struct wake_record last_wake; /* at_real_usec 0: none */
};

struct memory {
        uint64_t saved_real_usec;
        bool held; /* it had a lease that ends with its connection, or one was presumed */

        enum state state; /* blocked until a login clears that, whatever followed; the verdict after a restart is unknown all the same */
        enum reason reason;
        uint64_t since_real_usec;
        uint64_t paused_until_real_usec; /* 0: not paused */

        struct counts counts;
        struct histogram wake_latency;

        struct account account;
};

/*
 * Whether a server that STARTED then is newer than the newest start KNOWN before a restart. A known start that lies ahead of our clock came
 * from a wrong clock: it must not hide every later start.
 */
bool memory_is_newer_start(uint64_t known_real_usec, uint64_t started_real_usec, uint64_t now_real_usec);
/* How much of the pause is left; 0: there is none. */
uint64_t memory_pause_left(const struct memory *memory, uint64_t now_real_usec);
/*
 * Adds the state from BEFORE a restart to MEMORY, which began without it. Counters add up; otherwise MEMORY's values stand where it has
 * any. Its generation differs from BEFORE's if a newer start was seen, or a session ended, since.
 */
void memory_add(struct memory *memory, const struct memory *before);

/* Enough for a unit's name, and for "user, process 4194304 on host". */
#define LEASE_OWNER_MAX 255

struct lease_record {
        uint64_t id;
        char database[64];
        char owner[LEASE_OWNER_MAX + 1]; /* as the holder describes itself */
        uint64_t since_real_usec;
        uint64_t until_real_usec; /* 0: as long as the connection that requested it */
};
