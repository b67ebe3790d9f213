#include "history/report.h"

#include "base/clock.h"
#include "base/error.h"
#include "history/event-record.h"
#include "history/event-rows.h"
#include "history/timeline.h"

#include <stdio.h>

/* Up to so long: one, two and five of each power of ten, from a millisecond to beyond an hour. */
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

/* Prepares SQL with ?1 the database and ?2, ?3 the time. */
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

/* An hour that is in the time in part counts with as much as may be in that part: when in the hour it was awake is not known. */
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

/* Writing. */

static void report_write_quantiles(struct json_writer *w, const struct histogram *histogram) {
        static const struct {
                const char *key;
                unsigned permille;
        } quantiles[] = {{"p50_seconds", 500}, {"p95_seconds", 950}, {"p99_seconds", 990}};

        for (size_t i = 0; i < ARRAY_LENGTH(quantiles); i++)
                json_seconds(w, quantiles[i].key,
                             histogram->count > 0 ? histogram_quantile(histogram, quantiles[i].permille) : USEC_INFINITY);
}

static void report_write_states(struct json_writer *w, const struct report *report) {
        uint64_t known = 0, out = 0;

        for (unsigned state = 0; state < _STATE_MAX; state++) {
                known += state == STATE_UNKNOWN ? 0 : report->timeline->states_usec[state];
                out += state_is_outage((enum state)state) ? report->timeline->states_usec[state] : 0;
        }
        json_seconds(w, "seconds", known);
        if (known > 0)
                json_fraction(w, "availability", known - out, known);
        else
                json_absent(w, "availability");
        json_begin_object(w, "states_seconds");
        for (unsigned state = 0; state < _STATE_MAX; state++)
                if (report->timeline->states_usec[state] > 0)
                        json_seconds(w, state_name((enum state)state), report->timeline->states_usec[state]);
        json_end_object(w);
}

static void report_write_distribution(struct json_writer *w, const struct report *report) {
        size_t first = 0, end = N_BOUNDS + 1;

        while (first < end && report->distribution[first] == 0)
                first++;
        while (end > first && report->distribution[end - 1] == 0)
                end--;
        json_begin_array(w, "distribution");
        for (size_t i = first; i < end; i++) {
                json_begin_object(w, NULL);
                json_seconds(w, "up_to_seconds", i < N_BOUNDS ? bounds_usec[i] : USEC_INFINITY);
                json_unsigned(w, "count", report->distribution[i]);
                json_end_object(w);
        }
        json_end_array(w);
}

static void report_write_wakes(struct json_writer *w, const struct report *report) {
        json_begin_object(w, "wakes");
        json_unsigned(w, "count", report->n_wakes);
        json_begin_object(w, "by_cause");
        for (unsigned cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                if (report->by_cause[cause] > 0)
                        json_unsigned(w, wake_cause_name((enum wake_cause)cause), report->by_cause[cause]);
        json_end_object(w);
        json_unsigned(w, "cold", report->n_cold);
        report_write_quantiles(w, &report->latency);
        json_seconds(w, "max_seconds", report->latency.count > 0 ? report->latency.max_usec : USEC_INFINITY);
        report_write_distribution(w, report);
        json_end_object(w);
}

static void report_write_phases(struct json_writer *w, const struct report *report) {
        json_begin_object(w, "phases");
        for (unsigned phase = 0; phase < _PHASE_MAX; phase++) {
                struct histogram histogram = {0};

                hour_add_phase(&report->sum, (enum phase)phase, &histogram);
                if (histogram.count == 0)
                        continue;
                json_begin_object(w, phase_name((enum phase)phase));
                json_unsigned(w, "count", histogram.count);
                report_write_quantiles(w, &histogram);
                json_end_object(w);
        }
        json_end_object(w);
}

static int by_time_falling(const void *a, const void *b) {
        const struct report_outages *left = a, *right = b;

        if (left->usec != right->usec)
                return left->usec < right->usec ? 1 : -1;
        return (int)left->reason - (int)right->reason;
}

static void report_write_outages(struct json_writer *w, struct report *report) {
        for (unsigned reason = 0; reason < _REASON_MAX; reason++)
                report->outages[reason].reason = (enum reason)reason;
        qsort(report->outages, _REASON_MAX, sizeof(*report->outages), by_time_falling);
        json_begin_array(w, "outages");
        for (unsigned i = 0; i < _REASON_MAX; i++) {
                const struct report_outages *outages = &report->outages[i];

                if (outages->n == 0)
                        continue;
                json_begin_object(w, NULL);
                json_text(w, "reason", outages->reason == REASON_NONE ? NULL : reason_slug(outages->reason));
                json_unsigned(w, "count", outages->n);
                json_seconds(w, "seconds", outages->usec);
                json_end_object(w);
        }
        json_end_array(w);
}

static void report_write_failures(struct json_writer *w, const struct report *report) {
        json_begin_object(w, "failures");
        for (unsigned reason = 0; reason < _REASON_MAX; reason++) {
                uint64_t n = hour_value(&report->sum, COUNTER_FAILURES, reason);

                if (n > 0)
                        json_unsigned(w, reason_slug((enum reason)reason), n);
        }
        json_end_object(w);
}

static void report_write_all(struct json_writer *w, struct report *report) {
        report_write_states(w, report);
        json_seconds(w, "awake_seconds", report->sum.awake_usec);
        json_seconds(w, "awake_on_our_demand_seconds", report->sum.ours_usec);
        report_write_wakes(w, report);
        report_write_phases(w, report);
        report_write_outages(w, report);
        report_write_failures(w, report);
        timeline_write(report->timeline, w, "timeline");
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
        if (r >= 0)
                report_write_all(w, report);
        free(report->timeline);
        free(report->sum.counters);
        free(report);
        return r;
}
