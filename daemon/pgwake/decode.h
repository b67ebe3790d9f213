/*
 * From a JSON object to a struct, by a table: each row names a member, its type and where it goes. What is absent or null stays as the
 * caller left it; what has another type than promised makes the whole answer one that is not understood.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
        FIELD_TEXT,    /* const char *, lives as long as the JSON */
        FIELD_BOOL,    /* bool */
        FIELD_COUNT,   /* uint64_t, not negative */
        FIELD_SECONDS, /* uint64_t of microseconds, not negative */
        FIELD_OBJECT,  /* json_t *, borrowed */
        FIELD_ARRAY,   /* json_t *, borrowed */
        FIELD_ANY,     /* json_t *, borrowed */
};

struct field {
        const char *path; /* "wakes.last.at" */
        enum field_type type;
        bool required;
        size_t offset;
};

/* 0, or -EBADMSG and the path of the member that is wrong in *ret_wrong. */
int decode_fields(json_t *object, const struct field *fields, size_t n, void *ret, const char **ret_wrong);

/* Microseconds since 1970 of an RFC 3339 time in UTC; 0 for NULL and for what is none. */
uint64_t decode_time(const char *text);

/* What the daemon says of one database: the object of /status/NAME, of which /readyz and /wake answer parts. */
#define DATABASE_PHASES 5

/* Texts are NULL, spans USEC_INFINITY and objects NULL where nothing is known. All of it lives as long as the JSON. */
struct database_view {
        const char *name, *state, *reason, *message, *detail;
        const char *since, *fresh_until, *paused_until, *policy, *provider, *endpoint;
        uint64_t age_usec, generation, expected_usec;
        bool ready;
        json_t *attempt;
        const char *attempt_kind, *attempt_at, *attempt_outcome, *attempt_sqlstate, *attempt_address, *attempt_detail;
        uint64_t phase_usec[DATABASE_PHASES], attempt_usec;
        bool session_held;
        const char *session_since;
        json_t *server_version;
        const char *server_started_at;
        bool server_in_recovery;
        uint64_t wakes, wake_p50_usec, wake_p95_usec, wake_p99_usec;
        json_t *wakes_by_cause;
        json_t *last_wake;
        const char *wake_at, *wake_cause;
        uint64_t wake_usec;
        bool wake_cold;
        uint64_t failures_consecutive, failures_total;
        json_t *failures_by_reason;
        uint64_t awake_usec, awake_on_demand_usec;
        json_t *leases;
        json_t *demand;
        const char *demand_cause, *demand_until;
        json_t *budget;
        uint64_t budget_usec, budget_used_usec;
        bool budget_spent;
        const char *budget_month;
        json_t *next_check;
        const char *next_kind;
        uint64_t next_in_usec;
};

/* 0, or -EBADMSG and the member that is wrong. */
int decode_database(json_t *object, struct database_view *ret_database, const char **ret_wrong);

extern const char *const database_phase_names[DATABASE_PHASES];
