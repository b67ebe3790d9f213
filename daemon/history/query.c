#include "history/query.h"

#include "api/history.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"
#include "history/event-rows.h"
#include "history/report.h"
#include "history/sqlite.h"
#include "model/event.h"

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

/* The rows. */

struct query_context {
        struct sqlite *sqlite;
        const struct history_query *query;
        uint64_t database;
        uint64_t saved_real_usec; /* when its last snapshot was saved */
        struct json_writer writer;
        /* Of the present row. */
        uint64_t phases_usec[_PHASE_MAX];
        struct hour hour;
        /* Some counters of one kind: the attempts of each check. */
        struct counter_range {
                enum counter_kind kind;
                unsigned first, end;
        } attempts[_CHECK_MAX];
};

/* ROW is NULL for the heading of CSV. */
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

static bool query_next_span(struct field_rows *rows, void *ret_row) {
        const struct query_context *context = rows->of;
        size_t phase = rows->index++;

        if (phase >= _PHASE_MAX)
                return false;
        *(struct named_span *)ret_row = (struct named_span){phase_name((enum phase)phase), context->phases_usec[phase]};
        return true;
}

static int query_read_wake(struct query_context *context, struct sqlite_statement *row, union history_row *ret_row) {
        for (int phase = 0; phase < _PHASE_MAX; phase++)
                context->phases_usec[phase] = number_of(row, 5 + phase, USEC_INFINITY);
        ret_row->wake = (struct wake_row){
                .at_real_usec = number_of(row, 0, 0),
                .latency_usec = number_of(row, 1, USEC_INFINITY),
                .cause = text_of(row, 2),
                .cold = number_of(row, 3, 0) > 0,
                .attempts = number_of(row, 4, 0),
                .phases = {.next = query_next_span, .of = context},
        };
        return 0;
}

static int query_read_state(struct query_context *context, struct sqlite_statement *row, union history_row *ret_row) {
        (void)context;
        ret_row->state = (struct state_row){
                .at_real_usec = number_of(row, 0, 0),
                .state = text_of(row, 1),
                .previous = text_of(row, 2),
                .reason = reason_of(row, 3),
                .sqlstate = text_of(row, 4),
                .generation = number_of(row, 5, 0),
                .detail = text_of(row, 6),
        };
        return 0;
}

static int query_read_outage(struct query_context *context, struct sqlite_statement *row, union history_row *ret_row) {
        uint64_t from = number_of(row, 0, 0), to = number_of(row, 1, 0);

        /* The end of an outage is unknown if the database is not watched any more. */
        if (to == 0 && !context->query->watched)
                to = MAX(from, context->saved_real_usec);
        ret_row->outage = (struct outage_row){
                .from_real_usec = from,
                .to_real_usec = to,
                .usec = usec_sub(to > 0 ? to : context->query->now_real_usec, from),
                .state = text_of(row, 2),
                .reason = reason_of(row, 3),
        };
        return 0;
}

/* The check of an attempt is above it. */
static const char *counter_word(enum counter_kind kind, unsigned index) {
        switch (kind) {
        case COUNTER_ATTEMPTS:
                return reason_class_name((enum reason_class)(index % _REASON_CLASS_MAX));
        case COUNTER_FAILURES:
                return reason_slug((enum reason)index);
        case COUNTER_WAKES:
                return wake_cause_name((enum wake_cause)index);
        case COUNTER_LATENCY:
        case COUNTER_PHASES:
                break;
        }
        return NULL;
}

/* In JSON a counter that is 0 is left out; in CSV each line has all of them. */
static bool query_next_count(struct field_rows *rows, void *ret_row) {
        const struct query_context *context = rows->of;
        const struct counter_range *range = rows->at;

        while (rows->index < range->end) {
                unsigned index = (unsigned)rows->index++;
                uint64_t value = hour_value(&context->hour, range->kind, index);

                if (value == 0 && !context->query->csv)
                        continue;
                *(struct named_count *)ret_row = (struct named_count){counter_word(range->kind, index), value};
                return true;
        }
        return false;
}

static struct field_rows count_rows(const struct query_context *context, const struct counter_range *range) {
        return (struct field_rows){.next = query_next_count, .of = context, .at = range, .index = range->first};
}

static bool query_next_check(struct field_rows *rows, void *ret_row) {
        const struct query_context *context = rows->of;

        while (rows->index < _CHECK_MAX) {
                enum check check = (enum check)rows->index++;
                struct field_rows outcomes = count_rows(context, &context->attempts[check]);

                if (field_rows_count(outcomes) == 0)
                        continue;
                *(struct check_attempts *)ret_row = (struct check_attempts){check_name(check), outcomes};
                return true;
        }
        return false;
}

