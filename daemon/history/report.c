#include "history/report.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "history/event-record.h"
#include "history/event-rows.h"
#include "history/strip.h"

#include <stdio.h>

/* Up to so long: one, two and five of each power of ten, from a millisecond to beyond an hour. */
static const uint64_t bounds_usec[] = {
        1000,     2000,     5000,      10000,     20000,     50000,     100000,     200000,     500000,     1000000,
        2000000,  5000000,  10000000,  20000000,  50000000,  100000000, 200000000,  500000000,  1000000000, 2000000000, 5000000000,
};
#define N_BOUNDS ARRAY_LENGTH(bounds_usec)

/* The words of a million rows are few: each is looked up once. */
#define MEMO_MAX 128
struct memo {
        char text[32];
        unsigned value;
};

struct gaps {
        uint64_t *list; /* when a daemon ended; until the next state was seen nothing is known */
        size_t n, next, allocated;
};

struct survey {
        struct sqlite *sqlite;
        const struct ask *ask;
        uint64_t database;
        uint64_t saved_real_usec;
        struct memo states[MEMO_MAX], reasons[MEMO_MAX], causes[MEMO_MAX];

        struct gaps gaps;
        struct strip *strip;
        uint64_t states_usec[_STATE_MAX];

        uint64_t n_wakes, n_cold, by_cause[_WAKE_CAUSE_MAX];
        struct histogram latency;
        uint64_t distribution[N_BOUNDS + 1];

        struct hour sum; /* of all hours */
        struct survey_outages {
                enum reason reason;
                uint64_t n, usec;
        } outages[_REASON_MAX];
};

static struct memo *memo_of(struct memo *memos, const char *text) {
        size_t n = strlen(text);
        unsigned char first = (unsigned char)text[0], middle = (unsigned char)text[n / 2], last = n > 0 ? (unsigned char)text[n - 1] : 0;

        return &memos[(n * 37 + first * 5u + middle * 11u + last * 3u) % MEMO_MAX];
}

/* The number of a word that was seen before; else FIND is asked, which answers OTHERWISE for one that is not known. */
static unsigned look_up(struct memo *memos, const char *text, unsigned (*find)(const char *text)) {
        struct memo *memo = memo_of(memos, text);

        if (memo->text[0] && streq(memo->text, text))
                return memo->value;
        memo->value = find(text);
        (void)text_copy(memo->text, sizeof(memo->text), text);
        return memo->value;
}

static unsigned find_state(const char *text) {
        enum state state = STATE_UNKNOWN;

        (void)state_from_name(text, &state);
        return state;
}

static unsigned find_reason(const char *text) {
        enum reason reason;

        return reason_from_slug(text, &reason) < 0 ? REASON_UNCLASSIFIED : reason;
}

static unsigned find_cause(const char *text) {
        enum wake_cause cause;

        return wake_cause_from_name(text, &cause) < 0 ? WAKE_OTHER : cause;
}

/* Prepares SQL with ?1 the database and ?2, ?3 the time. */
static int prepare(const struct survey *survey, const char *sql, uint64_t since, struct sqlite_statement **ret_statement) {
        int r;

        r = sqlite_prepare(survey->sqlite, sql, ret_statement);
        if (r < 0)
                return r;
        sqlite_bind_number(*ret_statement, 1, survey->database);
        sqlite_bind_number(*ret_statement, 2, since);
        sqlite_bind_number(*ret_statement, 3, survey->ask->until_real_usec);
        return 0;
}

/* States. */

struct moment {
        uint64_t at;
        enum state state;
        enum reason reason;
};

static struct moment read_moment(struct survey *survey, struct sqlite_statement *row) {
        return (struct moment){
                .at = sqlite_number(row, 0),
                .state = (enum state)look_up(survey->states, sqlite_text(row, 1), find_state),
                .reason = (enum reason)look_up(survey->reasons, sqlite_text(row, 2), find_reason),
        };
}

static int add_gap(struct gaps *gaps, uint64_t at) {
        if (gaps->n == gaps->allocated) {
                size_t allocated = gaps->allocated ? 2 * gaps->allocated : 16;
                uint64_t *list = reallocarray(gaps->list, allocated, sizeof(*list));

                if (!list)
                        return -ENOMEM;
                gaps->list = list;
                gaps->allocated = allocated;
        }
        gaps->list[gaps->n++] = at;
        return 0;
}

