/*
 * A worker: a share of the databases, with their attempts, sockets and deadlines. One thread at a time serves it (probe/workers.c) and owns
 * its contents.
 *
 * If that thread is detached in the middle of a libpq operation, everything here but the connection of that operation passes to the next
 * one. Therefore the worker is consistent whenever an operation begins, and a thread that finds itself detached returns at once, up to the
 * top, without another look at the worker: all functions that perform operations return whether the worker is still theirs.
 */
#pragma once

#include "base/id-map.h"
#include "base/queue.h"
#include "probe/slot.h"
#include "probe/stuck-detector.h"

enum worker_message_kind {
        WORKER_CHECK,
        WORKER_DROP_SESSION,
        WORKER_FORGET,
        WORKER_STOP,
        WORKER_GIVE_UP, /* ends what is still in flight after WORKER_STOP */
        WORKER_RESOLVED, /* from the resolver */
        WORKER_RETURNED, /* from a detached thread: the connection is back */
};

struct worker_message {
        enum worker_message_kind kind;
        uint64_t database;
        union {
                struct attempt_request request;    /* WORKER_CHECK; the worker takes it over */
                struct resolved resolved;  /* WORKER_RESOLVED */
                struct channel *channel;         /* WORKER_RETURNED */
        };
};

struct worker {
        struct queue *messages; /* any thread may push */
        struct queue *reports;  /* of struct probe_report; not owned */
        struct resolver *resolver;
        struct stuck_detector *detector; /* of the thread that serves the worker */

        int epoll_fd;
        uint64_t now_usec; /* of this iteration: CLOCK_MONOTONIC and CLOCK_BOOTTIME */
        uint64_t now_boot_usec;

        struct id_map slots; /* by id */
        LIST_HEAD(, slot) active;
        unsigned n_active;
        STAILQ_HEAD(, slot) done; /* not reported yet */
        unsigned n_done;
        uint64_t done_since_usec;
        struct slot *to_free;
        STAILQ_HEAD(, channel) listed; /* connections whose next step may be expensive, in the order of their events */
        uint64_t next_due_usec;             /* no attempt is due before */
        bool stopping;
        /* Since WORKER_STOP, for workers_stop(): sessions terminated, and reactions of servers to the attempts in flight. */
        _Atomic unsigned goodbyes, answers;
};

int worker_new(struct queue *reports, struct resolver *resolver, struct worker **ret_worker);
/* No thread may serve it. Connections that are away stay with their threads. Takes NULL. */
struct worker *worker_free(struct worker *worker);

/* From any thread. 0 or -ENOMEM: then the caller still owns the message's contents. */
int worker_push(struct worker *worker, const struct worker_message *message);
/* For resolver_new(). */
bool worker_deliver(void *worker, const struct resolved *answer);

/*
 * Opens a new epoll set for the thread that serves the worker from now on, with DETECTOR: at the start, or after its predecessor was
 * detached while it worked on AWAY (NULL: none). 0 or a negative errno.
 */
int worker_open(struct worker *worker, struct stuck_detector *detector, struct channel *away);
/* Watches again what the predecessor watched. */
void worker_resume(struct worker *worker);
/* Waits for something to do, and does it. Returns false if the worker belongs to another thread now. */
bool worker_turn(struct worker *worker);
/* Whether it was told to stop, and nothing is in flight any more: all connections are terminated. */
bool worker_is_over(const struct worker *worker);
