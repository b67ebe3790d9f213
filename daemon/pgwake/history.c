/* `pgwake history`: rows from the daemon's history of a database, as a table. */
#include "api/history.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/text.h"
#include "model/check.h"
#include "pgwake/format.h"
#include "pgwake/report.h"
#include "pgwake/request.h"
#include "pgwake/sanitize.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#define HISTORY_LIMIT_MAX 100000

/* Rows as a table, which is filled cell by cell. */
struct history_view {
        struct table table;
        struct buffer text; /* of one cell */
        bool plain;         /* every column, uncut, with times as the daemon writes them and spans in seconds */
        size_t limit;       /* the most columns of a text or list (0: no limit): a long one must not displace all other columns */
        uint64_t oldest_real_usec;
};

static void history_add_text(struct history_view *view) {
        bool empty = view->text.size == 0;

        if (view->limit && !empty)
                format_cut(view->text.data, view->limit);
        table_add(&view->table, STYLE_PLAIN, empty ? NULL : view->text.data);
        buffer_clear(&view->text);
}

static void history_add_word(struct history_view *view, const char *word) {
        buffer_append_string(&view->text, word ? word : "");
        history_add_text(view);
}

static void history_add_state(struct history_view *view, const char *state) {
        table_add(&view->table, state ? style_of_state(state) : STYLE_PLAIN, state);
}

static void history_add_time(struct history_view *view, uint64_t real_usec) {
        char time[MAX(FORMAT_TIME_MAX, CLOCK_RFC3339_MAX)];
        bool exactly = view->plain && real_usec != 0;

        table_add(&view->table, STYLE_PLAIN, exactly ? clock_format_rfc3339(time, real_usec) : format_time(time, real_usec, false));
}

static void history_add_span(struct history_view *view, uint64_t usec) {
        char span[DURATION_MAX];

        if (view->plain && usec != USEC_INFINITY)
                buffer_printf(&view->text, "%" PRIu64 ".%06" PRIu64, usec / USEC_PER_SEC, usec % USEC_PER_SEC);
        else
                buffer_append_string(&view->text, format_span(span, usec));
        history_add_text(view);
}

static void history_add_count(struct history_view *view, uint64_t count) {
        buffer_printf(&view->text, "%" PRIu64, count);
        history_add_text(view);
}

/* "tcp.refused 3, dns.failed 1"; plainly it is one word, "tcp.refused=3,dns.failed=1". */
static void history_add_counts(struct history_view *view, struct field_rows counts) {
        const char *separator = "";
        struct named_count count;

        while (field_rows_next(&counts, &count)) {
                buffer_printf(&view->text, "%s%s%s%" PRIu64, separator, count.name, view->plain ? "=" : " ", count.count);
                separator = view->plain ? "," : ", ";
        }
        history_add_text(view);
}

/* The span of NAME; unknown if it is not listed. */
static uint64_t history_span(struct field_rows spans, const char *name) {
        struct named_span span;

        while (field_rows_next(&spans, &span))
                if (streq(span.name, name))
                        return span.usec;
        return USEC_INFINITY;
}

static uint64_t history_sum(struct field_rows attempts) {
        struct check_attempts check;
        struct named_count outcome;
        uint64_t sum = 0;

        while (field_rows_next(&attempts, &check))
                while (field_rows_next(&check.outcomes, &outcome))
                        sum += outcome.count;
        return sum;
}

static void history_add_wake(struct history_view *view, const union history_row *row) {
        const struct wake_row *wake = &row->wake;

        history_add_time(view, wake->at_real_usec);
        history_add_span(view, wake->latency_usec);
        history_add_word(view, wake->cause);
        history_add_word(view, wake->cold ? "yes" : "no");
        history_add_count(view, wake->attempts);
        for (enum phase phase = 0; phase < _PHASE_MAX; phase++)
                history_add_span(view, history_span(wake->phases, phase_name(phase)));
}

static void history_add_change(struct history_view *view, const union history_row *row) {
        const struct state_row *change = &row->state;

        history_add_time(view, change->at_real_usec);
        history_add_state(view, change->state);
        history_add_state(view, change->previous);
        history_add_word(view, change->reason);
        history_add_word(view, change->sqlstate);
        history_add_count(view, change->generation);
        history_add_word(view, change->detail);
}