/* The ends of all daemons but the one that runs, which wrote last, from SINCE on. A run that is still to come is of a clock that was set back. */
static int read_gaps(struct survey *survey, uint64_t since) {
        struct sqlite_statement *statement;
        int r;

        r = sqlite_prepare(survey->sqlite,
                           "SELECT ended FROM run WHERE ended < (SELECT max(ended) FROM run WHERE began <= ?3) AND ended >= ?1 AND ended < ?2"
                           " ORDER BY ended",
                           &statement);
        if (r < 0)
                return r;
        sqlite_bind_number(statement, 1, since);
        sqlite_bind_number(statement, 2, survey->ask->until_real_usec);
        sqlite_bind_number(statement, 3, survey->ask->now_real_usec);
        while ((r = sqlite_step(statement)) > 0) {
                r = add_gap(&survey->gaps, sqlite_number(statement, 0));
                if (r < 0)
                        break;
        }
        (void)sqlite_finalize(statement);
        return r;
}

static void add_span(struct survey *survey, uint64_t from, uint64_t to, const struct moment *moment) {
        if (from >= to)
                return;
        survey->states_usec[moment->state] += to - from;
        strip_add(survey->strip, from, to, moment->state, moment->reason);
}

/* MOMENT lasts until TO, or until the daemon ended. */
static void add_state(struct survey *survey, struct moment *moment, uint64_t to) {
        struct gaps *gaps = &survey->gaps;
        uint64_t from = MAX(moment->at, survey->ask->since_real_usec);

        while (gaps->next < gaps->n && gaps->list[gaps->next] < moment->at)
                gaps->next++;
        if (gaps->next < gaps->n && gaps->list[gaps->next] < to) {
                uint64_t end = MAX(gaps->list[gaps->next], from);

                add_span(survey, from, end, moment);
                *moment = (struct moment){.at = end, .state = STATE_UNKNOWN, .reason = REASON_NOT_CHECKED};
                from = end;
        }
        add_span(survey, from, to, moment);
}

/* How it was when the time began. */
static int read_first(struct survey *survey, struct moment *ret_moment) {
        struct sqlite_statement *statement;
        int r;

        *ret_moment = (struct moment){.at = survey->ask->since_real_usec, .state = STATE_UNKNOWN, .reason = REASON_NOT_CHECKED};
        r = prepare(survey,
                    "SELECT at, state, reason FROM state WHERE database = ?1 AND at <= ?2 AND ?3 > 0 ORDER BY at DESC, place DESC LIMIT 1",
                    survey->ask->since_real_usec, &statement);
        if (r < 0)
                return r;
        r = sqlite_step(statement);
        if (r > 0)
                *ret_moment = read_moment(survey, statement);
        (void)sqlite_finalize(statement);
        return r;
}

static int survey_states(struct survey *survey) {
        uint64_t until = MIN(survey->ask->until_real_usec, survey->ask->now_real_usec);
        struct sqlite_statement *statement;
        struct moment moment;
        int r;

        r = read_first(survey, &moment);
        if (r >= 0)
                r = read_gaps(survey, moment.at);
        if (r >= 0)
                r = prepare(survey, "SELECT at, state, reason FROM state WHERE database = ?1 AND at > ?2 AND at < ?3 ORDER BY at, place",
                            survey->ask->since_real_usec, &statement);
        if (r < 0)
                return r;
        while ((r = sqlite_step(statement)) > 0) {
                struct moment next = read_moment(survey, statement);

                /* A clock that was set back: what is in the future has not happened. */
                add_state(survey, &moment, MIN(next.at, until));
                moment = next;
        }
        (void)sqlite_finalize(statement);
        add_state(survey, &moment, until);
        return r;
}

/* Wakes. */

static void add_wake(struct survey *survey, struct sqlite_statement *row) {
        uint64_t latency;
        size_t i = 0;

        survey->n_wakes++;
        survey->by_cause[look_up(survey->causes, sqlite_text(row, 1), find_cause)]++;
        survey->n_cold += sqlite_number(row, 2) > 0;
        if (sqlite_is_null(row, 0))
                return;
        latency = sqlite_number(row, 0);
        histogram_add(&survey->latency, latency);
        while (i < N_BOUNDS && latency > bounds_usec[i])
                i++;
        survey->distribution[i]++;
}

