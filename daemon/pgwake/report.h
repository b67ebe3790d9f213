/* The daemon's report on a database over a period, ready to be drawn. */
#pragma once

#include "api/report.h"
#include "pgwake/charts.h"
#include "pgwake/decode.h"

struct report {
        struct report_answer answer;
        struct bars_entry *distribution;
        size_t n_distribution;
        struct timeline_entry *timeline;
        size_t n_timeline;
};

/* 0, -ENOMEM, or -EBADMSG and the wrong member. Free the report in any case; its texts live as long as the JSON. */
int report_read(json_t *answer, struct report *ret, char wrong[DECODE_PATH_MAX]);
void report_deinit(struct report *report);

/* The two forms: a picture, or lines of a key and its value for grep and awk. */
void report_draw(struct buffer *buffer, const struct drawing *drawing, const struct report *report);
void report_list(struct buffer *buffer, const struct report *report);

/* The spread of the phase NAME, of rows of struct phase_report; unknown if it is not listed. */
struct spread report_phase(struct field_rows phases, const char *name);
