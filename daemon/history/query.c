#include "history/query.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/macro.h"
#include "history/event-rows.h"
#include "history/report.h"
#include "history/sqlite.h"
#include "model/event.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const kind_names[_QUERY_KIND_MAX] = {
        [QUERY_WAKES] = "wakes",
        [QUERY_STATES] = "states",
        [QUERY_OUTAGES] = "outages",
        [QUERY_HOURS] = "hours",
        [QUERY_REPORT] = "report",
};

const char *query_kind_name(enum query_kind kind) {
        return kind_names[kind];
}

int query_kind_from_name(const char *name, enum query_kind *ret_kind) {
        for (size_t i = 0; i < _QUERY_KIND_MAX; i++)
                if (streq(name, kind_names[i])) {
                        *ret_kind = (enum query_kind)i;
                        return 0;
                }
        return -EINVAL;
}

/*
 * Rows as JSON objects or as lines of CSV (RFC 4180), written by the same calls: in CSV a group's name becomes part of its columns' names.
 */

enum row_form {
        ROW_JSON,
        ROW_CSV,
        ROW_HEADER, /* of CSV: the names of the columns, without values */
};

struct row_writer {
        struct buffer *buffer;
        enum row_form form;
        struct json_writer json; /* on the same buffer */
        bool comma;
        char prefix[64];
};

static void row_begin(struct row_writer *writer) {
        writer->comma = false;
        if (writer->form == ROW_JSON)
                json_begin_object(&writer->json, NULL);
}

static void row_end(struct row_writer *writer) {
        if (writer->form == ROW_JSON)
                json_end_object(&writer->json);
        else
                buffer_append(writer->buffer, "\r\n", 2);
}

static void row_begin_group(struct row_writer *writer, const char *name) {
        size_t n = strlen(writer->prefix);

        if (writer->form == ROW_JSON)
                json_begin_object(&writer->json, name);
        else
                (void)snprintf(writer->prefix + n, sizeof(writer->prefix) - n, "%s.", name);
}

static void row_end_group(struct row_writer *writer) {
        char *end;

        if (writer->form == ROW_JSON) {
                json_end_object(&writer->json);
                return;
        }
        writer->prefix[strlen(writer->prefix) - 1] = '\0';
        end = strrchr(writer->prefix, '.');
        writer->prefix[end ? end - writer->prefix + 1 : 0] = '\0';
}

