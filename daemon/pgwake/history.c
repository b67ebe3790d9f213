#include "pgwake/history.h"

#include "base/duration.h"
#include "base/text.h"
#include "pgwake/sanitize.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

bool history_is_plain(const struct context *context) {
        return option_is_given(&context->options, "plain") || !context->out.is_terminal;
}

bool history_is_time(const char *command, const char *option, const char *text) {
        uint64_t usec;

        /* Which times there are is the daemon's to judge: here only what cannot be one is told from the rest. */
        if (duration_parse(text, &usec) == 0 || (strlen(text) > 10 && isdigit((unsigned char)text[0]) && text[10] == 'T'))
                return true;
        complain("%s: --%s wants a time back from now, a number with its unit (36h, 7d), or a moment (2026-11-22T16:00:00Z), not \"%s\"",
                 command, option, text);
        return false;
}

/* The path for the options that were given. NULL without memory. */
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

static bool is_limit(const char *text) {
        char *end;
        unsigned long limit;

        errno = 0;
        limit = strtoul(text, &end, 10);
        return isdigit((unsigned char)text[0]) && !*end && errno == 0 && limit >= 1 && limit <= HISTORY_LIMIT_MAX;
}

static bool is_kind(const char *kind) {
        const char *nearest;
        size_t n = 0;

        for (; history_kinds[n]; n++)
                if (streq(history_kinds[n], kind))
                        return true;
        nearest = text_nearest(kind, history_kinds, n);
        complain("history: \"%s\" is no kind of history; there are wakes, states, outages and hours%s%s%s", kind,
                 nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
        return false;
}

static bool check_usage(const struct options *options) {
        const char *kind = option_text(options, "kind"), *limit = option_text(options, "limit");
        const char *since = option_text(options, "since"), *until = option_text(options, "until");

        if (options->json + option_is_given(options, "csv") + option_is_given(options, "plain") > 1) {
                complain("history: --json, --csv and --plain exclude each other");
                return false;
        }
        if (limit && !is_limit(limit)) {
                complain("history: --limit wants a number from 1 to %d, not \"%s\"", HISTORY_LIMIT_MAX, limit);
                return false;
        }
        return (!kind || is_kind(kind)) && (!since || history_is_time("history", "since", since)) &&
               (!until || history_is_time("history", "until", until));
}

struct rows {
        bool truncated;
        json_t *rows;
};

static const char *when_of(json_t *row) {
        static const char *const names[] = {"at", "from", "hour"};

        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                if (json_is_string(json_object_get(row, names[i])))
                        return json_string_value(json_object_get(row, names[i]));
        return NULL;
}

/* Told beside the rows and not among them. */
static void tell_truncated(const struct rows *rows) {
        const char *first = when_of(json_array_get(rows->rows, 0));
        size_t n = json_array_size(rows->rows);

        if (n >= HISTORY_LIMIT_MAX)
                complain("there is more: these are the newest %zu rows%s%s shows those before", n,
                         first ? "; --until " : ", and an earlier --until", first ? first : "");
        else
                complain("there is more: these are the newest %zu rows; --limit N (at most %d) shows more%s%s%s", n, HISTORY_LIMIT_MAX,
                         first ? ", --until " : "", first ? first : "", first ? " those before" : "");
}

static int show(struct context *context, const char *kind, json_t *json) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        bool plain = history_is_plain(context);
        struct rows rows = {0};
        static const struct field fields[] = {
                {"truncated", FIELD_BOOL, true, offsetof(struct rows, truncated)},
                {"rows", FIELD_ARRAY, true, offsetof(struct rows, rows)},
        };
        char what[128];
        const char *wrong;
        int r;

        r = decode_fields(json, fields, ARRAY_LENGTH(fields), &rows, &wrong);
        if (r == 0 && json_array_size(rows.rows) == 0 && !plain)
                buffer_printf(&buffer, "No %s in this time.\n", kind);
        else if (r == 0)
                r = history_render(kind, rows.rows, plain, &context->out, &buffer, &wrong);
        if (r == -EBADMSG) {
                (void)snprintf(what, sizeof(what), "\"%s\" is missing or has the wrong type", wrong);
                return tell_malformed(context, what);
        }
        if (r == 0)
                r = terminal_write(&context->out, &buffer);
        if (r == 0 && rows.truncated)
                tell_truncated(&rows);
        return tell_error(r, EXIT_CODE_DONE);
}

/* Line by line, so that nothing of it speaks to the terminal; a file gets what the daemon wrote. */
static void append_clean(struct buffer *buffer, const char *data, size_t size) {
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
                /* What ends a text of C must not hide the rest of the line. */
                for (size_t i = 0; i < text; i++)
                        line[i] = data[i] ? data[i] : '\x7F';
                line[text] = '\0';
                sanitize_append(buffer, line);
                buffer_append(buffer, "\n", 1);
                data += end ? length + 1 : length;
                size -= end ? length + 1 : length;
        }
}

/* The rows of CSV, its heading not counted: a newline inside of quotes ends none. */
static size_t count_rows(const char *data, size_t size) {
        bool quoted = false;
        size_t n = 0;

        for (size_t i = 0; i < size; i++) {
                quoted ^= data[i] == '"';
                n += data[i] == '\n' && !quoted;
        }
        return n > 0 ? n - 1 : 0;
}

static int pass_csv(struct context *context, const struct exchange *exchange) {
        const struct buffer *body = &exchange->body;
        _cleanup_(buffer_deinit) struct buffer clean = {0};
        const char *given = option_text(&context->options, "limit");
        size_t limit = given ? strtoul(given, NULL, 10) : 1000, n;
        int r;

        if (body->size == 0 || !islower((unsigned char)body->data[0]))
                return tell_malformed(context, "no CSV");
        n = count_rows(body->data, body->size);
        if (isatty(fileno(context->out.file)))
                append_clean(&clean, body->data, body->size);
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

        if (!check_usage(options))
                return EXIT_CODE_USAGE;
        path = history_path(options, kind, csv ? "csv" : NULL);
        r = request_exchange(context, &(struct request){.path = path, .timeout_usec = HISTORY_ANSWER_USEC}, &exchange);
        if (r != 0)
                return r;
        if (csv && exchange->error == 0 && exchange->status == 200)
                return pass_csv(context, exchange);
        r = answer_read(context, exchange, &answer);
        if (r != 0)
                return r;
        if (answer.status != 200)
                return tell_refusal(context, &answer, options->operands[0]);
        if (options->json)
                return tell_error(terminal_write_json(&context->out, answer.json), EXIT_CODE_DONE);
        return show(context, kind, answer.json);
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
