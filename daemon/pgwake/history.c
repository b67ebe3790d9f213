/* `pgwake history`: rows from the daemon's history of a database, as a table whose columns are described by a table. */
#include "api/report.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/text.h"
#include "pgwake/format.h"
#include "pgwake/request.h"
#include "pgwake/sanitize.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#define HISTORY_LIMIT_MAX 100000

enum history_form {
        FORM_TEXT,
        FORM_STATE,
        FORM_TIME,
        FORM_SPAN,
        FORM_COUNT,
        FORM_BOOL,
        FORM_COUNTS, /* {word: n} as "word n, ..." */
        FORM_SUM,    /* {word: {word: n}} as the sum of all */
};

struct cell_source {
        const char *path;
        enum history_form form;
        bool required;
};

#define HISTORY_COLUMNS_MAX 12

static const struct history_kind {
        const char *name;
        size_t n;
        struct column columns[HISTORY_COLUMNS_MAX];
        struct cell_source sources[HISTORY_COLUMNS_MAX];
} history_kinds[] = {
        {
                "wakes", 10,
                {
                        {"AT", false, 0}, {"LATENCY", true, 0}, {"CAUSE", false, 8}, {"COLD", false, 7}, {"ATTEMPTS", true, 6},
                        {"RESOLVE", true, 1}, {"CONNECT", true, 3}, {"TLS", true, 2}, {"AUTH", true, 4}, {"QUERY", true, 5},
                },
                {
                        {"at", FORM_TIME, true}, {"latency_seconds", FORM_SPAN, false}, {"cause", FORM_TEXT, false},
                        {"cold", FORM_BOOL, false}, {"attempts", FORM_COUNT, false}, {"phases.resolve", FORM_SPAN, false},
                        {"phases.connect", FORM_SPAN, false}, {"phases.tls", FORM_SPAN, false}, {"phases.auth", FORM_SPAN, false},
                        {"phases.query", FORM_SPAN, false},
                },
        },
        {
                "states", 7,
                {
                        {"AT", false, 0}, {"STATE", false, 0}, {"PREVIOUS", false, 3}, {"REASON", false, 5}, {"SQLSTATE", false, 2},
                        {"GENERATION", true, 1}, {"DETAIL", false, 4},
                },
                {
                        {"at", FORM_TIME, true}, {"state", FORM_STATE, true}, {"previous", FORM_STATE, false}, {"reason", FORM_TEXT, false},
                        {"sqlstate", FORM_TEXT, false}, {"generation", FORM_COUNT, false}, {"detail", FORM_TEXT, false},
                },
        },
        {
                "outages", 5,
                {
                        {"FROM", false, 0}, {"TO", false, 1}, {"LASTED", true, 0}, {"STATE", false, 0}, {"REASON", false, 2},
                },
                {
                        {"from", FORM_TIME, true}, {"to", FORM_TIME, false}, {"seconds", FORM_SPAN, false}, {"state", FORM_STATE, true},
                        {"reason", FORM_TEXT, false},
                },
        },
        {
                "hours", 11,
                {
                        {"HOUR", false, 0}, {"ATTEMPTS", true, 6}, {"AWAKE", true, 10}, {"OURS", true, 8}, {"RESOLVE", true, 1},
                        {"CONNECT", true, 3}, {"TLS", true, 2}, {"AUTH", true, 4}, {"QUERY", true, 5}, {"WAKES", false, 7},
                        {"FAILURES", false, 9},
                },
                {
                        {"hour", FORM_TIME, true}, {"attempts", FORM_SUM, false}, {"awake_seconds", FORM_SPAN, false},
                        {"awake_on_our_demand_seconds", FORM_SPAN, false}, {"phases.resolve.p95_seconds", FORM_SPAN, false},
                        {"phases.connect.p95_seconds", FORM_SPAN, false}, {"phases.tls.p95_seconds", FORM_SPAN, false},
                        {"phases.auth.p95_seconds", FORM_SPAN, false}, {"phases.query.p95_seconds", FORM_SPAN, false},
                        {"wakes", FORM_COUNTS, false}, {"failures", FORM_COUNTS, false},
                },
        },
};

