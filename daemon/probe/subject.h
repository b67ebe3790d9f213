/*
 * One database as its prober knows it: the attempt that runs, the session that is held, and the connection that hangs in libpq on a thread
 * that was set aside, if any.
 */
#pragma once

#include "probe/run.h"

struct subject;

/* A connection and its place in the lane's set of sockets. */
struct line {
        struct connection connection;
        struct subject *subject;
        uint32_t events; /* what epoll watches its socket for; 0: it does not */
        enum op op;      /* the operation under way, or due */
        uint64_t at_usec;      /* when its socket's event was seen: the loop's time stamps, */
        uint64_t at_boot_usec; /* CLOCK_MONOTONIC and CLOCK_BOOTTIME */
        bool due;        /* for an OP_POLL: its socket's event was seen */
        bool listed;     /* among those that wait for it, or have stopped waiting */
        bool away;       /* with a thread that was set aside: its connection must not be touched */
        bool stale;      /* away, and to be closed when it comes back */
        struct line *next_listed;
};

struct subject {
        uint64_t id;
        const struct provider *provider;
        struct run run;
        struct line lines[2]; /* the session's, and the attempt's beside it */
        struct line *session; /* NULL: none is held */
        char session_address[sizeof(((struct attempt *)NULL)->address)];

        enum phase away_phase; /* where the line that is away hangs */

        bool drop_session; /* as soon as the ping on it has ended */
        uint8_t answers;   /* that were counted since the lane is stopping */
        bool forgotten;    /* to be freed when nothing is under way any more; reports nothing */
        bool buried;       /* nothing is: it is freed at the end of the turn */

        /* How the last session ended, for a ping that was asked before that was known. */
        enum reason end_reason;
        char end_sqlstate[SQLSTATE_LENGTH + 1];

        struct subject *next_active, *previous_active; /* those with an attempt */
        struct subject *next_done;                     /* those whose attempt ended in this turn */
        struct subject *next_buried;
};

struct subject *subject_new(uint64_t id);
/* Closes what stands. Nothing may be away. Answers NULL; takes NULL. */
struct subject *subject_free(struct subject *subject);

/* Closes it, or has it closed when it comes back. */
void line_close(struct line *line);
/* The line of the attempt that runs, or NULL. */
struct line *subject_attempt_line(const struct subject *subject);
/* A line for a new connection. */
struct line *subject_spare_line(struct subject *subject);
/* What the readiness of LINE's socket means now. Answers false when it means nothing any more. */
bool subject_op(const struct subject *subject, const struct line *line, enum op *ret_op);
/* The attempt of SUBJECT has ended: decides which connection stands as the session. */
void subject_take_session(struct subject *subject);
/* The held session ended by itself: writes what is to be reported, and closes it. */
struct probe_report;
void subject_end_session(struct subject *subject, struct probe_report *ret_report);
/* Whether a line of it is away: no new work is begun with libpq for it. */
bool subject_is_away(const struct subject *subject);
/* Whether it may be freed. */
bool subject_is_over(const struct subject *subject);
