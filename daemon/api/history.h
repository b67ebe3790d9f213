/* /history/NAME?kind=wakes, states, outages or hours: what happened to one database, in rows. */
#pragma once

#include "api/report.h"

/* The key of the list of rows, which follows. */
#define API_ROWS "rows"

struct rows_head {
        struct history_head head;
        bool truncated;
};

/* Each row begins with its time. */

struct wake_row {
        uint64_t at_real_usec, latency_usec;
        const char *cause;
        bool cold;
        uint64_t attempts;
        struct field_rows phases; /* of struct named_span; USEC_INFINITY: not entered */
};

struct state_row {
        uint64_t at_real_usec;
        const char *state, *previous, *reason, *sqlstate;
        uint64_t generation;
        const char *detail;
};

struct outage_row {
        uint64_t from_real_usec, to_real_usec; /* to 0: it goes on */
        uint64_t usec;
        const char *state, *reason;
};

/* The attempts of one check, by outcome. */
struct check_attempts {
        const char *name;
        struct field_rows outcomes; /* of struct named_count */
};

/* What was not counted is left out, but not in CSV, whose lines all have the same columns. */
struct hour_row {
        uint64_t hour_real_usec;
        struct field_rows attempts; /* of struct check_attempts */
        struct field_rows failures; /* of struct named_count */
        struct field_rows phases;   /* of struct phase_report */
        uint64_t awake_usec, awake_on_our_demand_usec;
        struct field_rows wakes; /* of struct named_count */
};

/* One of these, of the kind that was asked for. */
union history_row {
        uint64_t real_usec;
        struct wake_row wake;
        struct state_row state;
        struct outage_row outage;
        struct hour_row hour;
};

extern const struct field rows_head_fields[];
extern const struct field wake_row_fields[];
extern const struct field state_row_fields[];
extern const struct field outage_row_fields[];
extern const struct field hour_row_fields[];
