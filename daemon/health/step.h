/*
 * One step of one database: for an input, or because time has passed. It fixes the order of reports, time, plans and events, for the
 * engine, the simulator and every test alike. Pure: time comes in, values go out.
 *
 * First the input is evaluated. Then everything that is due by now follows, until nothing more is due (a pause ends, demand lapses, a wake
 * without demand ends, a verdict expires, accounts are settled). Only then is the next check planned, so that no check is chosen from an
 * outdated state.
 */
#pragma once

#include "health/database.h"

/* The events of one step, in their order. */
#define EVENT_LIST_MAX 8
struct event_list {
        struct event list[EVENT_LIST_MAX];
        unsigned n;
};

/* Adds an event with DATABASE's present state, and returns it for further details. */
struct event *event_list_add(struct event_list *events, const struct database *database, enum event_kind kind, struct instant now);

enum input_kind {
        INPUT_TIME,          /* something may be due */
        INPUT_BEGUN,         /* a check was started */
        INPUT_NOT_BEGUN,     /* a check that was due could not be started; it counts as tried */
        INPUT_ATTEMPT,       /* the one in flight ended */
        INPUT_SESSION_ENDED, /* the held session ended by itself */
        INPUT_HOST_SUSPENDED, /* the host was suspended until now: all evidence is old */
        INPUT_PAUSE,         /* no checks for a time; the caller drops attempt and session */
        INPUT_RECONFIGURED,  /* a reload brought other settings */
        INPUT_RECALLED,      /* the state from before the daemon's start is known now */
        INPUT_START,         /* the daemon starts, or a reload brought it: `wake_at_start` */
        INPUT_WAKE,          /* a client needs it awake: until it is, and `linger` from then on */
        INPUT_LEASE,         /* a client needs it awake until INPUT_LEASE_END, and `linger` from then on */
        INPUT_LEASE_AGAIN,   /* the same, for a lease that existed before: it is never refused */
        INPUT_LEASE_END,
        INPUT_PRESUME,       /* clients that held a lease before a restart may come back: demand is presumed for a time */
};

/* "attempt", "session ended", "wake", ... */
const char *input_name(enum input_kind kind);

struct input {
        enum input_kind kind;
        enum phase phase;              /* INPUT_TIME: of the login in flight, if database_is_slow() */
        enum check check;              /* INPUT_BEGUN, INPUT_NOT_BEGUN */
        uint64_t attempt_id;           /* INPUT_BEGUN */
        const struct attempt *attempt; /* INPUT_ATTEMPT; of INPUT_SESSION_ENDED the reason */
        bool own_network;              /* INPUT_ATTEMPT: our own network is gone */
        bool bare_eof;                 /* INPUT_SESSION_ENDED: the server sent no message */
        uint64_t for_usec;             /* INPUT_PAUSE (0: resume), INPUT_PRESUME; INPUT_LEASE_END: how long ago it ended */
        enum wake_cause cause;         /* INPUT_WAKE */
        const struct memory *memory;   /* INPUT_RECALLED */
        const struct database_config *config; /* INPUT_RECONFIGURED: of the same server (database_config_same_server()) */
};

struct step {
        struct event_list events;
        enum reason refusal; /* why INPUT_WAKE, INPUT_LEASE is refused (paused; blocked with no retry due; budget spent), or REASON_NONE */
        bool drop_session;   /* close the held session: it is of no use */
        bool forget_attempt; /* forget the door check in flight: a login is needed */
};

void database_step(struct database *database, const struct input *input, struct instant now, struct step *ret_step);

/* When the next INPUT_TIME is due. policy_next() tells when the next check is. */
uint64_t database_due(const struct database *database);
/* Whether the login in flight is slow by NOW, and that was not evaluated yet. */
bool database_is_slow(const struct database *database, struct instant now);
