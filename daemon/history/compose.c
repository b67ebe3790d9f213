#include "history/compose.h"

#include "base/clock.h"
#include "base/error.h"
#include "history/event-rows.h"
#include "history/report.h"
#include "history/sheet.h"
#include "model/event.h"

struct composing {
        struct sqlite *sqlite;
        const struct ask *ask;
        uint64_t database;
        uint64_t saved_real_usec; /* when something was last known of it */
        struct sheet sheet;
};

/* ROW is NULL for the header. */
static const char *text_of(struct sqlite_statement *row, int column) {
        return row && !sqlite_is_null(row, column) ? sqlite_text(row, column) : NULL;
}

static uint64_t number_of(struct sqlite_statement *row, int column, uint64_t null_number) {
        return row && !sqlite_is_null(row, column) ? sqlite_number(row, column) : null_number;
}

static const char *reason_of(struct sqlite_statement *row, int column) {
        const char *slug = text_of(row, column);

        return slug && !streq(slug, reason_slug(REASON_NONE)) ? slug : NULL;
}

static int write_wake(struct composing *composing, struct sqlite_statement *row) {
        struct sheet *sheet = &composing->sheet;

        sheet_time(sheet, "at", number_of(row, 0, 0));
        sheet_seconds(sheet, "latency_seconds", number_of(row, 1, USEC_INFINITY));
        sheet_text(sheet, "cause", text_of(row, 2));
        sheet_bool(sheet, "cold", number_of(row, 3, 0) > 0);
        sheet_number(sheet, "attempts", number_of(row, 4, 0));
        sheet_begin_group(sheet, "phases");
        for (int phase = 0; phase < _PHASE_MAX; phase++)
                sheet_seconds(sheet, phase_name((enum phase)phase), number_of(row, 5 + phase, USEC_INFINITY));
        sheet_end_group(sheet);
        return 0;
}

static int write_state(struct composing *composing, struct sqlite_statement *row) {
        struct sheet *sheet = &composing->sheet;

        sheet_time(sheet, "at", number_of(row, 0, 0));
        sheet_text(sheet, "state", text_of(row, 1));
        sheet_text(sheet, "previous", text_of(row, 2));
        sheet_text(sheet, "reason", reason_of(row, 3));
        sheet_text(sheet, "sqlstate", text_of(row, 4));
        sheet_number(sheet, "generation", number_of(row, 5, 0));
        if (composing->ask->detail)
                sheet_text(sheet, "detail", text_of(row, 6));
        return 0;
}

static int write_outage(struct composing *composing, struct sqlite_statement *row) {
        struct sheet *sheet = &composing->sheet;
        uint64_t from = number_of(row, 0, 0), to = number_of(row, 1, 0);

        /* Of one that is watched no longer nobody knows when it ended. */
        if (to == 0 && !composing->ask->watched)
                to = MAX(from, composing->saved_real_usec);
        sheet_time(sheet, "from", from);
        sheet_time(sheet, "to", to);
        sheet_seconds(sheet, "seconds", usec_sub(to > 0 ? to : composing->ask->now_real_usec, from));
        sheet_text(sheet, "state", text_of(row, 2));
        sheet_text(sheet, "reason", reason_of(row, 3));
        return 0;
}

static void write_attempts(struct sheet *sheet, const struct hour *hour) {
        sheet_begin_group(sheet, "attempts");
        for (unsigned check = 0; check < _CHECK_MAX; check++) {
                uint64_t any = 0;

                for (unsigned class = 0; class < _REASON_CLASS_MAX; class++)
                        any += hour_value(hour, COUNTER_ATTEMPTS, check * _REASON_CLASS_MAX + class);
                if (any == 0 && sheet->form == SHEET_JSON)
                        continue;
                sheet_begin_group(sheet, check_name((enum check)check));
                for (unsigned class = 0; class < _REASON_CLASS_MAX; class++)
                        sheet_count(sheet, reason_class_name((enum reason_class)class),
                                    hour_value(hour, COUNTER_ATTEMPTS, check * _REASON_CLASS_MAX + class));
                sheet_end_group(sheet);
        }
        sheet_end_group(sheet);
}

static void write_phases(struct sheet *sheet, const struct hour *hour) {
        static const struct {
                const char *key;
                unsigned permille;
        } quantiles[] = {{"p50_seconds", 500}, {"p95_seconds", 950}, {"p99_seconds", 990}};

        sheet_begin_group(sheet, "phases");
        for (unsigned phase = 0; phase < _PHASE_MAX; phase++) {
                struct histogram histogram = {0};

                hour_add_phase(hour, (enum phase)phase, &histogram);
                if (histogram.count == 0 && sheet->form == SHEET_JSON)
                        continue;
                sheet_begin_group(sheet, phase_name((enum phase)phase));
                sheet_number(sheet, "count", histogram.count);
                for (size_t i = 0; i < ARRAY_LENGTH(quantiles); i++)
                        sheet_seconds(sheet, quantiles[i].key,
                                      histogram.count > 0 ? histogram_quantile(&histogram, quantiles[i].permille) : USEC_INFINITY);
                sheet_end_group(sheet);
        }
        sheet_end_group(sheet);
}

