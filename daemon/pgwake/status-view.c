#include "pgwake/status-view.h"

#include "base/clock.h"
#include "model/reason.h"
#include "pgwake/format.h"

#include <inttypes.h>

/* Where the values begin. */
#define DETAIL_INDENT 14

/* How long ago it was, by this machine's clock; USEC_INFINITY for 0. */
static uint64_t detail_ago(uint64_t real_usec) {
        return real_usec ? usec_sub(clock_real_usec(), real_usec) : USEC_INFINITY;
}

/* A server's version number: 150018 is "15.18". */
static char *detail_version(char buffer[DURATION_MAX], uint64_t number) {
        if (number >= 100000)
                (void)snprintf(buffer, DURATION_MAX, "%" PRIu64 ".%" PRIu64, number / 10000, number % 10000);
        else
                (void)snprintf(buffer, DURATION_MAX, "%" PRIu64 ".%" PRIu64 ".%" PRIu64, number / 10000, number / 100 % 100, number % 100);
        return buffer;
}

static void detail_begin(struct buffer *buffer, const char *label) {
        buffer_printf(buffer, "  %-*s", DETAIL_INDENT - 2, label);
}

static void detail_append_verdict(struct buffer *buffer, const struct terminal *terminal, const struct database_view *database) {
        style_append(buffer, terminal, STYLE_HEAD, database->name);
        buffer_append_string(buffer, ": ");
        style_append(buffer, terminal, style_of_state(database->state), database->state);
        buffer_printf(buffer, ", %s", database->ready ? "ready" : "not ready");
        if (database->reason && !streq(database->reason, "ok"))
                buffer_printf(buffer, " (%s)", database->reason);
        buffer_append(buffer, "\n", 1);
        if (database->message && *database->message)
                buffer_printf(buffer, "  %s\n", database->message);
        if (database->detail && *database->detail)
                buffer_printf(buffer, "  %s\n", database->detail);
}

static void detail_append_advice(struct buffer *buffer, const struct database_view *database) {
        const char *advice = format_advice(database->reason);

        if (advice)
                buffer_printf(buffer, "  %s\n", advice);
}

static void detail_append_times(struct buffer *buffer, const struct database_view *database) {
        uint64_t since = decode_time(database->since), until = decode_time(database->fresh_until);
        char span[DURATION_MAX], time[FORMAT_TIME_MAX];

        detail_begin(buffer, "since");
        buffer_printf(buffer, "%s", format_time(time, since, false));
        if (since)
                buffer_printf(buffer, ", %s ago", format_span(span, detail_ago(since)));
        buffer_printf(buffer, "; generation %" PRIu64 "\n", database->generation);
        detail_begin(buffer, "evidence");
        if (database->age_usec == USEC_INFINITY)
                buffer_append_string(buffer, "none yet");
        else
                buffer_printf(buffer, "%s old", format_span(span, database->age_usec));
        if (until)
                buffer_printf(buffer, ", counts until %s", format_time(time, until, false));
        buffer_append(buffer, "\n", 1);
        if (database->paused_until) {
                detail_begin(buffer, "paused");
                buffer_printf(buffer, "until %s\n", format_time(time, decode_time(database->paused_until), false));
        }
        if (!database->ready && database->expected_usec != USEC_INFINITY) {
                detail_begin(buffer, "expected");
                buffer_printf(buffer, "ready in about %s\n", format_span(span, database->expected_usec));
        }
}

static void detail_append_endpoint(struct buffer *buffer, const struct database_view *database) {
        detail_begin(buffer, "endpoint");
        buffer_printf(buffer, "%s\n", database->endpoint ? database->endpoint : "-");
        detail_begin(buffer, "policy");
        buffer_printf(buffer, "%s, provider %s\n", database->policy ? database->policy : "-",
                      database->provider ? database->provider : "-");
}

static void detail_append_phases(struct buffer *buffer, const struct database_view *database) {
        char span[DURATION_MAX];
        bool any = false;

        for (size_t i = 0; i < DATABASE_PHASES; i++) {
                if (database->phase_usec[i] == USEC_INFINITY)
                        continue;
                if (!any)
                        detail_begin(buffer, "phases");
                buffer_printf(buffer, "%s%s %s", any ? ", " : "", database_phase_names[i], format_span(span, database->phase_usec[i]));
                any = true;
        }
        if (any)
                buffer_append(buffer, "\n", 1);
}

