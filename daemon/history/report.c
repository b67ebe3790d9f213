#include "history/report.h"

#include "api/report.h"
#include "base/clock.h"
#include "base/error.h"
#include "history/event-record.h"
#include "history/event-rows.h"
#include "history/timeline.h"

#include <stdio.h>

/* Upper bounds: one, two and five of each power of ten, from a millisecond to beyond an hour. */
static const uint64_t bounds_usec[] = {
        1000,     2000,     5000,      10000,     20000,     50000,     100000,     200000,     500000,     1000000,
        2000000,  5000000,  10000000,  20000000,  50000000,  100000000, 200000000,  500000000,  1000000000, 2000000000, 5000000000,
};
#define N_BOUNDS ARRAY_LENGTH(bounds_usec)

struct report {
        struct sqlite *sqlite;
        const struct history_query *query;
        uint64_t database;
        uint64_t saved_real_usec;
        struct schema_words words;

        struct timeline *timeline;

        uint64_t n_wakes, n_cold, by_cause[_WAKE_CAUSE_MAX];
        struct histogram latency;
        uint64_t distribution[N_BOUNDS + 1];

        struct hour sum; /* of all hours */
        struct report_outages {
                enum reason reason;
                uint64_t n, usec;
        } outages[_REASON_MAX];
};

/* Prepares SQL with ?1 the database and ?2, ?3 the period. */
static int report_prepare(const struct report *report, const char *sql, uint64_t since, struct sqlite_statement **ret_statement) {
        int r;

        r = sqlite_prepare(report->sqlite, sql, ret_statement);
        if (r < 0)
                return r;
        sqlite_bind_number(*ret_statement, 1, report->database);
        sqlite_bind_number(*ret_statement, 2, since);
        sqlite_bind_number(*ret_statement, 3, report->query->until_real_usec);
        return 0;
}

/* Wakes. */

static void add_wake(struct report *report, struct sqlite_statement *row) {
        uint64_t latency;
        size_t i = 0;

        report->n_wakes++;
        report->by_cause[schema_cause(&report->words, sqlite_text(row, 1))]++;
        report->n_cold += sqlite_number(row, 2) > 0;
        if (sqlite_is_null(row, 0))
                return;
        latency = sqlite_number(row, 0);
        histogram_add(&report->latency, latency);
        while (i < N_BOUNDS && latency > bounds_usec[i])
                i++;
        report->distribution[i]++;
}

static int report_read_wakes(struct report *report) {
        struct sqlite_statement *statement;
        int r;

        r = report_prepare(report, "SELECT latency_usec, cause, cold FROM wake WHERE database = ?1 AND at >= ?2 AND at < ?3",
                           report->query->since_real_usec, &statement);
        if (r < 0)
                return r;
        while ((r = sqlite_step(statement)) > 0)
                add_wake(report, statement);
        (void)sqlite_finalize(statement);
        return r;
}

/* Hours and outages. */

/*
 * An hour that is partly inside the period counts with at most the length of that part: it is not known when in the hour the database was
 * awake.
 */
static void add_awake(struct report *report, uint64_t hour, uint64_t awake_usec, uint64_t ours_usec) {
        const struct history_query *query = report->query;
        uint64_t until = MIN(query->until_real_usec, query->now_real_usec);
        uint64_t part = usec_sub(MIN(hour + USEC_PER_HOUR, until), MAX(hour, query->since_real_usec));

        report->sum.awake_usec += MIN(awake_usec, part);
        report->sum.ours_usec += MIN(ours_usec, part);
}

