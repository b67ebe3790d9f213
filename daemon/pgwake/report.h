/* What the daemon says of a database over a time: the "report" of /history/NAME. */
#pragma once

#include "model/check.h"
#include "pgwake/charts.h"
#include "pgwake/decode.h"

/* Spans are USEC_INFINITY where nothing is known. */
struct report_spread {
        uint64_t count, p50_usec, p95_usec, p99_usec, max_usec;
};

struct report_outage {
        const char *reason; /* "-": none was kept */
        uint64_t count, usec;
};

/* Texts and objects live as long as the JSON. Objects are NULL where nothing is known, and hold numbers that are not negative. */
struct report {
        const char *name, *since, *until;
        uint64_t since_usec, until_usec;
        uint64_t known_usec;
        json_t *availability; /* a number up to 1; NULL: nothing is known */
        json_t *states;       /* seconds of each */
        uint64_t awake_usec, awake_on_demand_usec;
        uint64_t cold;
        struct report_spread wakes, phases[_PHASE_MAX];
        json_t *causes, *failures;
        struct report_outage *outages;
        size_t n_outages;
        struct bars_entry *distribution;
        size_t n_distribution;
        struct timeline_entry *timeline;
        size_t n_timeline;
};

/* 0, -ENOMEM, or -EBADMSG and what is wrong in *ret_wrong. The report is to be freed in any case. */
int report_read(json_t *answer, struct report *ret, const char **ret_wrong);
void report_deinit(struct report *report);

/* The two forms: a picture, or lines of a key and its value for grep and awk. */
void report_draw(struct buffer *buffer, const struct drawing *drawing, const struct report *report);
void report_list(struct buffer *buffer, const struct report *report);
