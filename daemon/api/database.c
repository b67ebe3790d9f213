#include "api/database.h"

#include <assert.h>

static_assert(sizeof(struct lease_status) <= FIELD_ROW_MAX && sizeof(struct named_count) <= FIELD_ROW_MAX, "a row is larger than allowed");

const struct field count_field[] = {
        {"", FIELD_COUNT, offsetof(struct named_count, count), FIELD_REQUIRED, NULL},
        {0},
};

const struct field span_field[] = {
        {"", FIELD_SECONDS, offsetof(struct named_span, usec), 0, NULL},
        {0},
};

#define MEMBER(member) offsetof(struct lease_status, member)

const struct field lease_fields[] = {
        {"id", FIELD_COUNT, MEMBER(id), FIELD_REQUIRED, NULL},
        {"owner", FIELD_TEXT, MEMBER(owner), 0, NULL},
        {"since", FIELD_TIME, MEMBER(since_real_usec), 0, NULL},
        {"until", FIELD_TIME, MEMBER(until_real_usec), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct attempt_status, member)

static const struct field attempt_fields[] = {
        {"kind", FIELD_TEXT, MEMBER(kind), 0, NULL},
        {"at", FIELD_TIME, MEMBER(at_real_usec), 0, NULL},
        {"outcome", FIELD_TEXT, MEMBER(outcome), 0, NULL},
        {"sqlstate", FIELD_TEXT, MEMBER(sqlstate), 0, NULL},
        {"address", FIELD_TEXT, MEMBER(address), 0, NULL},
        {"phases", FIELD_MAP, MEMBER(phases), 0, span_field},
        {"total_seconds", FIELD_SECONDS, MEMBER(total_usec), 0, NULL},
        {"detail", FIELD_TEXT, MEMBER(detail), FIELD_PRIVATE, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct session_status, member)

static const struct field session_fields[] = {
        {"held", FIELD_BOOL, MEMBER(held), 0, NULL},
        {"since", FIELD_TIME, MEMBER(since_real_usec), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct server_status, member)

static const struct field server_fields[] = {
        {"version", FIELD_TEXT, MEMBER(version), 0, NULL},
        {"started_at", FIELD_TIME, MEMBER(started_real_usec), 0, NULL},
        {"in_recovery", FIELD_BOOL, MEMBER(in_recovery), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct last_wake_status, member)

static const struct field last_wake_fields[] = {
        {"at", FIELD_TIME, MEMBER(at_real_usec), 0, NULL},
        {"latency_seconds", FIELD_SECONDS, MEMBER(latency_usec), 0, NULL},
        {"cause", FIELD_TEXT, MEMBER(cause), 0, NULL},
        {"cold", FIELD_BOOL, MEMBER(cold), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct wakes_status, member)

static const struct field wakes_fields[] = {
        {"count", FIELD_COUNT, MEMBER(count), 0, NULL},
        {"by_cause", FIELD_MAP, MEMBER(by_cause), 0, count_field},
        {"last", FIELD_OPTIONAL, MEMBER(last), 0, last_wake_fields},
        {"p50_seconds", FIELD_SECONDS, MEMBER(p50_usec), 0, NULL},
        {"p95_seconds", FIELD_SECONDS, MEMBER(p95_usec), 0, NULL},
        {"p99_seconds", FIELD_SECONDS, MEMBER(p99_usec), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct failures_status, member)

static const struct field failures_fields[] = {
        {"consecutive", FIELD_COUNT, MEMBER(consecutive), 0, NULL},
        {"total", FIELD_COUNT, MEMBER(total), 0, NULL},
        {"by_reason", FIELD_MAP, MEMBER(by_reason), 0, count_field},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct budget_status, member)

static const struct field budget_fields[] = {
        {"awake_seconds", FIELD_SECONDS, MEMBER(awake_usec), 0, NULL},
        {"used_seconds", FIELD_SECONDS, MEMBER(used_usec), 0, NULL},
        {"spent", FIELD_BOOL, MEMBER(spent), 0, NULL},
        {"month", FIELD_TEXT, MEMBER(month), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct demand_status, member)

static const struct field demand_fields[] = {
        {"cause", FIELD_TEXT, MEMBER(cause), 0, NULL},
        {"until", FIELD_TIME, MEMBER(until_real_usec), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct next_check_status, member)

static const struct field next_check_fields[] = {
        {"kind", FIELD_TEXT, MEMBER(kind), 0, NULL},
        {"in_seconds", FIELD_SECONDS, MEMBER(in_usec), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct database_status, member)

/* Common to the verdict and the status. */
#define NAME {"name", FIELD_TEXT, MEMBER(name), FIELD_REQUIRED, NULL}
#define STATE {"state", FIELD_TEXT, MEMBER(state), FIELD_REQUIRED, NULL}
#define READY {"ready", FIELD_BOOL, MEMBER(ready), FIELD_REQUIRED, NULL}
#define REASON {"reason", FIELD_TEXT, MEMBER(reason), 0, NULL}
#define MESSAGE {"message", FIELD_TEXT, MEMBER(message), 0, NULL}
#define AGE {"age_seconds", FIELD_SECONDS, MEMBER(age_usec), 0, NULL}
#define EXPECTED {"expected_ready_in_seconds", FIELD_SECONDS, MEMBER(expected_ready_usec), 0, NULL}

const struct field verdict_fields[] = {NAME, READY, STATE, REASON, MESSAGE, AGE, EXPECTED, {0}};

const struct field database_fields[] = {
        NAME,
        STATE,
        READY,
        REASON,
        MESSAGE,
        {"advice", FIELD_TEXT, MEMBER(advice), 0, NULL},
        {"since", FIELD_TIME, MEMBER(since_real_usec), 0, NULL},
        AGE,
        {"fresh_until", FIELD_TIME, MEMBER(fresh_until_real_usec), 0, NULL},
        {"generation", FIELD_COUNT, MEMBER(generation), 0, NULL},
        {"policy", FIELD_TEXT, MEMBER(policy), 0, NULL},
        {"provider", FIELD_TEXT, MEMBER(provider), 0, NULL},
        {"endpoint", FIELD_TEXT, MEMBER(endpoint), 0, NULL},
        {"paused_until", FIELD_TIME, MEMBER(paused_until_real_usec), FIELD_OMITTED, NULL},
        {"detail", FIELD_TEXT, MEMBER(detail), FIELD_PRIVATE, NULL},
        {"last_attempt", FIELD_OPTIONAL, MEMBER(last_attempt), 0, attempt_fields},
        {"session", FIELD_OBJECT, MEMBER(session), 0, session_fields},
        {"server", FIELD_OPTIONAL, MEMBER(server), 0, server_fields},
        {"wakes", FIELD_OBJECT, MEMBER(wakes), 0, wakes_fields},
        EXPECTED,
        {"failures", FIELD_OBJECT, MEMBER(failures), 0, failures_fields},
        {"awake_seconds", FIELD_SECONDS, MEMBER(awake_usec), 0, NULL},
        {"awake_on_our_demand_seconds", FIELD_SECONDS, MEMBER(awake_on_our_demand_usec), 0, NULL},
        {"budget", FIELD_OPTIONAL, MEMBER(budget), 0, budget_fields},
        {"demand", FIELD_OPTIONAL, MEMBER(demand), 0, demand_fields},
        {"leases", FIELD_LIST, MEMBER(leases), 0, lease_fields},
        {"next_check", FIELD_OPTIONAL, MEMBER(next_check), 0, next_check_fields},
        {0},
};
