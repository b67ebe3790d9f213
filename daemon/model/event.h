/* An event: what the observers (journal, sd_notify, awake files, event streams, history) are told. A plain value. */
#pragma once

#include "model/attempt.h"
#include "model/state.h"

enum event_kind {
        EVENT_STATE,   /* the state or its reason changed, or the generation alone */
        EVENT_WAKE,    /* a wake ended with the database awake; follows the EVENT_STATE of the same moment */
        EVENT_ADDED,   /* a reload brought this database */
        EVENT_REMOVED, /* a reload took it away */
        EVENT_BUDGET,  /* the month's budget of awake hours is spent (reason budget.spent), or a new month began (REASON_NONE) */
};

/* Who caused a wake. */
enum wake_cause {
        WAKE_LEASE,
        WAKE_CALL,
        WAKE_START,
        WAKE_INTERVAL,
        WAKE_OTHER,
        _WAKE_CAUSE_MAX,
};

/* "lease", "wake", "start", "interval", "other" */
const char *wake_cause_name(enum wake_cause cause);
/* -EINVAL for a word that names no cause. */
int wake_cause_from_name(const char *name, enum wake_cause *ret_cause);
/* "state", "wake", "added", "removed", "budget" */
const char *event_kind_name(enum event_kind kind);

struct event {
        uint64_t sequence; /* grows by one; given by the engine */
        enum event_kind kind;
        const char *database; /* its name; lives as long as the call */
        uint64_t boot_usec;
        uint64_t real_usec;
        enum state state;
        enum state previous;
        enum reason reason;
        bool ready;
        uint64_t generation;
        const struct attempt *attempt; /* the attempt that led here, or NULL */
        uint64_t latency_usec;         /* EVENT_WAKE */
        enum wake_cause cause;         /* EVENT_WAKE */
        bool cold;                     /* EVENT_WAKE: proven by the server's uptime */
        unsigned attempts;             /* EVENT_WAKE: the logins that it took, the answered one among them */
        uint64_t repeated;             /* EVENT_STATE: how often the state and reason before were confirmed */
};
