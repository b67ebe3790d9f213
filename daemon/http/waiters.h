/*
 * Requests that are held until what they ask for is so, or their time is over. They are no demand. One timer for all, set to the earliest
 * moment of any; all are looked at after a turn of the loop in which a database changed, so many in each turn that nobody else waits for long.
 * Internal to http/.
 */
#pragma once

#include "base/heap.h"
#include "http/server-private.h"

#include <sys/queue.h>

struct waiter {
        struct server *server;
        struct exchange *exchange;
        uint64_t database_id; /* 0: all that are required */
        char name[64];
        bool accept_asleep;
        uint64_t spread_usec;         /* 0, or: answered at a moment of its own, so long after it is so */
        uint64_t evidence_boot_usec;  /* when the last login had ended at the time of the request */
        /* DATABASE is NULL for all. Never called for a database that a reload took away: that is answered 404. */
        bool (*met)(const struct waiter *waiter, const struct database *database);
        /* Answers whether waiting on is in vain; the request is answered at once then. NULL: it never is. */
        bool (*hopeless)(const struct waiter *waiter, const struct database *database);
        void (*answer)(const struct waiter *waiter, const struct database *database);

        uint64_t deadline_usec;
        uint64_t release_usec; /* its moment, while it is so; else USEC_INFINITY */
        struct heap_item due;  /* when it must be looked at though nothing was told */
        TAILQ_ENTRY(waiter) link;
};

int waiters_new(struct server *server, struct waiters **ret_waiters);
struct waiters *waiters_free(struct waiters *waiters);
/* Answers all of them that the daemon is stopping. */
void waiters_stop(struct waiters *waiters);

/* Holds the exchange of WAITER (copied) for WAIT_USEC; where that fails it is answered now. */
void waiters_add(struct waiters *waiters, const struct waiter *waiter, uint64_t wait_usec);
size_t waiters_count(const struct waiters *waiters);
/* A database changed. */
void waiters_notify(struct waiters *waiters);
