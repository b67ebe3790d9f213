/*
 * The closed vocabulary of reasons: why a database is not ready. Users script against the slugs: their meaning never changes.
 *
 * All properties of a reason are one row of one table (reason.c).
 */
#pragma once

#include <stddef.h>

enum reason {
        REASON_NONE, /* ready, or nothing to explain; slug "ok" */
        REASON_NOT_CHECKED,
        REASON_STALE,
        REASON_DNS_FAILED,
        REASON_DNS_TIMEOUT,
        REASON_TCP_REFUSED,
        REASON_TCP_UNREACHABLE,
        REASON_TCP_TIMEOUT,
        REASON_TCP_RESET,
        REASON_TLS_REFUSED,
        REASON_TLS_VERIFY,
        REASON_TLS_FAILED,
        REASON_TLS_TIMEOUT,
        REASON_AUTH_PASSWORD,
        REASON_AUTH_REJECTED,
        REASON_AUTH_METHOD,
        REASON_AUTH_TIMEOUT,
        REASON_DATABASE_MISSING,
        REASON_DATABASE_DENIED,
        REASON_SERVER_STARTING,
        REASON_SERVER_STOPPING,
        REASON_SERVER_RECOVERING,
        REASON_SERVER_REFUSING,
        REASON_SERVER_FULL,
        REASON_SERVER_CRASHED,
        REASON_SERVER_SLOW,
        REASON_QUERY_FAILED,
        REASON_QUERY_TIMEOUT,
        REASON_SESSION_CUT,
        REASON_SESSION_LOST,
        REASON_PROVIDER_TRANSIENT,
        REASON_PROVIDER_THROTTLED,
        REASON_PROVIDER_QUOTA,
        REASON_PROVIDER_DISABLED,
        REASON_PROVIDER_CONFIG,
        REASON_EXPECT_READ_ONLY,
        REASON_EXPECT_PRIMARY,
        REASON_EXPECT_LAG,
        REASON_EXPECT_VALUE,
        REASON_PROTOCOL_GARBAGE,
        REASON_WAKE_TIMEOUT,
        REASON_BUDGET_SPENT,
        REASON_PAUSED,
        REASON_HOST_NETWORK,
        REASON_HOST_RESOURCES,
        REASON_UNCLASSIFIED,
        _REASON_MAX,
};

/* The class of a reason decides the state and the schedule of retries. */
enum reason_class {
        CLASS_OK,
        CLASS_TRANSIENT, /* may pass by itself: retried with backoff, down after `fall` of them */
        CLASS_THROTTLED, /* we asked too often: retried more and more slowly */
        CLASS_FULL,      /* awake without a free slot */
        CLASS_BLOCKED,   /* a person must act */
        CLASS_CUT,       /* the held session ended */
        CLASS_DEGRADED,  /* answered, but an expectation failed */
        CLASS_OURS,      /* about us: says nothing about the database */
        _REASON_CLASS_MAX,
};

struct reason_info {
        const char *slug;
        enum reason_class class;
        int level; /* syslog level of the journal entry when a database gets this reason */
        const char *sentence;
        const char *advice; /* what to do */
};

const struct reason_info *reason_info(enum reason reason);
const char *reason_slug(enum reason reason);
enum reason_class reason_class(enum reason reason);
/* "transient", "blocked", ... */
const char *reason_class_name(enum reason_class class);
/* -EINVAL for a word that is no slug. */
int reason_from_slug(const char *slug, enum reason *ret_reason);
