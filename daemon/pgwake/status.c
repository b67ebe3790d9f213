#include "pgwake/status.h"

#include "base/clock.h"
#include "pgwake/format.h"

#include <inttypes.h>

static const struct column columns[] = {
        {"NAME", false, 0},
        {"STATE", false, 0},
        {"REASON", false, 8},
        {"AGE", true, 7},
        {"LATENCY", true, 6},
        {"SINCE", true, 5},
        {"WAKES", true, 2},
        {"FAILURES", true, 4},
        {"LEASES", true, 3},
        {"NEXT CHECK", false, 1},
};

static void add_count(struct table *table, uint64_t count) {
        char text[24];

        (void)snprintf(text, sizeof(text), "%" PRIu64, count);
        table_add(table, STYLE_PLAIN, text);
}

static void add_next_check(struct table *table, const struct database_view *database) {
        char text[96], span[DURATION_MAX];

        if (!database->next_kind) {
                table_add(table, STYLE_PLAIN, NULL);
                return;
        }
        (void)snprintf(text, sizeof(text), "%.32s in %s", database->next_kind, format_span(span, database->next_in_usec));
        table_add(table, STYLE_PLAIN, text);
}

static void add_row(struct table *table, const struct database_view *database) {
        bool explains = database->reason && !streq(database->reason, "ok");
        char span[DURATION_MAX], time[FORMAT_TIME_MAX];

        table_add(table, STYLE_HEAD, database->name);
        table_add(table, style_of_state(database->state), database->state);
        table_add(table, STYLE_PLAIN, explains ? database->reason : NULL);
        table_add(table, STYLE_PLAIN, format_span(span, database->age_usec));
        table_add(table, STYLE_PLAIN, format_span(span, database->attempt_usec));
        table_add(table, STYLE_PLAIN, format_time(time, decode_time(database->since), false));
        add_count(table, database->wakes);
        add_count(table, database->failures_total);
        add_count(table, json_array_size(database->leases));
        add_next_check(table, database);
}

/* Those with READY, at most *LEFT of them. */
static void add_rows(struct table *table, const struct database_view *databases, size_t n, bool ready, size_t *left) {
        for (size_t i = 0; i < n && *left > 0; i++)
                if (databases[i].ready == ready) {
                        add_row(table, &databases[i]);
                        --*left;
                }
}

/* "4 databases: 2 awake, 1 asleep, 1 down. Not ready." The states come in the order in which they are met. */
static void append_summary(struct buffer *buffer, const struct terminal *terminal, const struct database_view *databases, size_t n, bool ready) {
        bool first = true;

        if (n == 0) {
                buffer_append_string(buffer, "No database is configured.\n");
                return;
        }
        buffer_printf(buffer, "%zu %s:", n, n == 1 ? "database" : "databases");
        for (enum state state = 0; state < _STATE_MAX; state++) {
                size_t count = 0;

                for (size_t i = 0; i < n; i++)
                        count += streq(databases[i].state, state_name(state));
                if (count == 0)
                        continue;
                buffer_printf(buffer, "%s %zu ", first ? "" : ",", count);
                style_append(buffer, terminal, style_of_state(state_name(state)), state_name(state));
                first = false;
        }
        buffer_printf(buffer, ". %s.\n", ready ? "Ready" : "Not ready");
}

static int compose_rows(struct table *table, const struct terminal *terminal, const struct database_view *databases, size_t n, size_t rows_max,
                        struct buffer *buffer) {
        /* The heading, the empty line, the summary and the line that says what is left out. */
        size_t left = rows_max > 4 ? rows_max - 4 : 1;

        if (rows_max && n > left) {
                add_rows(table, databases, n, false, &left);
                add_rows(table, databases, n, true, &left);
        } else
                for (size_t i = 0; i < n; i++)
                        add_row(table, &databases[i]);
        if (n == 0)
                return 0;
        return table_render(table, terminal, buffer);
}

int status_compose_table(struct context *context, json_t *answer, size_t rows_max, struct buffer *buffer) {
        _cleanup_(table_deinit) struct table table = {.columns = columns, .n_columns = ARRAY_LENGTH(columns)};
        _cleanup_free_ struct database_view *databases = NULL;
        const json_t *ready = json_object_get(answer, "ready");
        size_t n = 0, shown;
        int r;

        if (!json_is_array(json_object_get(answer, "databases")) || !json_is_boolean(ready))
                return tell_malformed(context, "\"databases\" or \"ready\" is missing");
        r = answer_databases(context, answer, &databases, &n);
        if (r != 0)
                return r;
        r = compose_rows(&table, &context->out, databases, n, rows_max, buffer);
        if (r < 0)
                return tell_error(r, EXIT_CODE_NOT_READY);
        shown = table.n_cells / ARRAY_LENGTH(columns);
        if (shown < n)
                buffer_printf(buffer, "... and %zu more\n", n - shown);
        if (n > 0)
                buffer_append(buffer, "\n", 1);
        append_summary(buffer, &context->out, databases, n, json_is_true(ready));
        return 0;
}

int status_compose(struct context *context, const char *name, json_t *answer, size_t rows_max, struct buffer *buffer) {
        return name ? status_compose_block(context, answer, buffer) : status_compose_table(context, answer, rows_max, buffer);
}

static int status_exec(struct context *context) {
        const char *name = context->options.n_operands ? context->options.operands[0] : NULL;
        _cleanup_(answer_deinit) struct answer answer = {0};
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        int r;

        if (option_is_given(&context->options, "watch"))
                return status_watch(context, name);
        r = request_get(context, "/status", name, &answer);
        if (r != 0)
                return r;
        if (answer.status != 200)
                return tell_refusal(context, &answer, name);
        if (context->options.json)
                return tell_error(terminal_write_json(&context->out, answer.json), EXIT_CODE_DONE);
        r = status_compose(context, name, answer.json, 0, &buffer);
        if (r != 0)
                return r;
        return tell_error(terminal_write(&context->out, &buffer), EXIT_CODE_DONE);
}

const struct command command_status = {
        .name = "status",
        .arguments = "[NAME] [--watch]",
        .summary = "Show the databases, or all that is known of one.",
        .description =
                "Shows a table of all databases, or everything that is known of one. The answer comes from the daemon's\n"
                "memory: nothing is woken or asked. Exits 0 when the daemon answered, whatever it said; use check to judge.\n",
        .options = (const struct command_option[]){
                {"watch", NULL, "Show it anew at every change, until Ctrl-C."},
                {0},
        },
        .max_operands = 1,
        .exec = status_exec,
};
