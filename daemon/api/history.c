#include "api/history.h"

#include <assert.h>

static_assert(sizeof(struct check_attempts) <= FIELD_ROW_MAX, "a row is larger than allowed");

#define MEMBER(member) offsetof(struct rows_head, member)

const struct field rows_head_fields[] = {
        {NULL, FIELD_INLINE, MEMBER(head), 0, history_head_fields},
        {"truncated", FIELD_BOOL, MEMBER(truncated), FIELD_REQUIRED, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct wake_row, member)

const struct field wake_row_fields[] = {
        {"at", FIELD_TIME, MEMBER(at_real_usec), FIELD_REQUIRED, NULL},
        {"latency_seconds", FIELD_SECONDS, MEMBER(latency_usec), 0, NULL},
        {"cause", FIELD_TEXT, MEMBER(cause), 0, NULL},
        {"cold", FIELD_BOOL, MEMBER(cold), 0, NULL},
        {"attempts", FIELD_COUNT, MEMBER(attempts), 0, NULL},
        {"phases", FIELD_MAP, MEMBER(phases), 0, span_field},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct state_row, member)

const struct field state_row_fields[] = {
        {"at", FIELD_TIME, MEMBER(at_real_usec), FIELD_REQUIRED, NULL},
        {"state", FIELD_TEXT, MEMBER(state), FIELD_REQUIRED, NULL},
        {"previous", FIELD_TEXT, MEMBER(previous), 0, NULL},
        {"reason", FIELD_TEXT, MEMBER(reason), 0, NULL},
        {"sqlstate", FIELD_TEXT, MEMBER(sqlstate), 0, NULL},
        {"generation", FIELD_COUNT, MEMBER(generation), 0, NULL},
        {"detail", FIELD_TEXT, MEMBER(detail), FIELD_PRIVATE, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct outage_row, member)

const struct field outage_row_fields[] = {
        {"from", FIELD_TIME, MEMBER(from_real_usec), FIELD_REQUIRED, NULL},
        {"to", FIELD_TIME, MEMBER(to_real_usec), 0, NULL},
        {"seconds", FIELD_SECONDS, MEMBER(usec), 0, NULL},
        {"state", FIELD_TEXT, MEMBER(state), FIELD_REQUIRED, NULL},
        {"reason", FIELD_TEXT, MEMBER(reason), 0, NULL},
        {0},
};

static const struct field outcomes_field[] = {
        {"", FIELD_MAP, offsetof(struct check_attempts, outcomes), 0, count_field},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct hour_row, member)

const struct field hour_row_fields[] = {
        {"hour", FIELD_TIME, MEMBER(hour_real_usec), FIELD_REQUIRED, NULL},
        {"attempts", FIELD_MAP, MEMBER(attempts), 0, outcomes_field},
        {"failures", FIELD_MAP, MEMBER(failures), 0, count_field},
        {"phases", FIELD_MAP, MEMBER(phases), 0, phase_field},
        {"awake_seconds", FIELD_SECONDS, MEMBER(awake_usec), 0, NULL},
        {"awake_on_our_demand_seconds", FIELD_SECONDS, MEMBER(awake_on_our_demand_usec), 0, NULL},
        {"wakes", FIELD_MAP, MEMBER(wakes), 0, count_field},
        {0},
};
