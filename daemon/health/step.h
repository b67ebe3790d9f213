/*
 * One step of one database: something happened, or time has come. This is the order in which reports, time, plans and events follow one
 * another, for the engine, for the simulator and for every test alike. Pure: the time comes in, values go out.
 *
 * First what happened is judged; then whatever time demands by now follows, until nothing more is due (a pause is over, demand lapses, a
 * wake that nobody needs ends, a verdict expires, accounts are settled); only then the next check is planned. So no check is ever chosen
 * from a state that time has already ended.
 */
#pragma once

#include "health/database.h"

/* The events of one step, in their order. */
#define EVENT_LIST_MAX 8
struct event_list {
        struct event list[EVENT_LIST_MAX];
        unsigned n;
};

/* Of DATABASE as it is; answers it, for what else there is to say. */
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
        INPUT_RECALLED,      /* what was before the daemon's start is known now */
        INPUT_START,         /* the daemon starts, or a reload brought it: `wake_at_start` */
        INPUT_WAKE,          /* somebody needs it awake, for `linger` from now */
        INPUT_LEASE,         /* somebody needs it awake until INPUT_LEASE_END, which `linger` follows */
        INPUT_LEASE_AGAIN,   /* the same, of a lease that was there before: nothing refuses it */
        INPUT_LEASE_END,
        INPUT_PRESUME,       /* those who held a lease before a restart may come back: demand is presumed for a time */
};

/* "attempt", "session ended", "wake", ... */
const char *input_name(enum input_kind kind);

struct input {
        enum input_kind kind;
        enum phase phase;              /* INPUT_TIME: of the login in flight, where database_is_slow() */
        enum check check;              /* INPUT_BEGUN, INPUT_NOT_BEGUN */
        uint64_t attempt_id;           /* INPUT_BEGUN */
        const struct attempt *attempt; /* INPUT_ATTEMPT, and of INPUT_SESSION_ENDED the reason */
        bool own_network;              /* INPUT_ATTEMPT: it is our network that is gone, not the database */
        bool bare_eof;                 /* INPUT_SESSION_ENDED: without a word */
        uint64_t for_usec;             /* INPUT_PAUSE (0: resume), INPUT_PRESUME; INPUT_LEASE_END: for so long it has been over */
        enum wake_cause cause;         /* INPUT_WAKE */
        const struct memory *memory;   /* INPUT_RECALLED */
        const struct database_config *config; /* INPUT_RECONFIGURED: of the same server (database_config_same_server()) */
};

struct step {
        struct event_list events;
        enum reason refusal; /* INPUT_WAKE, INPUT_LEASE: what refuses it (paused; blocked, while the next try is not due; budget), or NONE */
        bool drop_session;   /* the held session is of no use to anybody: close it */
        bool forget_attempt; /* a door check was under way, and somebody needs it awake: forget that check */
};

void database_step(struct database *database, const struct input *input, struct instant now, struct step *ret_step);

/* When the next INPUT_TIME is due; the next check is policy_next()'s. */
uint64_t database_due(const struct database *database);
/* Whether the one in flight has become slow by NOW and was not told so. */
bool database_is_slow(const struct database *database, struct instant now);
