/* An event, as the observers receive and keep it (journal, sd_notify, awake files, event streams, history). A plain value. */
#pragma once

#include "base/text.h"
#include "model/check.h"
#include "model/classify.h"
#include "model/state.h"

enum event_kind {
        EVENT_STATE,   /* the state or its reason changed, or only the generation */
        EVENT_WAKE,    /* a wake ended with the database awake; follows the EVENT_STATE of the same moment */
        EVENT_ADDED,   /* a reload added this database */
        EVENT_REMOVED, /* a reload removed it */
        EVENT_BUDGET,  /* the month's budget of awake hours is spent (reason budget.spent), or a new month began (REASON_NONE) */
};

/* The cause of a wake. */
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
        uint64_t sequence; /* grows by one; the engine assigns it */
        enum event_kind kind;
        char database[TEXT_NAME_MAX + 1];
        uint64_t boot_usec;
        uint64_t real_usec;
        enum state state;
        enum state previous;
        enum reason reason;
        char sqlstate[SQLSTATE_LENGTH + 1]; /* of the reason, or "" */
        bool ready;
        bool by_attempt; /* the database's last attempt caused it */
        uint64_t generation;

        /* EVENT_STATE */
        uint64_t repeated; /* how often the previous state and reason were confirmed */

        /* EVENT_WAKE */
        uint64_t latency_usec; /* USEC_INFINITY: unknown */
        enum wake_cause cause;
        bool cold;         /* proven by the server's uptime */
        unsigned attempts; /* its logins, including the answered one */
        uint32_t phase_usec[_PHASE_MAX]; /* of the answered login; 0: not entered */
};