static int survey_wakes(struct survey *survey) {
        struct sqlite_statement *statement;
        int r;

        r = prepare(survey, "SELECT latency_usec, cause, cold FROM wake WHERE database = ?1 AND at >= ?2 AND at < ?3",
                    survey->ask->since_real_usec, &statement);
        if (r < 0)
                return r;
        while ((r = sqlite_step(statement)) > 0)
                add_wake(survey, statement);
        (void)sqlite_finalize(statement);
        return r;
}

/* Hours and outages. */

/* Of an hour that is in the time in part, as much as may be in that part: when in the hour it was awake is not known. */
static void add_awake(struct survey *survey, uint64_t hour, uint64_t awake_usec, uint64_t ours_usec) {
        const struct ask *ask = survey->ask;
        uint64_t until = MIN(ask->until_real_usec, ask->now_real_usec);
        uint64_t part = usec_sub(MIN(hour + USEC_PER_HOUR, until), MAX(hour, ask->since_real_usec));

        survey->sum.awake_usec += MIN(awake_usec, part);
        survey->sum.ours_usec += MIN(ours_usec, part);
}

static int survey_hours(struct survey *survey) {
        uint64_t since = survey->ask->since_real_usec;
        struct sqlite_statement *statement;
        int r;

        r = prepare(survey, "SELECT hour, awake_usec, awake_ours_usec, counts FROM hour WHERE database = ?1 AND hour >= ?2 AND hour < ?3",
                    since - since % USEC_PER_HOUR, &statement);
        if (r < 0)
                return r;
        while ((r = sqlite_step(statement)) > 0) {
                add_awake(survey, sqlite_number(statement, 0), sqlite_number(statement, 1), sqlite_number(statement, 2));
                r = hour_read_words(&survey->sum, sqlite_text(statement, 3));
                if (r < 0)
                        break;
        }
        (void)sqlite_finalize(statement);
        return r;
}

static void add_outage(struct survey *survey, struct sqlite_statement *row) {
        uint64_t began = sqlite_number(row, 0), ended = sqlite_number(row, 1);
        struct survey_outages *outages = &survey->outages[look_up(survey->reasons, sqlite_text(row, 2), find_reason)];

        if (ended == 0)
                ended = survey->ask->watched ? survey->ask->now_real_usec : survey->saved_real_usec;
        outages->n++;
        outages->usec += usec_sub(MIN(ended, survey->ask->until_real_usec), MAX(began, survey->ask->since_real_usec));
}

static int survey_outages(struct survey *survey) {
        struct sqlite_statement *statement;
        int r;

        r = prepare(survey, "SELECT began, ended, reason FROM outage WHERE database = ?1 AND began < ?3 AND (ended IS NULL OR ended > ?2)",
                    survey->ask->since_real_usec, &statement);
        if (r < 0)
                return r;
        while ((r = sqlite_step(statement)) > 0)
                add_outage(survey, statement);
        (void)sqlite_finalize(statement);
        return r;
}

/* Writing. */

static void write_quantiles(struct json_writer *w, const struct histogram *histogram) {
        static const struct {
                const char *key;
                unsigned permille;
        } quantiles[] = {{"p50_seconds", 500}, {"p95_seconds", 950}, {"p99_seconds", 990}};

        for (size_t i = 0; i < ARRAY_LENGTH(quantiles); i++)
                json_seconds(w, quantiles[i].key, histogram->count > 0 ? histogram_quantile(histogram, quantiles[i].permille) : USEC_INFINITY);
}

static void write_states(struct json_writer *w, const struct survey *survey) {
        uint64_t known = 0, out = 0;

        for (unsigned state = 0; state < _STATE_MAX; state++) {
                known += state == STATE_UNKNOWN ? 0 : survey->states_usec[state];
                out += state_is_outage((enum state)state) ? survey->states_usec[state] : 0;
        }
        json_seconds(w, "seconds", known);
        if (known > 0)
                json_fraction(w, "availability", known - out, known);
        else
                json_absent(w, "availability");
        json_begin_object(w, "states_seconds");
        for (unsigned state = 0; state < _STATE_MAX; state++)
                if (survey->states_usec[state] > 0)
                        json_seconds(w, state_name((enum state)state), survey->states_usec[state]);
        json_end_object(w);
}

