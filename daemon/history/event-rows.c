#include "history/event-rows.h"

#include "base/array.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"
#include "history/sqlite.h"

#include <inttypes.h>

enum statement {
        FIND_DATABASE,
        MAKE_DATABASE,
        DROP_STATES,
        FIND_MOMENT,
        PUT_STATE,
        PUT_WAKE,
        DROP_OUTAGES,
        CUT_OUTAGE,
        BEGIN_OUTAGE,
        END_OUTAGE,
        GET_HOUR,
        PUT_HOUR,
        DROP_RUNS,
        CUT_RUN,
        PUT_RUN,
        _STATEMENT_MAX,
};

/*
 * Rows later than now come from a clock that was ahead and has been set back: they would take effect again when their time comes. A
 * difference below JITTER is no such clock: within one loop iteration, events and clock readings have no fixed order. If the difference
 * exceeds SET_BACK_MAX, the present clock is more likely to be behind, as it is at boot without a battery: that must not cost the history.
 */
#define JITTER "1000000"
#define SET_BACK_MAX "86400000000"
#define IS_AHEAD(column) column " > ?2 + " JITTER " AND " column " <= ?2 + " SET_BACK_MAX

/* After those of the same microsecond. */
#define PLACE(table) "(SELECT coalesce(max(place) + 1, 0) FROM " table " WHERE database = ?1 AND at = ?2)"

static const char *const statements[_STATEMENT_MAX] = {
        [FIND_DATABASE] = "SELECT id FROM database WHERE name = ?",
        [MAKE_DATABASE] = "INSERT INTO database (name, saved_at, held, state, reason, since, generation, wakes_timed, wakes_sum_usec,"
                          " wakes_max_usec, awake_usec, awake_ours_usec, month, month_awake_usec)"
                          " VALUES (?1, ?2, 0, ?3, ?4, ?2, ?5, 0, 0, 0, 0, 0, 0, 0) RETURNING id",
        [DROP_STATES] = "DELETE FROM state WHERE database = ?1 AND " IS_AHEAD("at"),
        [FIND_MOMENT] = "SELECT coalesce(max(at), ?2) FROM state WHERE database = ?1 AND at >= ?2 AND at <= ?2 + " JITTER,
        [PUT_STATE] = "INSERT INTO state (database, at, place, state, previous, reason, sqlstate, detail, generation)"
                      " VALUES (?1, ?2, " PLACE("state") ", ?3, ?4, ?5, ?6, ?7, ?8)",
        [PUT_WAKE] = "INSERT INTO wake (database, at, place, latency_usec, cause, cold, attempts,"
                     " resolve_usec, connect_usec, tls_usec, auth_usec, query_usec)"
                     " VALUES (?1, ?2, " PLACE("wake") ", ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        [DROP_OUTAGES] = "DELETE FROM outage WHERE database = ?1 AND " IS_AHEAD("began"),
        [CUT_OUTAGE] = "UPDATE outage SET ended = ?2 WHERE database = ?1"
                       " AND began = (SELECT max(began) FROM outage WHERE database = ?1 AND began <= ?2) AND " IS_AHEAD("ended"),
        /* An outage that ended in this microsecond goes on. */
        [BEGIN_OUTAGE] = "INSERT INTO outage (database, began, state, reason) SELECT ?1, ?2, ?3, ?4"
                         " WHERE NOT EXISTS (SELECT 1 FROM outage WHERE database = ?1 AND ended IS NULL)"
                         " ON CONFLICT (database, began) DO UPDATE SET ended = NULL, state = excluded.state, reason = excluded.reason",
        /* A clock that was set back must not end an outage before it began. */
        [END_OUTAGE] = "UPDATE outage SET ended = max(began, ?2) WHERE database = ?1 AND ended IS NULL",
        [GET_HOUR] = "SELECT awake_usec, awake_ours_usec, counts FROM hour WHERE database = ? AND hour = ?",
        [PUT_HOUR] = "INSERT OR REPLACE INTO hour (database, hour, awake_usec, awake_ours_usec, counts) VALUES (?, ?, ?, ?, ?)",
        [DROP_RUNS] = "DELETE FROM run WHERE began > ?1 AND began <= ?1 + " SET_BACK_MAX,
        /* Only one daemon at a time uses the file. */
        [CUT_RUN] = "UPDATE run SET ended = ?1 WHERE began = (SELECT max(began) FROM run WHERE began < ?1) AND ended > ?1",
        [PUT_RUN] = "INSERT INTO run (began, ended) VALUES (?1, max(?1, ?2)) ON CONFLICT (began) DO UPDATE SET ended = excluded.ended",
};

struct event_rows {
        struct sqlite_statement *statements[_STATEMENT_MAX];
};

