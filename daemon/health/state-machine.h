/*
 * The state machine, one pure table: (state, event) -> (state, actions). `pgwaked --dump-machine` prints it, and pgwaked(8) shows that
 * print. evaluate.c turns attempts into events (counting rise and fall); step.c adds those that time brings.
 */
#pragma once

#include "base/buffer.h"
#include "model/state.h"

enum machine_event {
        MACHINE_ANSWERED,     /* a login or ping was answered, `rise` in a row are reached */
        MACHINE_RISING,       /* answered, but `rise` in a row are not reached */
        MACHINE_UNMET,        /* answered, but an expectation failed */
        MACHINE_FULL,         /* the server has no free slot */
        MACHINE_BLOCKED,      /* a person must act */
        MACHINE_FAILING,      /* a failure, fewer than `fall` in a row */
        MACHINE_FAILED,       /* `fall` failures in a row */
        MACHINE_SLOW,         /* a login waits past `slow` for a server that suspends */
        MACHINE_LATE,         /* a login waits past `slow` for one that does not */
        MACHINE_STARTING,     /* the server says that it is starting, or a wake goes on after a failed attempt */
        MACHINE_WAKE_TIMEOUT, /* a wake lasts longer than `wake_timeout` */
        MACHINE_CUT,          /* the held session ended */
        MACHINE_SURVIVED,     /* without demand: the held session lived long enough to prove its server */
        MACHINE_SLEPT,        /* the session ended as the provider's suspend ends it, and the door is good */
        MACHINE_DOOR_GOOD,    /* a door check passed */
        MACHINE_EXPIRED,      /* the evidence is too old */
        MACHINE_NO_NETWORK,   /* our own network is gone */
        MACHINE_NO_MEANS,     /* we had no descriptors, memory or threads to ask */
        MACHINE_PAUSED,       /* an administrator stopped the checks */
        MACHINE_RESUMED,      /* the pause is over */
        _MACHINE_EVENT_MAX,
};

enum machine_action {
        ACTION_GENERATION = 1 << 0, /* all older sessions are dead */
        ACTION_RENEW = 1 << 1,      /* the verdict is fresh again */
        ACTION_REASON = 1 << 2,     /* the event's reason becomes the verdict's */
        ACTION_WAKE_BEGINS = 1 << 3,
        ACTION_WAKE_ENDS = 1 << 4,  /* with the database awake */
        ACTION_WAKE_FAILS = 1 << 5,
};

struct machine_row {
        unsigned from; /* bits of enum state */
        enum machine_event event;
        int to; /* enum state, or MACHINE_STAYS */
        unsigned actions;
        const char *sentence;
};

#define MACHINE_STAYS (-1)

/* "answered", "wake timeout", ... */
const char *machine_event_name(enum machine_event event);
/* The row for EVENT in STATE. Never NULL: a unit test walks all pairs. */
const struct machine_row *machine_step(enum state state, enum machine_event event);
/* Row I, NULL past the end. */
const struct machine_row *machine_row_at(size_t i);
void machine_print(struct buffer *buffer);
