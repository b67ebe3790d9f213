/*
 * One database as its prober sees it: the attempt in flight, the held session, and a connection that hangs in libpq on a detached thread,
 * if there is one.
 */
#pragma once

#include "probe/attempt-run.h"

struct slot;

/* A connection and its place in the worker's set of sockets. */
struct channel {
        struct connection connection;
        struct slot *slot;
        uint32_t events; /* that epoll watches its socket for; 0: it does not */
        enum op op;      /* the operation under way, or due */
        uint64_t at_usec;      /* when its socket's event was seen: the loop's time stamps, */
        uint64_t at_boot_usec; /* CLOCK_MONOTONIC and CLOCK_BOOTTIME */
        bool due;        /* for OP_POLL: its socket's event was seen */
        bool listed;     /* in the list of channels for OP_POLL, due or not due any more */
        bool away;       /* with a detached thread: its connection must not be touched */
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

        enum phase away_phase; /* the phase in which the channel that is away hangs */

        bool drop_session; /* when the ping on it has ended */
        uint8_t answers;   /* counted since the worker began to stop */
        bool forgotten;    /* to be freed when nothing is under way any more; reports nothing */
        bool to_free;       /* nothing is: freed at the end of the iteration */

        /* How the last session ended, for a ping that was requested before that was known. */
        enum reason end_reason;
        char end_sqlstate[SQLSTATE_LENGTH + 1];

        LIST_ENTRY(slot) active; /* slots with an attempt */
        STAILQ_ENTRY(slot) done; /* slots whose attempt ended in this iteration */
        struct slot *next_to_free;
};

struct slot *slot_new(uint64_t id);
/* Closes its connections. No channel may be away. Returns NULL; takes NULL. */
struct slot *slot_free(struct slot *slot);

/* Closes CHANNEL, now or when it comes back. */
void channel_close(struct channel *channel);
/* The channel of the attempt in flight, or NULL. */
struct channel *slot_attempt_channel(const struct slot *slot);
/* A channel for a new connection. */
struct channel *slot_spare_channel(struct slot *slot);
/* The operation to perform if CHANNEL's socket is ready. Returns false if there is none any more. */
bool slot_op(const struct slot *slot, const struct channel *channel, enum op *ret_op);
/* The attempt of SLOT has ended: decides which connection is the session. */
void slot_take_session(struct slot *slot);
/* The held session ended by itself: fills in the report, and closes it. */
struct probe_report;
void slot_end_session(struct slot *slot, struct probe_report *ret_report);
/* Whether one of its channels is away: no other operation of libpq begins for it. */
bool slot_is_away(const struct slot *slot);
/* Whether it may be freed. */
bool slot_is_over(const struct slot *slot);