int event_rows_new(struct sqlite *sqlite, struct event_rows **ret_rows) {
        struct event_rows *rows = calloc(1, sizeof(*rows));
        int r = rows ? 0 : -ENOMEM;

        for (size_t i = 0; i < _STATEMENT_MAX && r >= 0; i++)
                r = sqlite_prepare(sqlite, statements[i], &rows->statements[i]);
        if (r < 0)
                return (void)event_rows_free(rows), r;
        *ret_rows = rows;
        return 0;
}

struct event_rows *event_rows_free(struct event_rows *rows) {
        if (!rows)
                return NULL;
        for (size_t i = 0; i < _STATEMENT_MAX; i++)
                (void)sqlite_finalize(rows->statements[i]);
        free(rows);
        return NULL;
}

/* Reads the first number of the only row, and steps to the end. 1, or 0 if there is no row. */
static int event_rows_read_one(struct sqlite_statement *statement, uint64_t *ret_number) {
        int r = sqlite_step(statement);

        if (r <= 0)
                return r;
        *ret_number = sqlite_number(statement, 0);
        r = sqlite_step(statement);
        return r < 0 ? r : 1;
}

static int event_rows_find_database(struct event_rows *rows, const struct event_record *record, uint64_t *ret_id) {
        struct sqlite_statement *find = rows->statements[FIND_DATABASE], *make = rows->statements[MAKE_DATABASE];
        int r;

        sqlite_bind_text(find, 1, record->event.database);
        r = event_rows_read_one(find, ret_id);
        if (r != 0)
                return MIN(r, 0);
        sqlite_bind_text(make, 1, record->event.database);
        sqlite_bind_number(make, 2, record->event.real_usec);
        sqlite_bind_text(make, 3, state_name(record->event.state));
        sqlite_bind_text(make, 4, reason_slug(record->event.reason));
        sqlite_bind_number(make, 5, record->event.generation);
        r = event_rows_read_one(make, ret_id);
        return r == 0 ? -EIO : MIN(r, 0);
}

static const char *or_null(const char *text) {
        return *text ? text : NULL;
}

static int change(struct event_rows *rows, enum statement which, uint64_t first, uint64_t second) {
        struct sqlite_statement *statement = rows->statements[which];

        sqlite_bind_number(statement, 1, first);
        sqlite_bind_number(statement, 2, second);
        return sqlite_step(statement);
}

/* Drops rows that lie in the future of RECORD, and finds its time: not before that of any earlier event. */
static int find_moment(struct event_rows *rows, uint64_t id, const struct event_record *record, uint64_t *ret_at) {
        static const enum statement drops[] = {DROP_STATES, DROP_OUTAGES, CUT_OUTAGE};
        struct sqlite_statement *find = rows->statements[FIND_MOMENT];
        int r = 0;

        for (size_t i = 0; i < ARRAY_LENGTH(drops) && r >= 0; i++)
                r = change(rows, drops[i], id, record->event.real_usec);
        if (r < 0)
                return r;
        sqlite_bind_number(find, 1, id);
        sqlite_bind_number(find, 2, record->event.real_usec);
        r = event_rows_read_one(find, ret_at);
        return MIN(r, 0);
}

static int put_state(struct event_rows *rows, uint64_t id, uint64_t at, const struct event_record *record) {
        struct sqlite_statement *put = rows->statements[PUT_STATE];

        sqlite_bind_number(put, 1, id);
        sqlite_bind_number(put, 2, at);
        sqlite_bind_text(put, 3, state_name(record->event.state));
        sqlite_bind_text(put, 4, state_name(record->event.previous));
        sqlite_bind_text(put, 5, reason_slug(record->event.reason));
        sqlite_bind_text(put, 6, or_null(record->event.sqlstate));
        sqlite_bind_text(put, 7, or_null(record->detail));
        sqlite_bind_number(put, 8, record->event.generation);
        return sqlite_step(put);
}

/*
 * Whether the state is still unknown: a database that was down when a daemon ended is not known to be up while the next daemon has no
 * verdict.
 */
static bool tells_nothing(const struct event_record *record) {
        return record->event.state == STATE_UNKNOWN && record->event.previous == STATE_UNKNOWN && record->event.reason != REASON_PAUSED;
}

static int put_outage(struct event_rows *rows, uint64_t id, uint64_t at, const struct event_record *record) {
        bool begins = state_is_outage(record->event.state);
        struct sqlite_statement *put = rows->statements[begins ? BEGIN_OUTAGE : END_OUTAGE];

        sqlite_bind_number(put, 1, id);
        sqlite_bind_number(put, 2, at);
        if (begins) {
                sqlite_bind_text(put, 3, state_name(record->event.state));
                sqlite_bind_text(put, 4, reason_slug(record->event.reason));
        }
        return sqlite_step(put);
}

