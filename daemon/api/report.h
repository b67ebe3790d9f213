/* /history/NAME?kind=report: one database over a period. */
#pragma once

#include "api/database.h"

/* A distribution of durations. */
struct spread {
        uint64_t count, p50_usec, p95_usec, p99_usec, max_usec;
};

/* A row of `phases`; max_usec is not used. */
struct phase_report {
        const char *name;
        struct spread spread;
};

struct outage_report {
        const char *reason; /* NULL: not kept */
        uint64_t count, usec;
};

/* COUNT wakes took at most UP_TO_USEC (USEC_INFINITY: no bound), and longer than those of the previous row. */
struct distribution_report {
        uint64_t up_to_usec, count;
};

struct timeline_report {
        uint64_t from_real_usec;
        const char *state, *reason;
};

struct wakes_report {
        uint64_t count;
        struct field_rows by_cause; /* of struct named_count */
        uint64_t cold;
        struct spread latency; /* of wakes whose latency is known */
        struct field_rows distribution; /* of struct distribution_report */
};

struct report_body {
        uint64_t known_usec;
        struct field_fraction availability;
        struct field_rows states; /* of struct named_span */
        uint64_t awake_usec, awake_on_our_demand_usec;
        struct wakes_report wakes;
        struct field_rows phases;   /* of struct phase_report */
        struct field_rows outages;  /* of struct outage_report */
        struct field_rows failures; /* of struct named_count */
        struct field_rows timeline; /* of struct timeline_report */
};

/* The beginning of every answer about the past. */
struct history_head {
        const char *name, *kind;
        uint64_t since_real_usec, until_real_usec;
};

struct report_answer {
        struct history_head head;
        struct report_body report;
};

extern const struct field phase_field[]; /* the element of a FIELD_MAP: struct phase_report */
extern const struct field history_head_fields[];
extern const struct field report_fields[];