static bool query_next_phase(struct field_rows *rows, void *ret_row) {
        const struct query_context *context = rows->of;
        struct phase_report *phase = ret_row;

        while (rows->index < _PHASE_MAX) {
                *phase = report_phase(&context->hour, (enum phase)rows->index++);
                if (phase->spread.count > 0 || context->query->csv)
                        return true;
        }
        return false;
}

static int query_read_hour(struct query_context *context, struct sqlite_statement *row, union history_row *ret_row) {
        static const struct counter_range failures = {COUNTER_FAILURES, REASON_NONE + 1, _REASON_MAX};
        static const struct counter_range wakes = {COUNTER_WAKES, 0, _WAKE_CAUSE_MAX};

        for (unsigned check = 0, first = 0; check < _CHECK_MAX; check++, first += _REASON_CLASS_MAX)
                context->attempts[check] = (struct counter_range){COUNTER_ATTEMPTS, first, first + _REASON_CLASS_MAX};
        ret_row->hour = (struct hour_row){
                .hour_real_usec = number_of(row, 0, 0),
                .attempts = {.next = query_next_check, .of = context},
                .failures = count_rows(context, &failures),
                .phases = {.next = query_next_phase, .of = context},
                .awake_usec = number_of(row, 1, 0),
                .awake_on_our_demand_usec = number_of(row, 2, 0),
                .wakes = count_rows(context, &wakes),
        };
        context->hour.n = 0;
        return row ? hour_read_words(&context->hour, sqlite_text(row, 3)) : 0;
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
        const struct field *fields;
        int (*read)(struct query_context *context, struct sqlite_statement *row, union history_row *ret_row);
} listings[_QUERY_KIND_MAX] = {
        [QUERY_WAKES] = {
                "SELECT at, place " MOMENTS("wake") " ORDER BY at DESC, place DESC LIMIT 1 OFFSET ?4",
                "SELECT at, latency_usec, cause, cold, attempts, resolve_usec, connect_usec, tls_usec, auth_usec, query_usec "
                MOMENTS("wake") " AND (at, place) > (?4, ?5) ORDER BY at, place",
                wake_row_fields,
                query_read_wake,
        },
        [QUERY_STATES] = {
                "SELECT at, place " MOMENTS("state") " ORDER BY at DESC, place DESC LIMIT 1 OFFSET ?4",
                "SELECT at, state, previous, reason, sqlstate, generation, detail " MOMENTS("state")
                " AND (at, place) > (?4, ?5) ORDER BY at, place",
                state_row_fields,
                query_read_state,
        },
        [QUERY_OUTAGES] = {
                "SELECT began, 0 " OUTAGES " ORDER BY began DESC LIMIT 1 OFFSET ?4",
                "SELECT began, ended, state, reason " OUTAGES " AND (began, 0) > (?4, ?5) ORDER BY began",
                outage_row_fields,
                query_read_outage,
        },
        [QUERY_HOURS] = {
                "SELECT hour, 0 " HOURS " ORDER BY hour DESC LIMIT 1 OFFSET ?4",
                "SELECT hour, awake_usec, awake_ours_usec, counts " HOURS " AND (hour, 0) > (?4, ?5) ORDER BY hour",
                hour_row_fields,
                query_read_hour,
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

/* Without a STATEMENT it is the heading of CSV. */
static int write_row(struct query_context *context, const struct listing *listing, struct sqlite_statement *statement) {
        struct json_writer *w = &context->writer;
        union history_row row;
        int r;

        r = listing->read(context, statement, &row);
        if (r < 0)
                return r;
        if (context->query->csv)
                field_write_csv(w->buffer, listing->fields, &row, context->query->detail, !statement);
        else
                field_write_object(w, NULL, listing->fields, &row, context->query->detail);
        return 0;
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
                r = write_row(context, listing, statement);
                if (r < 0)
                        break;
        }
        (void)sqlite_finalize(statement);
        return r;
}

static int query_write_csv(struct query_context *context, const struct listing *listing, struct key key) {
        int r;

        r = write_row(context, listing, NULL);
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
        struct json_writer *w = &context->writer;
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
        struct query_context context = {.sqlite = sqlite, .query = query, .writer = {.buffer = buffer}};
        int r;

        /* All parts of the answer are read at one moment, so that they are consistent. */
        r = sqlite_run(sqlite, "BEGIN");
        if (r >= 0)
                r = query_find_database(&context);
        if (r == 0)
                r = query->kind == QUERY_REPORT ? report_write(sqlite, query, context.database, context.saved_real_usec, &context.writer)
                                                : query_write_rows(&context);
        (void)sqlite_run(sqlite, "COMMIT");
        free(context.hour.counters);
        return r != 0 ? r : buffer_finish(buffer);
}