static int event_rows_write_state(struct event_rows *rows, uint64_t id, const struct event_record *record) {
        uint64_t at = 0;
        int r;

        r = find_moment(rows, id, record, &at);
        if (r >= 0)
                r = put_state(rows, id, at, record);
        return r < 0 || tells_nothing(record) ? r : put_outage(rows, id, at, record);
}

static int put_wake(struct event_rows *rows, uint64_t id, const struct event_record *record) {
        struct sqlite_statement *put = rows->statements[PUT_WAKE];

        sqlite_bind_number(put, 1, id);
        sqlite_bind_number(put, 2, record->event.real_usec);
        sqlite_bind_or_null(put, 3, record->event.latency_usec, USEC_INFINITY);
        sqlite_bind_text(put, 4, wake_cause_name(record->event.cause));
        sqlite_bind_number(put, 5, record->event.cold);
        sqlite_bind_number(put, 6, record->event.attempts);
        for (int phase = 0; phase < _PHASE_MAX; phase++)
                sqlite_bind_or_null(put, 7 + phase, record->event.phase_usec[phase], 0);
        return sqlite_step(put);
}

int event_rows_write(struct event_rows *rows, const struct event_record *record) {
        uint64_t id = 0;
        int r;

        r = event_rows_find_database(rows, record, &id);
        if (r < 0)
                return r;
        switch (record->event.kind) {
        case EVENT_STATE:
                return event_rows_write_state(rows, id, record);
        case EVENT_WAKE:
                return put_wake(rows, id, record);
        case EVENT_ADDED:
        case EVENT_REMOVED:
        case EVENT_BUDGET:
                break; /* these have no rows */
        }
        return -EINVAL;
}

static int compare_counters(const void *a, const void *b) {
        uint32_t left = counter_key(a), right = counter_key(b);

        return (left > right) - (left < right);
}

/* The position of the first counter not below COUNTER. */
static size_t hour_search(const struct hour *hour, const struct counter *counter) {
        return sorted_place(counter, hour->counters, hour->n, sizeof(*hour->counters), compare_counters);
}

static bool hour_has(const struct hour *hour, size_t i, const struct counter *counter) {
        return i < hour->n && compare_counters(counter, &hour->counters[i]) == 0;
}

int hour_add(struct hour *hour, enum counter_kind kind, unsigned index, uint64_t value) {
        struct counter counter = {.kind = (uint16_t)kind, .index = (uint16_t)index, .value = value};
        size_t i = hour_search(hour, &counter);

        if (hour_has(hour, i, &counter)) {
                hour->counters[i].value += value;
                return 0;
        }
        if (array_reserve((void **)&hour->counters, hour->n, &hour->allocated, sizeof(*hour->counters)) < 0)
                return -ENOMEM;
        memmove(hour->counters + i + 1, hour->counters + i, (hour->n - i) * sizeof(*hour->counters));
        hour->counters[i] = counter;
        hour->n++;
        return 0;
}

uint64_t hour_value(const struct hour *hour, enum counter_kind kind, unsigned index) {
        struct counter counter = {.kind = (uint16_t)kind, .index = (uint16_t)index};
        size_t i = hour_search(hour, &counter);

        return hour_has(hour, i, &counter) ? hour->counters[i].value : 0;
}

void hour_add_phase(const struct hour *hour, enum phase phase, struct histogram *histogram) {
        struct counter counter = {.kind = COUNTER_PHASES, .index = (uint16_t)(phase * HISTOGRAM_BUCKETS)};

        for (size_t i = hour_search(hour, &counter); i < hour->n; i++) {
                const struct counter *each = &hour->counters[i];
                size_t bucket = (size_t)each->index - counter.index;
                uint32_t *count;

                if (each->kind != COUNTER_PHASES || bucket >= HISTOGRAM_BUCKETS)
                        return;
                count = &histogram->buckets[bucket];
                *count = (uint32_t)MIN(*count + each->value, (uint64_t)UINT32_MAX);
                histogram->count += each->value;
                histogram->max_usec = MAX(histogram->max_usec, histogram_bucket_from(bucket + (bucket + 1 < HISTOGRAM_BUCKETS)));
        }
}

#define PHASES "phases."