static void write_cell(struct row_writer *writer, const char *text) {
        if (writer->comma)
                buffer_append(writer->buffer, ",", 1);
        writer->comma = true;
        if (!text[strcspn(text, "\",\r\n")]) {
                buffer_append_string(writer->buffer, text);
                return;
        }
        buffer_append(writer->buffer, "\"", 1);
        for (const char *c = text; *c; c++)
                buffer_append(writer->buffer, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
        buffer_append(writer->buffer, "\"", 1);
}

/* Returns whether nothing else is to be written. TEXT is the value in CSV. */
static bool write_csv(struct row_writer *writer, const char *key, const char *text) {
        char name[128];

        if (writer->form == ROW_JSON)
                return false;
        (void)snprintf(name, sizeof(name), "%s%s", writer->prefix, key);
        write_cell(writer, writer->form == ROW_HEADER ? name : text ? text : "");
        return true;
}

/* NULL, 0 (time) and USEC_INFINITY (seconds) become null in JSON and nothing in CSV. */
static void row_text(struct row_writer *writer, const char *key, const char *text) {
        if (!write_csv(writer, key, text))
                json_text(&writer->json, key, text);
}

static void row_time(struct row_writer *writer, const char *key, uint64_t real_usec) {
        char text[CLOCK_RFC3339_MAX];

        row_text(writer, key, real_usec ? clock_format_rfc3339(text, real_usec) : NULL);
}

static void row_seconds(struct row_writer *writer, const char *key, uint64_t usec) {
        char text[48] = "";

        if (writer->form == ROW_CSV && usec != USEC_INFINITY)
                (void)snprintf(text, sizeof(text), "%" PRIu64 ".%06" PRIu64, usec / USEC_PER_SEC, usec % USEC_PER_SEC);
        if (!write_csv(writer, key, text))
                json_seconds(&writer->json, key, usec);
}

static void row_bool(struct row_writer *writer, const char *key, bool value) {
        if (!write_csv(writer, key, value ? "true" : "false"))
                json_bool(&writer->json, key, value);
}

static void row_number(struct row_writer *writer, const char *key, uint64_t number) {
        char text[24] = "";

        if (writer->form == ROW_CSV)
                (void)snprintf(text, sizeof(text), "%" PRIu64, number);
        if (!write_csv(writer, key, text))
                json_unsigned(&writer->json, key, number);
}

/* Writes a number that JSON leaves out if it is 0. */
static void row_count(struct row_writer *writer, const char *key, uint64_t number) {
        if (number > 0 || writer->form != ROW_JSON)
                row_number(writer, key, number);
}

/* The rows. */

struct query_context {
        struct sqlite *sqlite;
        const struct history_query *query;
        uint64_t database;
        uint64_t saved_real_usec; /* when its last snapshot was saved */
        struct row_writer writer;
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

static int query_write_wake(struct query_context *context, struct sqlite_statement *row) {
        struct row_writer *writer = &context->writer;

        row_time(writer, "at", number_of(row, 0, 0));
        row_seconds(writer, "latency_seconds", number_of(row, 1, USEC_INFINITY));
        row_text(writer, "cause", text_of(row, 2));
        row_bool(writer, "cold", number_of(row, 3, 0) > 0);
        row_number(writer, "attempts", number_of(row, 4, 0));
        row_begin_group(writer, "phases");
        for (int phase = 0; phase < _PHASE_MAX; phase++)
                row_seconds(writer, phase_name((enum phase)phase), number_of(row, 5 + phase, USEC_INFINITY));
        row_end_group(writer);
        return 0;
}

static int query_write_state(struct query_context *context, struct sqlite_statement *row) {
        struct row_writer *writer = &context->writer;

        row_time(writer, "at", number_of(row, 0, 0));
        row_text(writer, "state", text_of(row, 1));
        row_text(writer, "previous", text_of(row, 2));
        row_text(writer, "reason", reason_of(row, 3));
        row_text(writer, "sqlstate", text_of(row, 4));
        row_number(writer, "generation", number_of(row, 5, 0));
        if (context->query->detail)
                row_text(writer, "detail", text_of(row, 6));
        return 0;
}

static int query_write_outage(struct query_context *context, struct sqlite_statement *row) {
        struct row_writer *writer = &context->writer;
        uint64_t from = number_of(row, 0, 0), to = number_of(row, 1, 0);

        /* The end of an outage is unknown if the database is not watched any more. */
        if (to == 0 && !context->query->watched)
                to = MAX(from, context->saved_real_usec);
        row_time(writer, "from", from);
        row_time(writer, "to", to);
        row_seconds(writer, "seconds", usec_sub(to > 0 ? to : context->query->now_real_usec, from));
        row_text(writer, "state", text_of(row, 2));
        row_text(writer, "reason", reason_of(row, 3));
        return 0;
}

static void query_write_attempts(struct row_writer *writer, const struct hour *hour) {
        row_begin_group(writer, "attempts");
        for (unsigned check = 0; check < _CHECK_MAX; check++) {
                uint64_t any = 0;

                for (unsigned class = 0; class < _REASON_CLASS_MAX; class++)
                        any += hour_value(hour, COUNTER_ATTEMPTS, check * _REASON_CLASS_MAX + class);
                if (any == 0 && writer->form == ROW_JSON)
                        continue;
                row_begin_group(writer, check_name((enum check)check));
                for (unsigned class = 0; class < _REASON_CLASS_MAX; class++)
                        row_count(writer, reason_class_name((enum reason_class)class),
                                    hour_value(hour, COUNTER_ATTEMPTS, check * _REASON_CLASS_MAX + class));
                row_end_group(writer);
        }
        row_end_group(writer);
}

static void query_write_phases(struct row_writer *writer, const struct hour *hour) {
        static const struct {
                const char *key;
                unsigned permille;
        } quantiles[] = {{"p50_seconds", 500}, {"p95_seconds", 950}, {"p99_seconds", 990}};

        row_begin_group(writer, "phases");
        for (unsigned phase = 0; phase < _PHASE_MAX; phase++) {
                struct histogram histogram = {0};

                hour_add_phase(hour, (enum phase)phase, &histogram);
                if (histogram.count == 0 && writer->form == ROW_JSON)
                        continue;
                row_begin_group(writer, phase_name((enum phase)phase));
                row_number(writer, "count", histogram.count);
                for (size_t i = 0; i < ARRAY_LENGTH(quantiles); i++)
                        row_seconds(writer, quantiles[i].key,
                                      histogram.count > 0 ? histogram_quantile(&histogram, quantiles[i].permille) : USEC_INFINITY);
                row_end_group(writer);
        }
        row_end_group(writer);
}

static int query_write_hour(struct query_context *context, struct sqlite_statement *row) {
        struct row_writer *writer = &context->writer;
        struct hour hour = {0};
        int r;

        r = row ? hour_read_words(&hour, sqlite_text(row, 3)) : 0;
        row_time(writer, "hour", number_of(row, 0, 0));
        query_write_attempts(writer, &hour);
        row_begin_group(writer, "failures");
        for (unsigned reason = 0; reason < _REASON_MAX; reason++)
                if (reason != REASON_NONE)
                        row_count(writer, reason_slug((enum reason)reason), hour_value(&hour, COUNTER_FAILURES, reason));
        row_end_group(writer);
        query_write_phases(writer, &hour);
        row_seconds(writer, "awake_seconds", number_of(row, 1, 0));
        row_seconds(writer, "awake_on_our_demand_seconds", number_of(row, 2, 0));
        row_begin_group(writer, "wakes");
        for (unsigned cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                row_count(writer, wake_cause_name((enum wake_cause)cause), hour_value(&hour, COUNTER_WAKES, cause));
        row_end_group(writer);
        free(hour.counters);
        return r;
}

/* Of the outages that began before the period, only the last can reach into it. */
#define OUTAGES "FROM outage WHERE database = ?1" \
                " AND began >= coalesce((SELECT max(began) FROM outage WHERE database = ?1 AND began <= ?2), 0)" \
                " AND began < ?3 AND (ended IS NULL OR ended > ?2)"
#define MOMENTS(table) "FROM " table " WHERE database = ?1 AND at >= ?2 AND at < ?3"
#define HOURS "FROM hour WHERE database = ?1 AND hour >= ?2 AND hour < ?3"

/*
 * ?1 is the database, ?2 since, ?3 until. `last` finds the key of the newest row beyond the newest ?4; `rows` finds all rows after the key
 * ?4, ?5, in order.
 */
static const struct listing {
        const char *last, *rows;
        int (*write)(struct query_context *context, struct sqlite_statement *row);
} listings[_QUERY_KIND_MAX] = {
        [QUERY_WAKES] = {
                "SELECT at, place " MOMENTS("wake") " ORDER BY at DESC, place DESC LIMIT 1 OFFSET ?4",
                "SELECT at, latency_usec, cause, cold, attempts, resolve_usec, connect_usec, tls_usec, auth_usec, query_usec "
                MOMENTS("wake") " AND (at, place) > (?4, ?5) ORDER BY at, place",
                query_write_wake,
        },
        [QUERY_STATES] = {
                "SELECT at, place " MOMENTS("state") " ORDER BY at DESC, place DESC LIMIT 1 OFFSET ?4",
                "SELECT at, state, previous, reason, sqlstate, generation, detail " MOMENTS("state")
                " AND (at, place) > (?4, ?5) ORDER BY at, place",
                query_write_state,
        },
        [QUERY_OUTAGES] = {
                "SELECT began, 0 " OUTAGES " ORDER BY began DESC LIMIT 1 OFFSET ?4",
                "SELECT began, ended, state, reason " OUTAGES " AND (began, 0) > (?4, ?5) ORDER BY began",
                query_write_outage,
        },
        [QUERY_HOURS] = {
                "SELECT hour, 0 " HOURS " ORDER BY hour DESC LIMIT 1 OFFSET ?4",
                "SELECT hour, awake_usec, awake_ours_usec, counts " HOURS " AND (hour, 0) > (?4, ?5) ORDER BY hour",
                query_write_hour,
        },
};

static uint64_t since_of(const struct history_query *query) {
        return query->kind == QUERY_HOURS ? query->since_real_usec - query->since_real_usec % USEC_PER_HOUR : query->since_real_usec;
}

static void bind_span(const struct query_context *context, struct sqlite_statement *statement, uint64_t from) {
        sqlite_bind_number(statement, 1, context->database);
        sqlite_bind_number(statement, 2, MAX(since_of(context->query), from));
        sqlite_bind_number(statement, 3, context->query->until_real_usec);
}

struct key {
        uint64_t at, place;
};

/* Finds the newest row that the limit leaves out: 1; or 0 if there is none. */
static int find_last(const struct query_context *context, const struct listing *listing, struct key *ret_key) {
        struct sqlite_statement *statement;
        int r;

        *ret_key = (struct key){0};
        if (context->database == 0)
                return 0;
        r = sqlite_prepare(context->sqlite, listing->last, &statement);
        if (r < 0)
                return r;
        bind_span(context, statement, 0);
        sqlite_bind_number(statement, 4, context->query->limit);
        r = sqlite_step(statement);
        if (r > 0)
                *ret_key = (struct key){sqlite_number(statement, 0), sqlite_number(statement, 1)};
        (void)sqlite_finalize(statement);
        return r;
}

static int write_rows(struct query_context *context, const struct listing *listing, struct key key) {
        struct sqlite_statement *statement;
        int r;

        if (context->database == 0)
                return 0;
        r = sqlite_prepare(context->sqlite, listing->rows, &statement);
        if (r < 0)
                return r;
        bind_span(context, statement, key.at);
        sqlite_bind_number(statement, 4, key.at);
        sqlite_bind_number(statement, 5, key.place);
        while ((r = sqlite_step(statement)) > 0) {
                row_begin(&context->writer);
                r = listing->write(context, statement);
                row_end(&context->writer);
                if (r < 0)
                        break;
        }
        (void)sqlite_finalize(statement);
        return r;
}

static int query_write_csv(struct query_context *context, const struct listing *listing, struct key key) {
        struct row_writer *writer = &context->writer;
        int r;

        writer->form = ROW_HEADER;
        row_begin(writer);
        r = listing->write(context, NULL);
        row_end(writer);
        writer->form = ROW_CSV;
        return r < 0 ? r : write_rows(context, listing, key);
}

struct history_head query_head(const struct history_query *query) {
        return (struct history_head){
                .name = query->name,
                .kind = query_kind_name(query->kind),
                .since_real_usec = query->since_real_usec,
                .until_real_usec = query->until_real_usec,
        };
}

static int query_write_json(struct query_context *context, const struct listing *listing, struct key key, bool truncated) {
        struct json_writer *w = &context->writer.json;
        int r;

        json_begin_object(w, NULL);
        field_write(w, rows_head_fields, &(struct rows_head){query_head(context->query), truncated}, false);
        json_begin_array(w, API_ROWS);
        r = write_rows(context, listing, key);
        json_end_array(w);
        json_end_object(w);
        return r;
}

static int query_write_rows(struct query_context *context) {
        const struct listing *listing = &listings[context->query->kind];
        struct key key;
        int r;

        r = find_last(context, listing, &key);
        if (r < 0)
                return r;
        return context->query->csv ? query_write_csv(context, listing, key) : query_write_json(context, listing, key, r > 0);
}

/* A database without history keeps row 0; the result is 1 if it is not configured either. */
static int query_find_database(struct query_context *context) {
        struct sqlite_statement *statement;
        int r;

        r = sqlite_prepare(context->sqlite, "SELECT id, saved_at FROM database WHERE name = ?", &statement);
        if (r < 0)
                return r;
        sqlite_bind_text(statement, 1, context->query->name);
        r = sqlite_step(statement);
        if (r > 0) {
                context->database = sqlite_number(statement, 0);
                context->saved_real_usec = sqlite_number(statement, 1);
        }
        (void)sqlite_finalize(statement);
        return r < 0 ? r : context->database == 0 && !context->query->watched;
}

int query_run(struct sqlite *sqlite, const struct history_query *query, struct buffer *buffer) {
        struct query_context context = {.sqlite = sqlite, .query = query, .writer = {.buffer = buffer, .json = {.buffer = buffer}}};
        int r;

        /* All parts of the answer are read at one moment, so that they are consistent. */
        r = sqlite_run(sqlite, "BEGIN");
        if (r >= 0)
                r = query_find_database(&context);
        if (r == 0)
                r = query->kind == QUERY_REPORT ? report_write(sqlite, query, context.database, context.saved_real_usec, &context.writer.json) : query_write_rows(&context);
        (void)sqlite_run(sqlite, "COMMIT");
        return r != 0 ? r : buffer_finish(buffer);
}
