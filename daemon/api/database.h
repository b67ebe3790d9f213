/* The state of one database in answers: the verdict of /readyz, /wake and /lease, and the whole of /status. */
#pragma once

#include "api/field.h"

struct lease_status {
        uint64_t id;
        const char *owner;
        uint64_t since_real_usec, until_real_usec; /* until 0: as long as its connection */
};

/* One row of a FIELD_MAP of counts, and one of spans. */
struct named_count {
        const char *name;
        uint64_t count;
};

struct named_span {
        const char *name;
        uint64_t usec;
};

struct attempt_status {
        bool known;
        const char *kind, *outcome, *sqlstate, *address, *detail;
        uint64_t at_real_usec, total_usec;
        struct field_rows phases; /* of struct named_span; USEC_INFINITY: not entered */
};

struct session_status {
        bool held;
        uint64_t since_real_usec;
};

struct server_status {
        bool known;
        const char *version; /* "15.18" */
        uint64_t started_real_usec;
        bool in_recovery;
};

struct last_wake_status {
        bool known;
        uint64_t at_real_usec, latency_usec;
        const char *cause;
        bool cold;
};

struct wakes_status {
        uint64_t count;
        struct field_rows by_cause; /* of struct named_count */
        struct last_wake_status last;
        uint64_t p50_usec, p95_usec, p99_usec;
};

struct failures_status {
        uint64_t consecutive, total;
        struct field_rows by_reason; /* of struct named_count */
};

struct budget_status {
        bool known;
        uint64_t awake_usec, used_usec;
        bool spent;
        const char *month; /* "2026-11" */
};

struct demand_status {
        bool known;
        const char *cause;
        uint64_t until_real_usec;
};

struct next_check_status {
        bool known;
        const char *kind;
        uint64_t in_usec;
};

struct database_status {
        const char *name, *state;
        bool ready;
        const char *reason, *message, *advice, *detail;
        uint64_t since_real_usec, age_usec, fresh_until_real_usec, generation;
        const char *policy, *provider, *endpoint;
        uint64_t paused_until_real_usec;
        struct attempt_status last_attempt;
        struct session_status session;
        struct server_status server;
        struct wakes_status wakes;
        uint64_t expected_ready_usec;
        struct failures_status failures;
        uint64_t awake_usec, awake_on_our_demand_usec;
        struct budget_status budget;
        struct demand_status demand;
        struct field_rows leases; /* of struct lease_status */
        struct next_check_status next_check;
};

extern const struct field lease_fields[];
extern const struct field count_field[]; /* the element of a FIELD_MAP: struct named_count */
extern const struct field span_field[];  /* struct named_span */
extern const struct field database_fields[];
/* Only the verdict, in a struct database_status. */
extern const struct field verdict_fields[];