static void history_add_outage(struct history_view *view, const union history_row *row) {
        const struct outage_row *outage = &row->outage;

        history_add_time(view, outage->from_real_usec);
        history_add_time(view, outage->to_real_usec);
        history_add_span(view, outage->usec);
        history_add_state(view, outage->state);
        history_add_word(view, outage->reason);
}

static void history_add_hour(struct history_view *view, const union history_row *row) {
        const struct hour_row *hour = &row->hour;

        history_add_time(view, hour->hour_real_usec);
        history_add_count(view, history_sum(hour->attempts));
        history_add_span(view, hour->awake_usec);
        history_add_span(view, hour->awake_on_our_demand_usec);
        for (enum phase phase = 0; phase < _PHASE_MAX; phase++)
                history_add_span(view, report_phase(hour->phases, phase_name(phase)).p95_usec);
        history_add_counts(view, hour->wakes);
        history_add_counts(view, hour->failures);
}

#define HISTORY_COLUMNS_MAX 12

static const struct history_kind {
        const char *name;
        const struct field *fields;
        void (*add)(struct history_view *view, const union history_row *row);
        size_t n;
        struct column columns[HISTORY_COLUMNS_MAX];
} history_kinds[] = {
        {
                "wakes", wake_row_fields, history_add_wake, 10,
                {
                        {"AT", false, 0}, {"LATENCY", true, 0}, {"CAUSE", false, 8}, {"COLD", false, 7}, {"ATTEMPTS", true, 6},
                        {"RESOLVE", true, 1}, {"CONNECT", true, 3}, {"TLS", true, 2}, {"AUTH", true, 4}, {"QUERY", true, 5},
                },
        },
        {
                "states", state_row_fields, history_add_change, 7,
                {
                        {"AT", false, 0}, {"STATE", false, 0}, {"PREVIOUS", false, 3}, {"REASON", false, 5}, {"SQLSTATE", false, 2},
                        {"GENERATION", true, 1}, {"DETAIL", false, 4},
                },
        },
        {
                "outages", outage_row_fields, history_add_outage, 5,
                {
                        {"FROM", false, 0}, {"TO", false, 1}, {"LASTED", true, 0}, {"STATE", false, 0}, {"REASON", false, 2},
                },
        },
        {
                "hours", hour_row_fields, history_add_hour, 11,
                {
                        {"HOUR", false, 0}, {"ATTEMPTS", true, 6}, {"AWAKE", true, 10}, {"OURS", true, 8}, {"RESOLVE", true, 1},
                        {"CONNECT", true, 3}, {"TLS", true, 2}, {"AUTH", true, 4}, {"QUERY", true, 5}, {"WAKES", false, 7},
                        {"FAILURES", false, 9},
                },
        },
};

static const struct history_kind *history_find_kind(const char *name) {
        for (size_t i = 0; i < ARRAY_LENGTH(history_kinds); i++)
                if (streq(history_kinds[i].name, name))
                        return &history_kinds[i];
        return NULL;
}

/* 0, or -EBADMSG and the wrong member. */
static int history_add_rows(struct history_view *view, const struct history_kind *kind, json_t *rows, char wrong[DECODE_PATH_MAX]) {
        union history_row row;
        json_t *value;
        size_t i;

        json_array_foreach(rows, i, value) {
                if (decode(value, kind->fields, &row, wrong) < 0)
                        return -EBADMSG;
                if (i == 0)
                        view->oldest_real_usec = row.real_usec;
                kind->add(view, &row);
        }
        return buffer_finish(&view->text);
}

/* Whether the output is for grep, not for eyes: --plain, or no terminal. */
static bool history_is_plain(const struct context *context) {
        return option_is_given(&context->options, "plain") || !context->out.is_terminal;
}

/* The path for the given options. NULL if memory runs out. */
static char *history_path(const struct options *options, const char *kind, const char *format) {
        const struct parameter parameters[] = {
                {"kind", kind},
                {"since", option_text(options, "since")},
                {"until", option_text(options, "until")},
                {"limit", option_text(options, "limit")},
                {"format", format},
                {0},
        };

        return client_path("/history", options->operands[0], parameters);
}

