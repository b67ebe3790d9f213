/*
 * A share of the databases: what they are asked, their sockets, their deadlines. One thread at a time serves a lane (probe/prober.h); what
 * is in it belongs to that thread.
 *
 * When that thread is set aside in the middle of a guarded operation of libpq, everything here but the connection it is working on passes
 * to the next one. Therefore the lane is in order whenever an operation begins, and who finds himself set aside returns at once, up to
 * the top, without another look at it: all functions that perform operations answer whether the lane is still theirs.
 */
#pragma once

#include "base/queue.h"
#include "probe/guard.h"
#include "probe/subject.h"
#include "base/id-map.h"

enum lane_message_kind {
        LANE_CHECK,
        LANE_DROP_SESSION,
        LANE_FORGET,
        LANE_STOP,
        LANE_GIVE_UP, /* what is still under way after LANE_STOP */
        LANE_RESOLVED, /* from the resolver */
        LANE_RETURNED, /* from a thread that was set aside: the connection is back */
};

struct lane_message {
        enum lane_message_kind kind;
        uint64_t database;
        union {
                struct run_order order;    /* LANE_CHECK; the lane's from now on */
                struct resolved resolved;  /* LANE_RESOLVED */
                struct line *line;         /* LANE_RETURNED */
        };
};

struct lane {
        struct queue *messages; /* any thread may push */
        struct queue *reports;  /* of struct probe_report; not owned */
        struct resolver *resolver;
        struct guard *guard; /* of the thread that serves the lane */

        int epoll_fd;
        uint64_t now_usec; /* of this turn: CLOCK_MONOTONIC and CLOCK_BOOTTIME */
        uint64_t now_boot_usec;

        struct id_map subjects; /* by id */
        struct subject *active;
        unsigned n_active;
        struct subject *done, **last_done; /* not reported yet */
        unsigned n_done;
        uint64_t done_since_usec;
        struct subject *buried;
        struct line *listed, **last_listed; /* connections whose next step may be dear, in the order of their events */
        uint64_t next_due_usec;             /* no attempt is due before */
        bool stopping;
        /* Since LANE_STOP, for crew_stop(): sessions that were terminated, and what servers did about the attempts under way. */
        _Atomic unsigned goodbyes, answers;
};

int lane_new(struct queue *reports, struct resolver *resolver, struct lane **ret_lane);
/* With no thread serving it. Connections that are still away stay with their threads. Takes NULL. */
struct lane *lane_free(struct lane *lane);

/* From any thread. 0 or -ENOMEM; what the message owns is the caller's then. */
int lane_push(struct lane *lane, const struct lane_message *message);
/* For resolver_new(). */
bool lane_deliver(void *lane, const struct resolved *answer);

/*
 * A new epoll set for who serves the lane from now on with GUARD: after the start, and after a predecessor was set aside while it worked
 * on AWAY (NULL: none). 0 or a negative errno.
 */
int lane_open(struct lane *lane, struct guard *guard, struct line *away);
/* Watches again what its predecessor watched. */
void lane_resume(struct lane *lane);
/* Waits for something to do and does it. Answers false when the lane belongs to another thread now. */
bool lane_turn(struct lane *lane);
/* Asked to stop, and nothing is under way any more: all connections are terminated. */
bool lane_is_over(const struct lane *lane);