static void detail_append_attempt(struct buffer *buffer, const struct database_view *database) {
        char span[DURATION_MAX];

        if (!database->attempt)
                return;
        detail_begin(buffer, "last check");
        buffer_printf(buffer, "%s: ", database->attempt_kind ? database->attempt_kind : "-");
        buffer_printf(buffer, "%s", database->attempt_outcome ? database->attempt_outcome : "-");
        if (database->attempt_sqlstate && *database->attempt_sqlstate)
                buffer_printf(buffer, " (SQLSTATE %s)", database->attempt_sqlstate);
        if (database->attempt_usec != USEC_INFINITY)
                buffer_printf(buffer, " in %s", format_span(span, database->attempt_usec));
        if (database->attempt_address && *database->attempt_address)
                buffer_printf(buffer, " at %s", database->attempt_address);
        if (decode_time(database->attempt_at))
                buffer_printf(buffer, ", %s ago", format_span(span, detail_ago(decode_time(database->attempt_at))));
        buffer_append(buffer, "\n", 1);
        detail_append_phases(buffer, database);
        if (database->attempt_detail && *database->attempt_detail) {
                detail_begin(buffer, "it said");
                buffer_printf(buffer, "%s\n", database->attempt_detail);
        }
}

static void detail_append_next(struct buffer *buffer, const struct database_view *database) {
        char span[DURATION_MAX];

        detail_begin(buffer, "next check");
        if (!database->next_kind)
                buffer_append_string(buffer, "none\n");
        else
                buffer_printf(buffer, "%s in %s\n", database->next_kind, format_span(span, database->next_in_usec));
}

static void detail_append_server(struct buffer *buffer, const struct database_view *database) {
        char text[DURATION_MAX], time[FORMAT_TIME_MAX];
        uint64_t since = decode_time(database->session_since), started = decode_time(database->server_started_at);

        detail_begin(buffer, "session");
        buffer_append_string(buffer, database->session_held ? "held" : "none held");
        if (database->session_held && since)
                buffer_printf(buffer, " since %s", format_time(time, since, false));
        buffer_append(buffer, "\n", 1);
        if (!database->server_version)
                return;
        detail_begin(buffer, "server");
        if (json_is_string(database->server_version))
                buffer_printf(buffer, "PostgreSQL %s", json_string_value(database->server_version));
        else
                buffer_printf(buffer, "PostgreSQL %s",
                              detail_version(text, (uint64_t)MAX(json_integer_value(database->server_version), 0)));
        buffer_printf(buffer, ", %s", database->server_in_recovery ? "in recovery" : "primary");
        if (started)
                buffer_printf(buffer, ", up %s", format_span(text, detail_ago(started)));
        buffer_append(buffer, "\n", 1);
}

/* ": lease 3, other 2"; the rest of the line. */
static void detail_append_causes(struct buffer *buffer, const struct database_view *database) {
        const char *cause, *separator = ": ";
        json_t *count;

        json_object_foreach(database->wakes_by_cause, cause, count) {
                if (json_integer_value(count) <= 0)
                        continue;
                buffer_printf(buffer, "%s%s %" JSON_INTEGER_FORMAT, separator, cause, json_integer_value(count));
                separator = ", ";
        }
        buffer_append(buffer, "\n", 1);
}

static void detail_append_wakes(struct buffer *buffer, const struct database_view *database) {
        char a[DURATION_MAX], b[DURATION_MAX], c[DURATION_MAX], time[FORMAT_TIME_MAX];

        detail_begin(buffer, "wakes");
        buffer_printf(buffer, "%" PRIu64, database->wakes);
        detail_append_causes(buffer, database);
        if (database->last_wake) {
                detail_begin(buffer, "last wake");
                buffer_printf(buffer, "%s", format_time(time, decode_time(database->wake_at), false));
                if (database->wake_usec != USEC_INFINITY)
                        buffer_printf(buffer, " in %s", format_span(a, database->wake_usec));
                buffer_printf(buffer, ", %s, caused by %s\n", database->wake_cold ? "cold" : "not proven cold",
                              database->wake_cause ? database->wake_cause : "-");
        }
        if (database->wake_p50_usec != USEC_INFINITY) {
                detail_begin(buffer, "wakes take");
                buffer_printf(buffer, "%s (median), %s (95 of 100), %s (99 of 100)\n", format_span(a, database->wake_p50_usec),
                              format_span(b, database->wake_p95_usec), format_span(c, database->wake_p99_usec));
        }
}