/* Writes the counters as words: "attempts.login.ok=7 failures.tcp.refused=1 phases.connect=1024:6,1088:1". */
static void hour_write_words(const struct hour *hour, struct buffer *buffer) {
        unsigned last_phase = _PHASE_MAX;
        char name[COUNTER_NAME_MAX];

        for (size_t i = 0; i < hour->n; i++) {
                const struct counter *counter = &hour->counters[i];
                const char *space = buffer->size > 0 ? " " : "";

                if (counter->kind == COUNTER_PHASES) {
                        unsigned phase = counter->index / HISTOGRAM_BUCKETS;

                        if (phase == last_phase)
                                buffer_append_string(buffer, ",");
                        else
                                buffer_printf(buffer, "%s" PHASES "%s=", space, phase_name((enum phase)phase));
                        last_phase = phase;
                        buffer_printf(buffer, "%" PRIu64 ":%" PRIu64, histogram_bucket_from(counter->index % HISTOGRAM_BUCKETS),
                                      counter->value);
                } else
                        buffer_printf(buffer, "%s%s=%" PRIu64, space, counter_name(name, counter), counter->value);
        }
}

/* Reads "1024:6,1088:1". */
static int read_phase(struct hour *hour, unsigned phase, const char *text) {
        int r = 0;

        while (r >= 0) {
                uint64_t from, value;
                char *end;

                from = strtoull(text, &end, 10);
                if (*end != ':')
                        break;
                value = strtoull(end + 1, &end, 10);
                r = hour_add(hour, COUNTER_PHASES, phase * HISTOGRAM_BUCKETS + (unsigned)histogram_bucket(from), value);
                if (*end != ',')
                        break;
                text = end + 1;
        }
        return r;
}

static int read_word(struct hour *hour, const char *name, const char *value) {
        size_t n = starts_with(name, PHASES);
        struct counter counter;

        if (n == 0)
                return counter_from_name(name, &counter) ? hour_add(hour, counter.kind, counter.index, strtoull(value, NULL, 10)) : 0;
        for (unsigned phase = 0; phase < _PHASE_MAX; phase++)
                if (streq(name + n, phase_name((enum phase)phase)))
                        return read_phase(hour, phase, value);
        return 0;
}

int hour_read_words(struct hour *hour, const char *words) {
        int r = 0;

        while (*words && r >= 0) {
                size_t n = strcspn(words, " ="), length;
                char name[COUNTER_NAME_MAX];

                if (words[n] == '=' && n < sizeof(name)) {
                        memcpy(name, words, n);
                        name[n] = '\0';
                        r = read_word(hour, name, words + n + 1);
                }
                length = strcspn(words, " ");
                words += length + (words[length] == ' ');
        }
        return r;
}

/* Sets SUM to the row of HOUR plus HOUR. */
static int hour_add_up(struct sqlite_statement *get, uint64_t database, const struct hour *hour, struct hour *sum) {
        int r;

        *sum = (struct hour){.begin_real_usec = hour->begin_real_usec, .awake_usec = hour->awake_usec, .ours_usec = hour->ours_usec};
        sqlite_bind_number(get, 1, database);
        sqlite_bind_number(get, 2, hour->begin_real_usec);
        r = sqlite_step(get);
        if (r > 0) {
                sum->awake_usec += sqlite_number(get, 0);
                sum->ours_usec += sqlite_number(get, 1);
                r = hour_read_words(sum, sqlite_text(get, 2));
                sqlite_reset(get);
        }
        for (size_t i = 0; i < hour->n && r >= 0; i++)
                r = hour_add(sum, hour->counters[i].kind, hour->counters[i].index, hour->counters[i].value);
        return r;
}

int event_rows_add_hour(struct event_rows *rows, uint64_t database, const struct hour *hour) {
        struct sqlite_statement *put = rows->statements[PUT_HOUR];
        _cleanup_(buffer_deinit) struct buffer words = {0};
        struct hour sum;
        int r;

        r = hour_add_up(rows->statements[GET_HOUR], database, hour, &sum);
        if (r >= 0) {
                buffer_append_string(&words, "");
                hour_write_words(&sum, &words);
                r = buffer_finish(&words);
        }
        if (r >= 0) {
                sqlite_bind_number(put, 1, database);
                sqlite_bind_number(put, 2, sum.begin_real_usec);
                sqlite_bind_number(put, 3, sum.awake_usec);
                sqlite_bind_number(put, 4, sum.ours_usec);
                sqlite_bind_text(put, 5, words.data);
                r = sqlite_step(put);
        }
        free(sum.counters);
        return r;
}

int event_rows_run_on(struct event_rows *rows, uint64_t began_real_usec, uint64_t now_real_usec) {
        struct sqlite_statement *drop = rows->statements[DROP_RUNS], *cut = rows->statements[CUT_RUN];
        int r;

        sqlite_bind_number(drop, 1, now_real_usec);
        r = sqlite_step(drop);
        if (r < 0)
                return r;
        sqlite_bind_number(cut, 1, began_real_usec);
        r = sqlite_step(cut);
        return r < 0 ? r : change(rows, PUT_RUN, began_real_usec, now_real_usec);
}