/* Adds OBJECT's counts to the sum, and those below it; false for an invalid count. */
static bool history_add_up(json_t *object, bool nested, uint64_t *sum) {
        const char *key;
        json_t *value;

        json_object_foreach(object, key, value) {
                if (nested && json_is_object(value)) {
                        if (!history_add_up(value, false, sum))
                                return false;
                } else if (!json_is_integer(value) || json_integer_value(value) < 0)
                        return false;
                else
                        *sum += (uint64_t)json_integer_value(value);
        }
        return true;
}

/* "tcp.refused 3, dns.failed 1"; with PLAIN one word, "tcp.refused=3,dns.failed=1". */
static int history_append_counts(struct buffer *text, json_t *object, bool plain) {
        const char *key, *separator = "";
        json_t *value;

        json_object_foreach(object, key, value) {
                if (!json_is_integer(value) || json_integer_value(value) < 0)
                        return -EBADMSG;
                buffer_printf(text, "%s%s%s%" JSON_INTEGER_FORMAT, separator, key, plain ? "=" : " ", json_integer_value(value));
                separator = plain ? "," : ", ";
        }
        return 0;
}

static int history_append_time(struct buffer *text, const char *value, bool plain) {
        uint64_t usec = decode_time(value);
        char time[FORMAT_TIME_MAX];

        if (usec == 0)
                return -EBADMSG;
        buffer_append_string(text, plain ? value : format_time(time, usec, false));
        return 0;
}

static void history_append_span(struct buffer *text, uint64_t usec, bool plain) {
        char span[DURATION_MAX];

        if (plain)
                buffer_printf(text, "%" PRIu64 ".%06" PRIu64, usec / USEC_PER_SEC, usec % USEC_PER_SEC);
        else
                buffer_append_string(text, format_span(span, usec));
}

/* Reads one member by its type; -EBADMSG if it is invalid. */
static int history_read(json_t *value, enum field_type type, void *ret) {
        char wrong[DECODE_PATH_MAX] = "";

        return decode_value(value, &(struct field){.type = type}, ret, wrong);
}

/* The text of VALUE, which is not null. */
static int history_compose(enum history_form form, json_t *value, bool plain, struct buffer *text) {
        uint64_t number = 0;
        bool is = false;
        int r = -EBADMSG;

        switch (form) {
        case FORM_TEXT:
        case FORM_STATE:
                if (json_is_string(value))
                        buffer_append_string(text, json_string_value(value));
                return json_is_string(value) ? 0 : -EBADMSG;
        case FORM_TIME:
                return json_is_string(value) ? history_append_time(text, json_string_value(value), plain) : -EBADMSG;
        case FORM_SPAN:
                r = history_read(value, FIELD_SECONDS, &number);
                if (r == 0)
                        history_append_span(text, number, plain);
                return r;
        case FORM_COUNT:
                r = history_read(value, FIELD_COUNT, &number);
                if (r == 0)
                        buffer_printf(text, "%" PRIu64, number);
                return r;
        case FORM_BOOL:
                r = history_read(value, FIELD_BOOL, &is);
                if (r == 0)
                        buffer_append_string(text, is ? "yes" : "no");
                return r;
        case FORM_COUNTS:
                return json_is_object(value) ? history_append_counts(text, value, plain) : -EBADMSG;
        case FORM_SUM:
                if (!json_is_object(value) || !history_add_up(value, true, &number))
                        return -EBADMSG;
                buffer_printf(text, "%" PRIu64, number);
                return 0;
        }
        return r;
}

/* The text of a cell; empty if unknown. */
static int history_add_cell(const struct cell_source *source, json_t *row, bool plain, struct buffer *text) {
        json_t *value;

        if (decode_find(row, source->path, &value) < 0)
                return -EBADMSG;
        if (!value)
                return source->required ? -EBADMSG : 0;
        return history_compose(source->form, value, plain, text);
}

