#include "pgwake/report.h"

#include "base/clock.h"
#include "base/text.h"

#include <errno.h>

static int report_fail(char wrong[DECODE_PATH_MAX], const char *path) {
        (void)text_copy(wrong, DECODE_PATH_MAX, path);
        return -EBADMSG;
}

/* Bounds ascend; the last row may have none. */
static int report_read_distribution(struct report *report, char wrong[DECODE_PATH_MAX]) {
        struct field_rows rows = report->answer.report.wakes.distribution;
        struct distribution_report row;
        uint64_t before = 0;

        report->distribution = calloc(field_rows_count(rows) + 1, sizeof(*report->distribution));
        if (!report->distribution)
                return -ENOMEM;
        while (field_rows_next(&rows, &row)) {
                report->distribution[report->n_distribution++] = (struct bars_entry){row.up_to_usec, row.count};
                if (row.up_to_usec < before)
                        return report_fail(wrong, "report.wakes.distribution");
                before = row.up_to_usec;
        }
        return 0;
}

/* A state of a newer daemon that this program does not know becomes unknown. */
static int report_read_timeline(struct report *report, char wrong[DECODE_PATH_MAX]) {
        struct field_rows rows = report->answer.report.timeline;
        struct timeline_report row;
        uint64_t before = 1;

        report->timeline = calloc(field_rows_count(rows) + 1, sizeof(*report->timeline));
        if (!report->timeline)
                return -ENOMEM;
        while (field_rows_next(&rows, &row)) {
                struct timeline_entry *entry = &report->timeline[report->n_timeline++];

                if (row.from_real_usec < before)
                        return report_fail(wrong, "report.timeline");
                before = entry->from_usec = row.from_real_usec;
                if (state_from_name(row.state, &entry->state) < 0)
                        entry->state = STATE_UNKNOWN;
        }
        return 0;
}

int report_read(json_t *answer, struct report *ret, char wrong[DECODE_PATH_MAX]) {
        int r;

        *ret = (struct report){0};
        r = decode(answer, report_fields, &ret->answer, wrong);
        if (r == 0 && ret->answer.head.until_real_usec < ret->answer.head.since_real_usec)
                r = report_fail(wrong, "until");
        if (r == 0)
                r = report_read_distribution(ret, wrong);
        return r == 0 ? report_read_timeline(ret, wrong) : r;
}

void report_deinit(struct report *report) {
        free(report->distribution);
        free(report->timeline);
        *report = (struct report){0};
}