static void write_distribution(struct json_writer *w, const struct survey *survey) {
        size_t first = 0, end = N_BOUNDS + 1;

        while (first < end && survey->distribution[first] == 0)
                first++;
        while (end > first && survey->distribution[end - 1] == 0)
                end--;
        json_begin_array(w, "distribution");
        for (size_t i = first; i < end; i++) {
                json_begin_object(w, NULL);
                json_seconds(w, "up_to_seconds", i < N_BOUNDS ? bounds_usec[i] : USEC_INFINITY);
                json_unsigned(w, "count", survey->distribution[i]);
                json_end_object(w);
        }
        json_end_array(w);
}

static void write_wakes(struct json_writer *w, const struct survey *survey) {
        json_begin_object(w, "wakes");
        json_unsigned(w, "count", survey->n_wakes);
        json_begin_object(w, "by_cause");
        for (unsigned cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                if (survey->by_cause[cause] > 0)
                        json_unsigned(w, wake_cause_name((enum wake_cause)cause), survey->by_cause[cause]);
        json_end_object(w);
        json_unsigned(w, "cold", survey->n_cold);
        write_quantiles(w, &survey->latency);
        json_seconds(w, "max_seconds", survey->latency.count > 0 ? survey->latency.max_usec : USEC_INFINITY);
        write_distribution(w, survey);
        json_end_object(w);
}

static void write_phases(struct json_writer *w, const struct survey *survey) {
        json_begin_object(w, "phases");
        for (unsigned phase = 0; phase < _PHASE_MAX; phase++) {
                struct histogram histogram = {0};

                hour_add_phase(&survey->sum, (enum phase)phase, &histogram);
                if (histogram.count == 0)
                        continue;
                json_begin_object(w, phase_name((enum phase)phase));
                json_unsigned(w, "count", histogram.count);
                write_quantiles(w, &histogram);
                json_end_object(w);
        }
        json_end_object(w);
}

static int by_time_falling(const void *a, const void *b) {
        const struct survey_outages *left = a, *right = b;

        if (left->usec != right->usec)
                return left->usec < right->usec ? 1 : -1;
        return (int)left->reason - (int)right->reason;
}

static void write_outages(struct json_writer *w, struct survey *survey) {
        for (unsigned reason = 0; reason < _REASON_MAX; reason++)
                survey->outages[reason].reason = (enum reason)reason;
        qsort(survey->outages, _REASON_MAX, sizeof(*survey->outages), by_time_falling);
        json_begin_array(w, "outages");
        for (unsigned i = 0; i < _REASON_MAX; i++) {
                const struct survey_outages *outages = &survey->outages[i];

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

static void write_failures(struct json_writer *w, const struct survey *survey) {
        json_begin_object(w, "failures");
        for (unsigned reason = 0; reason < _REASON_MAX; reason++) {
                uint64_t n = hour_value(&survey->sum, COUNTER_FAILURES, reason);

                if (n > 0)
                        json_unsigned(w, reason_slug((enum reason)reason), n);
        }
        json_end_object(w);
}

static void write_survey(struct json_writer *w, struct survey *survey) {
        write_states(w, survey);
        json_seconds(w, "awake_seconds", survey->sum.awake_usec);
        json_seconds(w, "awake_on_our_demand_seconds", survey->sum.ours_usec);
        write_wakes(w, survey);
        write_phases(w, survey);
        write_outages(w, survey);
        write_failures(w, survey);
        strip_write(survey->strip, w, "timeline");
}

int report_write(struct sqlite *sqlite, const struct ask *ask, uint64_t database, uint64_t saved_real_usec, struct json_writer *w) {
        struct survey *survey = calloc(1, sizeof(*survey));
        int r = -ENOMEM;

        if (survey)
                survey->strip = strip_new(ask->since_real_usec, ask->until_real_usec);
        if (survey && survey->strip) {
                survey->sqlite = sqlite;
                survey->ask = ask;
                survey->database = database;
                survey->saved_real_usec = saved_real_usec;
                r = survey_states(survey);
                if (r >= 0)
                        r = survey_wakes(survey);
                if (r >= 0)
                        r = survey_hours(survey);
                if (r >= 0)
                        r = survey_outages(survey);
                if (r >= 0)
                        write_survey(w, survey);
        }
        if (survey) {
                free(survey->gaps.list);
                free(survey->strip);
                free(survey->sum.counters);
        }
        free(survey);
        return r;
}
