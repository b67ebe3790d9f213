#include "api/report.h"

#include <assert.h>

static_assert(sizeof(struct phase_report) <= FIELD_ROW_MAX && sizeof(struct outage_report) <= FIELD_ROW_MAX &&
                      sizeof(struct timeline_report) <= FIELD_ROW_MAX,
              "a row is larger than allowed");

#define MEMBER(member) offsetof(struct spread, member)

static const struct field phase_spread_fields[] = {
        {"count", FIELD_COUNT, MEMBER(count), FIELD_REQUIRED, NULL},
        {"p50_seconds", FIELD_SECONDS, MEMBER(p50_usec), 0, NULL},
        {"p95_seconds", FIELD_SECONDS, MEMBER(p95_usec), 0, NULL},
        {"p99_seconds", FIELD_SECONDS, MEMBER(p99_usec), 0, NULL},
        {0},
};

const struct field phase_field[] = {
        {"", FIELD_OBJECT, offsetof(struct phase_report, spread), 0, phase_spread_fields},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct outage_report, member)

static const struct field outage_fields[] = {
        {"reason", FIELD_TEXT, MEMBER(reason), 0, NULL},
        {"count", FIELD_COUNT, MEMBER(count), FIELD_REQUIRED, NULL},
        {"seconds", FIELD_SECONDS, MEMBER(usec), FIELD_REQUIRED, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct distribution_report, member)

static const struct field distribution_fields[] = {
        {"up_to_seconds", FIELD_SECONDS, MEMBER(up_to_usec), 0, NULL},
        {"count", FIELD_COUNT, MEMBER(count), FIELD_REQUIRED, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct timeline_report, member)

static const struct field timeline_fields[] = {
        {"from", FIELD_TIME, MEMBER(from_real_usec), FIELD_REQUIRED, NULL},
        {"state", FIELD_TEXT, MEMBER(state), FIELD_REQUIRED, NULL},
        {"reason", FIELD_TEXT, MEMBER(reason), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct wakes_report, member)

static const struct field wakes_report_fields[] = {
        {"count", FIELD_COUNT, MEMBER(count), FIELD_REQUIRED, NULL},
        {"by_cause", FIELD_MAP, MEMBER(by_cause), 0, count_field},
        {"cold", FIELD_COUNT, MEMBER(cold), 0, NULL},
        {"p50_seconds", FIELD_SECONDS, MEMBER(latency.p50_usec), 0, NULL},
        {"p95_seconds", FIELD_SECONDS, MEMBER(latency.p95_usec), 0, NULL},
        {"p99_seconds", FIELD_SECONDS, MEMBER(latency.p99_usec), 0, NULL},
        {"max_seconds", FIELD_SECONDS, MEMBER(latency.max_usec), 0, NULL},
        {"distribution", FIELD_LIST, MEMBER(distribution), FIELD_REQUIRED, distribution_fields},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct report_body, member)

static const struct field report_body_fields[] = {
        {"seconds", FIELD_SECONDS, MEMBER(known_usec), FIELD_REQUIRED, NULL},
        {"availability", FIELD_FRACTION, MEMBER(availability), 0, NULL},
        {"states_seconds", FIELD_MAP, MEMBER(states), 0, span_field},
        {"awake_seconds", FIELD_SECONDS, MEMBER(awake_usec), 0, NULL},
        {"awake_on_our_demand_seconds", FIELD_SECONDS, MEMBER(awake_on_our_demand_usec), 0, NULL},
        {"wakes", FIELD_OBJECT, MEMBER(wakes), FIELD_REQUIRED, wakes_report_fields},
        {"phases", FIELD_MAP, MEMBER(phases), FIELD_REQUIRED, phase_field},
        {"outages", FIELD_LIST, MEMBER(outages), FIELD_REQUIRED, outage_fields},
        {"failures", FIELD_MAP, MEMBER(failures), 0, count_field},
        {"timeline", FIELD_LIST, MEMBER(timeline), FIELD_REQUIRED, timeline_fields},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct history_head, member)

const struct field history_head_fields[] = {
        {"name", FIELD_TEXT, MEMBER(name), FIELD_REQUIRED, NULL},
        {"kind", FIELD_TEXT, MEMBER(kind), 0, NULL},
        {"since", FIELD_TIME, MEMBER(since_real_usec), FIELD_REQUIRED, NULL},
        {"until", FIELD_TIME, MEMBER(until_real_usec), FIELD_REQUIRED, NULL},
        {0},
};

const struct field report_fields[] = {
        {NULL, FIELD_INLINE, offsetof(struct report_answer, head), 0, history_head_fields},
        {"report", FIELD_OBJECT, offsetof(struct report_answer, report), FIELD_REQUIRED, report_body_fields},
        {0},
};