static void detail_append_failures(struct buffer *buffer, const struct database_view *database) {
        const char *slug;
        json_t *count;

        detail_begin(buffer, "failures");
        buffer_printf(buffer, "%" PRIu64 " in a row, %" PRIu64 " in all\n", database->failures_consecutive, database->failures_total);
        json_object_foreach(database->failures_by_reason, slug, count) {
                enum reason reason;

                detail_begin(buffer, "");
                buffer_printf(buffer, "%6" JSON_INTEGER_FORMAT "  %-18s", json_integer_value(count), slug);
                if (reason_from_slug(slug, &reason) == 0)
                        buffer_printf(buffer, "  %s", reason_info(reason)->sentence);
                buffer_append(buffer, "\n", 1);
        }
}

static void detail_append_lease(struct buffer *buffer, json_t *lease) {
        struct held_lease {
                uint64_t id;
                const char *owner, *since, *until;
        } held = {0};
        const struct field fields[] = {
                {"id", FIELD_COUNT, false, offsetof(struct held_lease, id)},
                {"owner", FIELD_TEXT, false, offsetof(struct held_lease, owner)},
                {"since", FIELD_TEXT, false, offsetof(struct held_lease, since)},
                {"until", FIELD_TEXT, false, offsetof(struct held_lease, until)},
        };
        char since[FORMAT_TIME_MAX], until[FORMAT_TIME_MAX];
        const char *wrong;

        if (decode_fields(lease, fields, ARRAY_LENGTH(fields), &held, &wrong) < 0)
                return;
        detail_begin(buffer, "lease");
        buffer_printf(buffer, "%" PRIu64 ": %s (as it says of itself), since %s", held.id, held.owner ? held.owner : "-",
                      format_time(since, decode_time(held.since), false));
        if (held.until)
                buffer_printf(buffer, ", until %s", format_time(until, decode_time(held.until), false));
        buffer_append(buffer, "\n", 1);
}

static void detail_append_demand(struct buffer *buffer, const struct database_view *database) {
        char time[FORMAT_TIME_MAX];

        if (!database->demand)
                return;
        detail_begin(buffer, "demand");
        buffer_printf(buffer, "%s", database->demand_cause ? database->demand_cause : "-");
        if (database->demand_until)
                buffer_printf(buffer, ", until %s", format_time(time, decode_time(database->demand_until), false));
        buffer_append(buffer, "\n", 1);
}

static void detail_append_budget(struct buffer *buffer, const struct database_view *database) {
        char used[DURATION_MAX], all[DURATION_MAX];

        if (!database->budget)
                return;
        detail_begin(buffer, "budget");
        buffer_printf(buffer, "%s of %s awake", format_span(used, database->budget_used_usec), format_span(all, database->budget_usec));
        if (database->budget_month)
                buffer_printf(buffer, " in %s", database->budget_month);
        buffer_append_string(buffer, database->budget_spent ? ": spent\n" : "\n");
}

static void detail_append_account(struct buffer *buffer, const struct database_view *database) {
        char all[DURATION_MAX], ours[DURATION_MAX];
        json_t *lease;
        size_t i;

        if (database->awake_usec != USEC_INFINITY) {
                detail_begin(buffer, "awake");
                buffer_printf(buffer, "%s seen", format_span(all, database->awake_usec));
                if (database->awake_on_demand_usec != USEC_INFINITY)
                        buffer_printf(buffer, ", %s of it on our demand", format_span(ours, database->awake_on_demand_usec));
                buffer_append(buffer, "\n", 1);
        }
        detail_append_budget(buffer, database);
        detail_append_demand(buffer, database);
        json_array_foreach(database->leases, i, lease)
                detail_append_lease(buffer, lease);
}

int status_compose_detail(struct context *context, json_t *answer, struct buffer *buffer) {
        struct database_view database;
        const char *wrong;

        if (decode_database(answer, &database, &wrong) < 0)
                return tell_malformed(context, wrong);
        detail_append_verdict(buffer, &context->out, &database);
        detail_append_advice(buffer, &database);
        buffer_append(buffer, "\n", 1);
        detail_append_times(buffer, &database);
        detail_append_endpoint(buffer, &database);
        detail_append_attempt(buffer, &database);
        detail_append_next(buffer, &database);
        detail_append_server(buffer, &database);
        detail_append_wakes(buffer, &database);
        detail_append_failures(buffer, &database);
        detail_append_account(buffer, &database);
        return 0;
}