static int report_read_hours(struct report *report) {
        uint64_t since = report->query->since_real_usec;
        struct sqlite_statement *statement;
        int r;

        r = report_prepare(report,
                           "SELECT hour, awake_usec, awake_ours_usec, counts FROM hour WHERE database = ?1 AND hour >= ?2 AND hour < ?3",
                           since - since % USEC_PER_HOUR, &statement);
        if (r < 0)
                return r;
        while ((r = sqlite_step(statement)) > 0) {
                add_awake(report, sqlite_number(statement, 0), sqlite_number(statement, 1), sqlite_number(statement, 2));
                r = hour_read_words(&report->sum, sqlite_text(statement, 3));
                if (r < 0)
                        break;
        }
        (void)sqlite_finalize(statement);
        return r;
}

static void add_outage(struct report *report, struct sqlite_statement *row) {
        uint64_t began = sqlite_number(row, 0), ended = sqlite_number(row, 1);
        struct report_outages *outages = &report->outages[schema_reason(&report->words, sqlite_text(row, 2))];

        if (ended == 0)
                ended = report->query->watched ? report->query->now_real_usec : report->saved_real_usec;
        outages->n++;
        outages->usec += usec_sub(MIN(ended, report->query->until_real_usec), MAX(began, report->query->since_real_usec));
}

static int report_read_outages(struct report *report) {
        struct sqlite_statement *statement;
        int r;

        r = report_prepare(report,
                           "SELECT began, ended, reason FROM outage WHERE database = ?1 AND began < ?3 AND (ended IS NULL OR ended > ?2)",
                           report->query->since_real_usec, &statement);
        if (r < 0)
                return r;
        while ((r = sqlite_step(statement)) > 0)
                add_outage(report, statement);
        (void)sqlite_finalize(statement);
        return r;
}

/* The answer. */

static struct spread spread_of(const struct histogram *histogram) {
        if (histogram->count == 0)
                return (struct spread){0, USEC_INFINITY, USEC_INFINITY, USEC_INFINITY, USEC_INFINITY};
        return (struct spread){
                .count = histogram->count,
                .p50_usec = histogram_quantile(histogram, 500),
                .p95_usec = histogram_quantile(histogram, 950),
                .p99_usec = histogram_quantile(histogram, 990),
                .max_usec = histogram->max_usec,
        };
}

static bool report_next_state(struct field_rows *rows, void *ret_row) {
        const struct report *report = rows->of;

        while (rows->index < _STATE_MAX) {
                enum state state = (enum state)rows->index++;

                if (report->timeline->states_usec[state] == 0)
                        continue;
                *(struct named_span *)ret_row = (struct named_span){state_name(state), report->timeline->states_usec[state]};
                return true;
        }
        return false;
}

static bool report_next_cause(struct field_rows *rows, void *ret_row) {
        const struct report *report = rows->of;

        while (rows->index < _WAKE_CAUSE_MAX) {
                enum wake_cause cause = (enum wake_cause)rows->index++;

                if (report->by_cause[cause] == 0)
                        continue;
                *(struct named_count *)ret_row = (struct named_count){wake_cause_name(cause), report->by_cause[cause]};
                return true;
        }
        return false;
}

/* From the first bound that any wake is below, to the last. */
static bool report_next_bound(struct field_rows *rows, void *ret_row) {
        const struct report *report = rows->of;
        size_t first = 0, end = N_BOUNDS + 1, i;

        while (first < end && report->distribution[first] == 0)
                first++;
        while (end > first && report->distribution[end - 1] == 0)
                end--;
        i = first + rows->index++;
        if (i >= end)
                return false;
        *(struct distribution_report *)ret_row = (struct distribution_report){
                .up_to_usec = i < N_BOUNDS ? bounds_usec[i] : USEC_INFINITY,
                .count = report->distribution[i],
        };
        return true;
}

struct phase_report report_phase(const struct hour *hour, enum phase phase) {
        struct histogram histogram = {0};

        hour_add_phase(hour, phase, &histogram);
        return (struct phase_report){phase_name(phase), spread_of(&histogram)};
}

