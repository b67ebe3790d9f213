/*
 * One database as its prober knows it: the attempt that runs, the session that is held, and the connection that hangs in libpq on a thread
 * that was detached, if any.
 */
#pragma once

#include "probe/attempt-run.h"

struct slot;

/* A connection and its place in the worker's set of sockets. */
struct channel {
        struct connection connection;
        struct slot *slot;
        uint32_t events; /* what epoll watches its socket for; 0: it does not */
        enum op op;      /* the operation under way, or due */
        uint64_t at_usec;      /* when its socket's event was seen: the loop's time stamps, */
        uint64_t at_boot_usec; /* CLOCK_MONOTONIC and CLOCK_BOOTTIME */
        bool due;        /* for an OP_POLL: its socket's event was seen */
        bool listed;     /* among those that wait for it, or have stopped waiting */
        bool away;       /* with a thread that was detached: its connection must not be touched */
        bool stale;      /* away, and to be closed when it comes back */
        STAILQ_ENTRY(channel) link;
};

struct slot {
        uint64_t id;
        const struct provider *provider;
        struct attempt_run run;
        struct channel channels[2]; /* the session's, and the attempt's beside it */
        struct channel *session; /* NULL: none is held */
        char session_address[sizeof(((struct attempt *)NULL)->address)];

        enum phase away_phase; /* where the channel that is away hangs */

        bool drop_session; /* as soon as the ping on it has ended */
        uint8_t answers;   /* that were counted since the worker is stopping */
        bool forgotten;    /* to be freed when nothing is under way any more; reports nothing */
        bool to_free;       /* nothing is: it is freed at the end of the turn */

        /* How the last session ended, for a ping that was asked before that was known. */
        enum reason end_reason;
        char end_sqlstate[SQLSTATE_LENGTH + 1];

        LIST_ENTRY(slot) active; /* those with an attempt */
        STAILQ_ENTRY(slot) done; /* those whose attempt ended in this turn */
        struct slot *next_to_free;
};

struct slot *slot_new(uint64_t id);
/* Closes what stands. Nothing may be away. Answers NULL; takes NULL. */
struct slot *slot_free(struct slot *slot);

/* Closes it, or has it closed when it comes back. */
void channel_close(struct channel *channel);
/* The channel of the attempt that runs, or NULL. */
struct channel *slot_attempt_channel(const struct slot *slot);
/* A channel for a new connection. */
struct channel *slot_spare_channel(struct slot *slot);
/* What the readiness of CHANNEL's socket means now. Answers false when it means nothing any more. */
bool slot_op(const struct slot *slot, const struct channel *channel, enum op *ret_op);
/* The attempt of SLOT has ended: decides which connection stands as the session. */
void slot_take_session(struct slot *slot);
/* The held session ended by itself: writes what is to be reported, and closes it. */
struct probe_report;
void slot_end_session(struct slot *slot, struct probe_report *ret_report);
/* Whether a channel of it is away: no new work is begun with libpq for it. */
bool slot_is_away(const struct slot *slot);
/* Whether it may be freed. */
bool slot_is_over(const struct slot *slot);