static int write_hour(struct composing *composing, struct sqlite_statement *row) {
        struct sheet *sheet = &composing->sheet;
        struct hour hour = {0};
        int r;

        r = row ? hour_read_words(&hour, sqlite_text(row, 3)) : 0;
        sheet_time(sheet, "hour", number_of(row, 0, 0));
        write_attempts(sheet, &hour);
        sheet_begin_group(sheet, "failures");
        for (unsigned reason = 0; reason < _REASON_MAX; reason++)
                if (reason != REASON_NONE)
                        sheet_count(sheet, reason_slug((enum reason)reason), hour_value(&hour, COUNTER_FAILURES, reason));
        sheet_end_group(sheet);
        write_phases(sheet, &hour);
        sheet_seconds(sheet, "awake_seconds", number_of(row, 1, 0));
        sheet_seconds(sheet, "awake_on_our_demand_seconds", number_of(row, 2, 0));
        sheet_begin_group(sheet, "wakes");
        for (unsigned cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                sheet_count(sheet, wake_cause_name((enum wake_cause)cause), hour_value(&hour, COUNTER_WAKES, cause));
        sheet_end_group(sheet);
        free(hour.counters);
        return r;
}

/* An outage that began before the time is asked for may reach into it: none but the last of them. */
#define OUTAGES "FROM outage WHERE database = ?1 AND began >= coalesce((SELECT max(began) FROM outage WHERE database = ?1 AND began <= ?2), 0)" \
                " AND began < ?3 AND (ended IS NULL OR ended > ?2)"
#define MOMENTS(table) "FROM " table " WHERE database = ?1 AND at >= ?2 AND at < ?3"
#define HOURS "FROM hour WHERE database = ?1 AND hour >= ?2 AND hour < ?3"

/*
 * ?1 the database, ?2 since, ?3 until. `last` is the key of the newest row behind the newest ?4, and of `rows` are those behind the key ?4,
 * ?5, all of them in order.
 */
static const struct listing {
        const char *last, *rows;
        int (*write)(struct composing *composing, struct sqlite_statement *row);
} listings[_ASK_KIND_MAX] = {
        [ASK_WAKES] = {
                "SELECT at, place " MOMENTS("wake") " ORDER BY at DESC, place DESC LIMIT 1 OFFSET ?4",
                "SELECT at, latency_usec, cause, cold, attempts, resolve_usec, connect_usec, tls_usec, auth_usec, query_usec "
                MOMENTS("wake") " AND (at, place) > (?4, ?5) ORDER BY at, place",
                write_wake,
        },
        [ASK_STATES] = {
                "SELECT at, place " MOMENTS("state") " ORDER BY at DESC, place DESC LIMIT 1 OFFSET ?4",
                "SELECT at, state, previous, reason, sqlstate, generation, detail " MOMENTS("state")
                " AND (at, place) > (?4, ?5) ORDER BY at, place",
                write_state,
        },
        [ASK_OUTAGES] = {
                "SELECT began, 0 " OUTAGES " ORDER BY began DESC LIMIT 1 OFFSET ?4",
                "SELECT began, ended, state, reason " OUTAGES " AND (began, 0) > (?4, ?5) ORDER BY began",
                write_outage,
        },
        [ASK_HOURS] = {
                "SELECT hour, 0 " HOURS " ORDER BY hour DESC LIMIT 1 OFFSET ?4",
                "SELECT hour, awake_usec, awake_ours_usec, counts " HOURS " AND (hour, 0) > (?4, ?5) ORDER BY hour",
                write_hour,
        },
};

static uint64_t since_of(const struct ask *ask) {
        return ask->kind == ASK_HOURS ? ask->since_real_usec - ask->since_real_usec % USEC_PER_HOUR : ask->since_real_usec;
}

static void bind_span(const struct composing *composing, struct sqlite_statement *statement, uint64_t from) {
        sqlite_bind_number(statement, 1, composing->database);
        sqlite_bind_number(statement, 2, MAX(since_of(composing->ask), from));
        sqlite_bind_number(statement, 3, composing->ask->until_real_usec);
}

struct key {
        uint64_t at, place;
};

/* The newest row that is not answered: 1; or 0 when all are. */
static int find_last(const struct composing *composing, const struct listing *listing, struct key *ret_key) {
        struct sqlite_statement *statement;
        int r;

        *ret_key = (struct key){0};
        if (composing->database == 0)
                return 0;
        r = sqlite_prepare(composing->sqlite, listing->last, &statement);
        if (r < 0)
                return r;
        bind_span(composing, statement, 0);
        sqlite_bind_number(statement, 4, composing->ask->limit);
        r = sqlite_step(statement);
        if (r > 0)
                *ret_key = (struct key){sqlite_number(statement, 0), sqlite_number(statement, 1)};
        (void)sqlite_finalize(statement);
        return r;
}

static int write_rows(struct composing *composing, const struct listing *listing, struct key key) {
        struct sqlite_statement *statement;
        int r;

        if (composing->database == 0)
                return 0;
        r = sqlite_prepare(composing->sqlite, listing->rows, &statement);
        if (r < 0)
                return r;
        bind_span(composing, statement, key.at);
        sqlite_bind_number(statement, 4, key.at);
        sqlite_bind_number(statement, 5, key.place);
        while ((r = sqlite_step(statement)) > 0) {
                sheet_begin_row(&composing->sheet);
                r = listing->write(composing, statement);
                sheet_end_row(&composing->sheet);
                if (r < 0)
                        break;
        }
        (void)sqlite_finalize(statement);
        return r;
}

static int compose_csv(struct composing *composing, const struct listing *listing, struct key key) {
        struct sheet *sheet = &composing->sheet;
        int r;

        sheet->form = SHEET_HEADER;
        sheet_begin_row(sheet);
        r = listing->write(composing, NULL);
        sheet_end_row(sheet);
        sheet->form = SHEET_CSV;
        return r < 0 ? r : write_rows(composing, listing, key);
}

static void begin_json(struct composing *composing) {
        struct json_writer *w = &composing->sheet.json;
        const struct ask *ask = composing->ask;

        json_begin_object(w, NULL);
        json_text(w, "name", ask->name);
        json_text(w, "kind", ask_kind_name(ask->kind));
        json_time(w, "since", ask->since_real_usec);
        json_time(w, "until", ask->until_real_usec);
}

static int compose_json(struct composing *composing, const struct listing *listing, struct key key, bool truncated) {
        struct json_writer *w = &composing->sheet.json;
        int r;

        begin_json(composing);
        json_bool(w, "truncated", truncated);
        json_begin_array(w, "rows");
        r = write_rows(composing, listing, key);
        json_end_array(w);
        json_end_object(w);
        return r;
}

static int compose_rows(struct composing *composing) {
        const struct listing *listing = &listings[composing->ask->kind];
        struct key key;
        int r;

        r = find_last(composing, listing, &key);
        if (r < 0)
                return r;
        return composing->ask->csv ? compose_csv(composing, listing, key) : compose_json(composing, listing, key, r > 0);
}

static int compose_report(struct composing *composing) {
        struct json_writer *w = &composing->sheet.json;
        int r;

        begin_json(composing);
        json_begin_object(w, "report");
        r = report_write(composing->sqlite, composing->ask, composing->database, composing->saved_real_usec, w);
        json_end_object(w);
        json_end_object(w);
        return r;
}

/* Of a database that was never heard of the row is 0; 1 when that is not configured either. */
static int find_database(struct composing *composing) {
        struct sqlite_statement *statement;
        int r;

        r = sqlite_prepare(composing->sqlite, "SELECT id, saved_at FROM database WHERE name = ?", &statement);
        if (r < 0)
                return r;
        sqlite_bind_text(statement, 1, composing->ask->name);
        r = sqlite_step(statement);
        if (r > 0) {
                composing->database = sqlite_number(statement, 0);
                composing->saved_real_usec = sqlite_number(statement, 1);
        }
        (void)sqlite_finalize(statement);
        return r < 0 ? r : composing->database == 0 && !composing->ask->watched;
}

int compose_answer(struct sqlite *sqlite, const struct ask *ask, struct buffer *buffer) {
        struct composing composing = {.sqlite = sqlite, .ask = ask, .sheet = {.buffer = buffer, .json = {.buffer = buffer}}};
        int r;

        /* What is told fits together: all of it is read at one moment. */
        r = sqlite_run(sqlite, "BEGIN");
        if (r >= 0)
                r = find_database(&composing);
        if (r == 0)
                r = ask->kind == ASK_REPORT ? compose_report(&composing) : compose_rows(&composing);
        (void)sqlite_run(sqlite, "COMMIT");
        return r != 0 ? r : buffer_finish(buffer);
}