static bool report_next_phase(struct field_rows *rows, void *ret_row) {
        const struct report *report = rows->of;
        struct phase_report *phase = ret_row;

        while (rows->index < _PHASE_MAX) {
                *phase = report_phase(&report->sum, (enum phase)rows->index++);
                if (phase->spread.count > 0)
                        return true;
        }
        return false;
}

static int by_time_falling(const void *a, const void *b) {
        const struct report_outages *left = a, *right = b;

        if (left->usec != right->usec)
                return left->usec < right->usec ? 1 : -1;
        return (int)left->reason - (int)right->reason;
}

static void sort_outages(struct report *report) {
        for (unsigned reason = 0; reason < _REASON_MAX; reason++)
                report->outages[reason].reason = (enum reason)reason;
        qsort(report->outages, _REASON_MAX, sizeof(*report->outages), by_time_falling);
}

static bool report_next_outage(struct field_rows *rows, void *ret_row) {
        const struct report *report = rows->of;

        while (rows->index < _REASON_MAX) {
                const struct report_outages *outages = &report->outages[rows->index++];

                if (outages->n == 0)
                        continue;
                *(struct outage_report *)ret_row = (struct outage_report){
                        .reason = outages->reason == REASON_NONE ? NULL : reason_slug(outages->reason),
                        .count = outages->n,
                        .usec = outages->usec,
                };
                return true;
        }
        return false;
}

static bool report_next_failure(struct field_rows *rows, void *ret_row) {
        const struct report *report = rows->of;

        while (rows->index < _REASON_MAX) {
                enum reason reason = (enum reason)rows->index++;
                uint64_t n = hour_value(&report->sum, COUNTER_FAILURES, reason);

                if (n == 0)
                        continue;
                *(struct named_count *)ret_row = (struct named_count){reason_slug(reason), n};
                return true;
        }
        return false;
}

static struct report_body report_body_of(const struct report *report) {
        uint64_t known = 0, out = 0;

        for (unsigned state = 0; state < _STATE_MAX; state++) {
                known += state == STATE_UNKNOWN ? 0 : report->timeline->states_usec[state];
                out += state_is_outage((enum state)state) ? report->timeline->states_usec[state] : 0;
        }
        return (struct report_body){
                .known_usec = known,
                .availability = {.part = known - out, .whole = known},
                .states = {.next = report_next_state, .of = report},
                .awake_usec = report->sum.awake_usec,
                .awake_on_our_demand_usec = report->sum.ours_usec,
                .wakes = {
                        .count = report->n_wakes,
                        .by_cause = {.next = report_next_cause, .of = report},
                        .cold = report->n_cold,
                        .latency = spread_of(&report->latency),
                        .distribution = {.next = report_next_bound, .of = report},
                },
                .phases = {.next = report_next_phase, .of = report},
                .outages = {.next = report_next_outage, .of = report},
                .failures = {.next = report_next_failure, .of = report},
                .timeline = timeline_rows(report->timeline),
        };
}

static int report_read_all(struct report *report) {
        int r;

        r = timeline_read(report->sqlite, report->query, report->database, &report->words, &report->timeline);
        if (r >= 0)
                r = report_read_wakes(report);
        if (r >= 0)
                r = report_read_hours(report);
        return r < 0 ? r : report_read_outages(report);
}

int report_write(struct sqlite *sqlite, const struct history_query *query, uint64_t database, uint64_t saved_real_usec,
                 struct json_writer *w) {
        struct report *report = calloc(1, sizeof(*report));
        int r;

        if (!report)
                return -ENOMEM;
        report->sqlite = sqlite;
        report->query = query;
        report->database = database;
        report->saved_real_usec = saved_real_usec;
        r = report_read_all(report);
        if (r >= 0) {
                struct report_answer answer = {.head = query_head(query)};

                sort_outages(report);
                answer.report = report_body_of(report);
                field_write_object(w, NULL, report_fields, &answer, false);
        }
        free(report->timeline);
        free(report->sum.counters);
        free(report);
        return r;
}