/* LIMIT is the most columns of a text or list (0: no limit). */
static int history_add_row(struct table *table, const struct history_kind *kind, json_t *row, bool plain, size_t limit, struct buffer *text,
                   const char **ret_wrong) {
        for (size_t i = 0; i < kind->n; i++) {
                buffer_clear(text);
                *ret_wrong = kind->sources[i].path;
                if (history_add_cell(&kind->sources[i], row, plain, text) < 0)
                        return -EBADMSG;
                if (limit && text->data && (kind->sources[i].form == FORM_TEXT || kind->sources[i].form == FORM_COUNTS))
                        format_cut(text->data, limit);
                table_add(table, kind->sources[i].form == FORM_STATE && text->size ? style_of_state(text->data) : STYLE_PLAIN,
                          text->size ? text->data : NULL);
        }
        return buffer_finish(text);
}

static const struct history_kind *history_find_kind(const char *name) {
        for (size_t i = 0; i < ARRAY_LENGTH(history_kinds); i++)
                if (streq(history_kinds[i].name, name))
                        return &history_kinds[i];
        return NULL;
}

/*
 * The rows of KIND as a table. PLAIN: every column, uncut, with times as the daemon writes them and spans in seconds. Returns 0; -ENOMEM;
 * or -EBADMSG and the wrong member in *ret_wrong.
 */
static int history_render(const struct history_kind *kind, json_t *rows, bool plain, const struct terminal *terminal, struct buffer *buffer,
                          const char **ret_wrong) {
        _cleanup_(table_deinit) struct table table = {.columns = kind->columns, .n_columns = kind->n};
        _cleanup_(buffer_deinit) struct buffer text = {0};
        struct terminal wide = *terminal;
        /* One long text must not displace all other columns. */
        size_t limit = plain ? 0 : terminal->columns * 2 / 5;
        json_t *row;
        size_t i;
        int r = 0;

        json_array_foreach(rows, i, row)
                if (r == 0)
                        r = history_add_row(&table, kind, row, plain, limit, &text, ret_wrong);
        if (plain)
                wide = (struct terminal){.file = terminal->file};
        return r == 0 ? table_render(&table, &wide, buffer) : r;
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

static const char *history_when_of(json_t *row) {
        static const char *const names[] = {"at", "from", "hour"};

        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                if (json_is_string(json_object_get(row, names[i])))
                        return json_string_value(json_object_get(row, names[i]));
        return NULL;
}

/* Reported beside the rows, not among them. */
static void history_tell_truncated(json_t *rows) {
        const char *first = history_when_of(json_array_get(rows, 0));
        size_t n = json_array_size(rows);

        if (n >= HISTORY_LIMIT_MAX)
                complain("there is more: these are the newest %zu rows%s%s shows those before", n,
                         first ? "; --until " : ", and an earlier --until", first ? first : "");
        else
                complain("there is more: these are the newest %zu rows; --limit N (at most %d) shows more%s%s%s", n, HISTORY_LIMIT_MAX,
                         first ? ", --until " : "", first ? first : "", first ? " those before" : "");
}

static int history_show(struct context *context, const struct history_kind *kind, json_t *json) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        bool plain = history_is_plain(context);
        json_t *rows = json_object_get(json, API_ROWS);
        char path[DECODE_PATH_MAX];
        const char *wrong = API_ROWS;
        struct rows_head head;
        int r = 0;

        if (decode(json, rows_head_fields, &head, path) < 0)
                return tell_wrong_member(context, path);
        if (!json_is_array(rows))
                r = -EBADMSG;
        else if (json_array_size(rows) == 0 && !plain)
                buffer_printf(&buffer, "No %s in this time.\n", kind->name);
        else
                r = history_render(kind, rows, plain, &context->out, &buffer, &wrong);
        if (r == -EBADMSG)
                return tell_wrong_member(context, wrong);
        if (r == 0)
                r = terminal_write(&context->out, &buffer);
        if (r == 0 && head.truncated)
                history_tell_truncated(rows);
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
