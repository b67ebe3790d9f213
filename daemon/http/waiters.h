/*
 * Requests held until their condition is met, or their time has passed. They are no demand. One timer for all is set to the earliest time
 * of any. All are checked after a loop iteration in which a database changed, only so many per iteration that nothing else waits for long.
 * Internal to http/.
 */
#pragma once

#include "base/heap.h"
#include "http/server-private.h"

#include <sys/queue.h>

struct waiter {
        struct server *server;
        struct exchange *exchange;
        uint64_t database_id; /* 0: all required ones */
        char name[64];
        bool accept_asleep;
        uint64_t spread_usec;         /* 0; or the answer is delayed by a time of its own up to this */
        uint64_t evidence_boot_usec;  /* the end of the last login before the request */
        /*
         * Whether the condition is met. DATABASE is NULL for all. Never called for a database that a reload removed: that is answered 404.
         */
        bool (*met)(const struct waiter *waiter, const struct database *database);
        /* Returns whether waiting is in vain, so that the request is answered at once. NULL: it never is. */
        bool (*hopeless)(const struct waiter *waiter, const struct database *database);
        void (*answer)(const struct waiter *waiter, const struct database *database);

        uint64_t deadline_usec;
        uint64_t release_usec; /* when to answer, while the condition is met; else USEC_INFINITY */
        struct heap_item due;  /* when to check it without a change */
        TAILQ_ENTRY(waiter) link;
};

int waiters_new(struct server *server, struct waiters **ret_waiters);
struct waiters *waiters_free(struct waiters *waiters);
/* Tells all of them that the daemon is stopping. */
void waiters_stop(struct waiters *waiters);

/* Holds the exchange of WAITER (copied) for WAIT_USEC; if that fails it is answered now. */
void waiters_add(struct waiters *waiters, const struct waiter *waiter, uint64_t wait_usec);
size_t waiters_count(const struct waiters *waiters);
/* A database changed. */
void waiters_notify(struct waiters *waiters);