static const struct column status_columns[] = {
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

static void status_add_count(struct table *table, uint64_t count) {
        char text[24];

        (void)snprintf(text, sizeof(text), "%" PRIu64, count);
        table_add(table, STYLE_PLAIN, text);
}

static void status_add_next_check(struct table *table, const struct database_view *database) {
        char text[96], span[DURATION_MAX];

        if (!database->next_kind) {
                table_add(table, STYLE_PLAIN, NULL);
                return;
        }
        (void)snprintf(text, sizeof(text), "%.32s in %s", database->next_kind, format_span(span, database->next_in_usec));
        table_add(table, STYLE_PLAIN, text);
}

static void status_add_row(struct table *table, const struct database_view *database) {
        bool explains = database->reason && !streq(database->reason, "ok");
        char span[DURATION_MAX], time[FORMAT_TIME_MAX];

        table_add(table, STYLE_HEAD, database->name);
        table_add(table, style_of_state(database->state), database->state);
        table_add(table, STYLE_PLAIN, explains ? database->reason : NULL);
        table_add(table, STYLE_PLAIN, format_span(span, database->age_usec));
        table_add(table, STYLE_PLAIN, format_span(span, database->attempt_usec));
        table_add(table, STYLE_PLAIN, format_time(time, decode_time(database->since), false));
        status_add_count(table, database->wakes);
        status_add_count(table, database->failures_total);
        status_add_count(table, json_array_size(database->leases));
        status_add_next_check(table, database);
}

/* Those with READY, at most *LEFT of them. */
static void status_add_rows(struct table *table, const struct database_view *databases, size_t n, bool ready, size_t *left) {
        for (size_t i = 0; i < n && *left > 0; i++)
                if (databases[i].ready == ready) {
                        status_add_row(table, &databases[i]);
                        --*left;
                }
}

/* "4 databases: 2 awake, 1 asleep, 1 down. Not ready." The states come in the order in which they are met. */
static void status_append_summary(struct buffer *buffer, const struct terminal *terminal, const struct database_view *databases, size_t n,
                                  bool ready) {
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

static int status_compose_rows(struct table *table, const struct terminal *terminal, const struct database_view *databases, size_t n,
                               size_t rows_max, struct buffer *buffer) {
        /* The heading, the empty line, the summary and the line that says what is left out. */
        size_t left = rows_max > 4 ? rows_max - 4 : 1;

        if (rows_max && n > left) {
                status_add_rows(table, databases, n, false, &left);
                status_add_rows(table, databases, n, true, &left);
        } else
                for (size_t i = 0; i < n; i++)
                        status_add_row(table, &databases[i]);
        if (n == 0)
                return 0;
        return table_render(table, terminal, buffer);
}

int status_compose_table(struct context *context, json_t *answer, size_t rows_max, struct buffer *buffer) {
        _cleanup_(table_deinit) struct table table = {.columns = status_columns, .n_columns = ARRAY_LENGTH(status_columns)};
        _cleanup_free_ struct database_view *databases = NULL;
        const json_t *ready = json_object_get(answer, "ready");
        size_t n = 0, shown;
        int r;

        if (!json_is_array(json_object_get(answer, "databases")) || !json_is_boolean(ready))
                return tell_malformed(context, "\"databases\" or \"ready\" is missing");
        r = answer_databases(context, answer, &databases, &n);
        if (r != 0)
                return r;
        r = status_compose_rows(&table, &context->out, databases, n, rows_max, buffer);
        if (r < 0)
                return tell_error(r, EXIT_CODE_NOT_READY);
        shown = table.n_cells / ARRAY_LENGTH(status_columns);
        if (shown < n)
                buffer_printf(buffer, "... and %zu more\n", n - shown);
        if (n > 0)
                buffer_append(buffer, "\n", 1);
        status_append_summary(buffer, &context->out, databases, n, json_is_true(ready));
        return 0;
}

int status_compose(struct context *context, const char *name, json_t *answer, size_t rows_max, struct buffer *buffer) {
        return name ? status_compose_detail(context, answer, buffer) : status_compose_table(context, answer, rows_max, buffer);
}
