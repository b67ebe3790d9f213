/*
 * What of a database outlives the daemon: its counters, its wakes, what being awake has cost, and the leases that live by the clock. Plain
 * values; health/ makes and takes them, history/ keeps them.
 */
#pragma once

#include "model/attempt.h"
#include "model/event.h"
#include "model/histogram.h"
#include "model/state.h"

struct wake_record {
        uint64_t at_real_usec; /* when it ended */
        uint64_t latency_usec; /* USEC_INFINITY: somebody else woke it, and nobody knows how long that took */
        enum wake_cause cause;
        bool cold;
};

/* Time that a database was seen to be awake. */
struct account {
        uint64_t awake_usec;
        uint64_t ours_usec; /* of it: under our demand, and until what we asked last could no longer keep it awake */
        /* The calendar month (UTC, months since January 1970) that the budget is for, and the time awake in it. */
        unsigned month;
        uint64_t month_awake_usec;
        /* The month before it, or that the clock of people was set to meanwhile. Not kept over a restart. */
        unsigned other_month;
        uint64_t other_month_awake_usec;
        /* Until when it is counted, by the clock of people: an answer after that may add what the server's uptime tells. 0: not known. */
        uint64_t counted_real_usec;
};

/* What is counted of a database, and the moments that go with it. */
struct counts {
        uint64_t generation;
        uint64_t server_started_real_usec; /* of all that were seen, the newest start; 0: not known */
        uint64_t attempts[_CHECK_MAX][_REASON_CLASS_MAX];
        uint64_t failures_by_reason[_REASON_MAX];
        uint64_t last_success_real_usec; /* 0: never */
        uint64_t wakes_by_cause[_WAKE_CAUSE_MAX];
        struct wake_record last_wake; /* at_real_usec 0: there was none */
};

struct memory {
        uint64_t saved_real_usec;
        bool held; /* somebody held a lease that ends with its connection */

        enum state state; /* blocked, whatever was told since, until a login says otherwise; the verdict after a restart is unknown */
        enum reason reason;
        uint64_t since_real_usec;
        uint64_t paused_until_real_usec; /* 0: not paused */

        struct counts counts;
        struct histogram wake_latency;

        struct account account;
};

/*
 * Whether the server that says it STARTED then is a newer one than those that were KNOWN (the newest start) before a restart of ours. A
 * start that lies ahead of our clock was told by a clock that was wrong, and would hide every start to come.
 */
bool memory_is_newer_start(uint64_t known_real_usec, uint64_t started_real_usec, uint64_t now_real_usec);
/* For how long the pause goes on; 0: there is none. */
uint64_t memory_pause_left(const struct memory *memory, uint64_t now_real_usec);
/*
 * What was from BEFORE until now, where MEMORY, of now, began without knowing it: counts add up, and of the rest the later counts. Its
 * generation is another than BEFORE's where a newer start was seen, or a session ended, since.
 */
void memory_add(struct memory *memory, const struct memory *before);

/* Long enough for a unit's name and for "user, process 4194304 on host". */
#define LEASE_OWNER_MAX 255

struct lease_record {
        uint64_t id;
        char database[64];
        char owner[LEASE_OWNER_MAX + 1]; /* what the holder says of itself */
        uint64_t since_real_usec;
        uint64_t until_real_usec; /* 0: as long as the connection that asked for it */
};