static bool history_is_limit(const char *text) {
        char *end;
        unsigned long limit;

        errno = 0;
        limit = strtoul(text, &end, 10);
        return isdigit((unsigned char)text[0]) && !*end && errno == 0 && limit >= 1 && limit <= HISTORY_LIMIT_MAX;
}

static bool history_is_kind(const char *kind) {
        const char *names[ARRAY_LENGTH(history_kinds)], *nearest;

        if (history_find_kind(kind))
                return true;
        for (size_t i = 0; i < ARRAY_LENGTH(history_kinds); i++)
                names[i] = history_kinds[i].name;
        nearest = text_nearest(kind, names, ARRAY_LENGTH(names));
        complain("history: \"%s\" is no kind of history; there are wakes, states, outages and hours%s%s%s", kind,
                 nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
        return false;
}

static bool history_check_usage(const struct options *options) {
        const char *kind = option_text(options, "kind"), *limit = option_text(options, "limit");
        const char *since = option_text(options, "since"), *until = option_text(options, "until");

        if (options->json + option_is_given(options, "csv") + option_is_given(options, "plain") > 1) {
                complain("history: --json, --csv and --plain exclude each other");
                return false;
        }
        if (limit && !history_is_limit(limit)) {
                complain("history: --limit wants a number from 1 to %d, not \"%s\"", HISTORY_LIMIT_MAX, limit);
                return false;
        }
        return (!kind || history_is_kind(kind)) && (!since || request_is_past_time("history", "since", since)) &&
               (!until || request_is_past_time("history", "until", until));
}

/* Reported beside the rows, not among them. */
static void history_tell_truncated(const struct history_view *view, size_t n) {
        char oldest[CLOCK_RFC3339_MAX];

        (void)clock_format_rfc3339(oldest, view->oldest_real_usec);
        if (n >= HISTORY_LIMIT_MAX)
                complain("there is more: these are the newest %zu rows; --until %s shows those before", n, oldest);
        else
                complain("there is more: these are the newest %zu rows; --limit N (at most %d) shows more, --until %s those before", n,
                         HISTORY_LIMIT_MAX, oldest);
}

static int history_render(struct history_view *view, const struct history_kind *kind, size_t n, const struct terminal *terminal,
                          struct buffer *buffer) {
        const struct terminal wide = {.file = terminal->file};

        if (n > 0 || view->plain)
                return table_render(&view->table, view->plain ? &wide : terminal, buffer);
        buffer_printf(buffer, "No %s in this time.\n", kind->name);
        return 0;
}

static int history_show(struct context *context, const struct history_kind *kind, json_t *json) {
        struct history_view view = {.table = {.columns = kind->columns, .n_columns = kind->n}, .plain = history_is_plain(context)};
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        json_t *rows = json_object_get(json, API_ROWS);
        char wrong[DECODE_PATH_MAX];
        struct rows_head head;
        int r;

        view.limit = view.plain ? 0 : context->out.columns * 2 / 5;
        if (decode(json, rows_head_fields, &head, wrong) < 0)
                return tell_wrong_member(context, wrong);
        if (!json_is_array(rows))
                return tell_wrong_member(context, API_ROWS);
        r = history_add_rows(&view, kind, rows, wrong);
        if (r == 0)
                r = history_render(&view, kind, json_array_size(rows), &context->out, &buffer);
        table_deinit(&view.table);
        buffer_deinit(&view.text);
        if (r == -EBADMSG)
                return tell_wrong_member(context, wrong);
        if (r == 0)
                r = terminal_write(&context->out, &buffer);
        if (r == 0 && head.truncated && json_array_size(rows) > 0)
                history_tell_truncated(&view, json_array_size(rows));
        return tell_error(r, EXIT_CODE_DONE);
}

/* Cleans each line, so that nothing in it controls the terminal; a file gets exactly what the daemon wrote. */
static void history_append_clean(struct buffer *buffer, const char *data, size_t size) {
        while (size > 0) {
                const char *end = memchr(data, '\n', size);
                size_t length = end ? (size_t)(end - data) : size, text = length;
                _cleanup_free_ char *line = NULL;

                if (text > 0 && data[text - 1] == '\r')
                        text--;
                line = malloc(text + 1);
                if (!line) {
                        buffer->failed = true;
                        return;
                }
                /* A NUL must not hide the rest of the line. */
                for (size_t i = 0; i < text; i++)
                        line[i] = data[i] ? data[i] : '\x7F';
                line[text] = '\0';
                sanitize_append(buffer, line);
                buffer_append(buffer, "\n", 1);
                data += end ? length + 1 : length;
                size -= end ? length + 1 : length;
        }
}

/* The number of CSV rows without the header: a newline inside quotes ends none. */
static size_t history_count_rows(const char *data, size_t size) {
        bool quoted = false;
        size_t n = 0;

        for (size_t i = 0; i < size; i++) {
                quoted ^= data[i] == '"';
                n += data[i] == '\n' && !quoted;
        }
        return n > 0 ? n - 1 : 0;
}

static int history_pass_csv(struct context *context, const struct exchange *exchange) {
        const struct buffer *body = &exchange->body;
        _cleanup_(buffer_deinit) struct buffer clean = {0};
        const char *given = option_text(&context->options, "limit");
        size_t limit = given ? strtoul(given, NULL, 10) : 1000, n;
        int r;

        if (body->size == 0 || !islower((unsigned char)body->data[0]))
                return tell_malformed(context, "no CSV");
        n = history_count_rows(body->data, body->size);
        if (isatty(fileno(context->out.file)))
                history_append_clean(&clean, body->data, body->size);
        else
                buffer_append(&clean, body->data, body->size);
        r = terminal_write(&context->out, &clean);
        if (r == 0 && n >= limit)
                complain("these are the newest %zu rows, and there may be more: --limit N (at most %d) shows them", n, HISTORY_LIMIT_MAX);
        return tell_error(r, EXIT_CODE_DONE);
}

static int history_exec(struct context *context) {
        const struct options *options = &context->options;
        bool csv = option_is_given(options, "csv");
        const char *given = option_text(options, "kind"), *kind = given ? given : "wakes";
        _cleanup_(exchange_freep) struct exchange *exchange = NULL;
        _cleanup_(answer_deinit) struct answer answer = {0};
        _cleanup_free_ char *path = NULL;
        int r;

        if (!history_check_usage(options))
                return EXIT_CODE_USAGE;
        path = history_path(options, kind, csv ? "csv" : NULL);
        r = request_exchange(context, &(struct request){.path = path, .timeout_usec = REQUEST_HISTORY_USEC}, &exchange);
        if (r != 0)
                return r;
        if (csv && exchange->error == 0 && exchange->status == 200)
                return history_pass_csv(context, exchange);
        r = answer_read(context, exchange, &answer);
        if (r != 0)
                return r;
        if (answer.status != 200)
                return tell_refusal(context, &answer, options->operands[0]);
        if (options->json)
                return tell_error(terminal_write_json(&context->out, answer.json), EXIT_CODE_DONE);
        return history_show(context, history_find_kind(kind), answer.json);
}

const struct command command_history = {
        .name = "history",
        .arguments = "NAME [--kind KIND] [--since T] [--until T] [--limit N] [--csv | --plain]",
        .summary = "Show what the daemon remembers of a database.",
        .description =
                "Shows rows of the daemon's history, the newest last: wakes, changes of state, outages, or what each hour added up to.\n",
        .options = (const struct command_option[]){
                {"kind", "KIND", "wakes (this is the default), states, outages or hours."},
                {"since", "T", "From T on: back from now (36h, 7d), or a moment (2026-11-22T16:00:00Z); by default 7d."},
                {"until", "T", "Up to T, which is written in the same way."},
                {"limit", "N", "The newest N rows, 100000 at most; by default 1000."},
                {"csv", NULL, "Answer with comma-separated values, for spreadsheets."},
                {"plain", NULL, "As where there is no terminal: nothing is cut, times in UTC, spans in seconds."},
                {0},
        },
        .min_operands = 1,
        .max_operands = 1,
        .exec = history_exec,
};
