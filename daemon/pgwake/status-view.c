#include "pgwake/status-view.h"

#include "base/clock.h"
#include "model/reason.h"
#include "pgwake/format.h"

#include <inttypes.h>

/* The column of the values. */
#define DETAIL_INDENT 14

/* How long ago REAL_USEC was, by this machine's clock; USEC_INFINITY for 0. */
static uint64_t detail_ago(uint64_t real_usec) {
        return real_usec ? usec_sub(clock_real_usec(), real_usec) : USEC_INFINITY;
}

static void detail_begin(struct buffer *buffer, const char *label) {
        buffer_printf(buffer, "  %-*s", DETAIL_INDENT - 2, label);
}

static void detail_append_verdict(struct buffer *buffer, const struct terminal *terminal, const struct database_status *database) {
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

static void detail_append_advice(struct buffer *buffer, const struct database_status *database) {
        if (database->advice && *database->advice)
                buffer_printf(buffer, "  %s\n", database->advice);
}

static void detail_append_times(struct buffer *buffer, const struct database_status *database) {
        uint64_t since = database->since_real_usec, until = database->fresh_until_real_usec;
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
        if (database->paused_until_real_usec) {
                detail_begin(buffer, "paused");
                buffer_printf(buffer, "until %s\n", format_time(time, database->paused_until_real_usec, false));
        }
        if (!database->ready && database->expected_ready_usec != USEC_INFINITY) {
                detail_begin(buffer, "expected");
                buffer_printf(buffer, "ready in about %s\n", format_span(span, database->expected_ready_usec));
        }
}

static void detail_append_endpoint(struct buffer *buffer, const struct database_status *database) {
        detail_begin(buffer, "endpoint");
        buffer_printf(buffer, "%s\n", database->endpoint ? database->endpoint : "-");
        detail_begin(buffer, "policy");
        buffer_printf(buffer, "%s, provider %s\n", database->policy ? database->policy : "-",
                      database->provider ? database->provider : "-");
}

static void detail_append_phases(struct buffer *buffer, struct field_rows phases) {
        struct named_span phase;
        char span[DURATION_MAX];
        bool any = false;

        while (field_rows_next(&phases, &phase)) {
                if (phase.usec == USEC_INFINITY)
                        continue;
                if (!any)
                        detail_begin(buffer, "phases");
                buffer_printf(buffer, "%s%s %s", any ? ", " : "", phase.name, format_span(span, phase.usec));
                any = true;
        }
        if (any)
                buffer_append(buffer, "\n", 1);
}

static void detail_append_attempt(struct buffer *buffer, const struct attempt_status *attempt) {
        char span[DURATION_MAX];

        if (!attempt->known)
                return;
        detail_begin(buffer, "last check");
        buffer_printf(buffer, "%s: ", attempt->kind ? attempt->kind : "-");
        buffer_printf(buffer, "%s", attempt->outcome ? attempt->outcome : "-");
        if (attempt->sqlstate && *attempt->sqlstate)
                buffer_printf(buffer, " (SQLSTATE %s)", attempt->sqlstate);
        if (attempt->total_usec != USEC_INFINITY)
                buffer_printf(buffer, " in %s", format_span(span, attempt->total_usec));
        if (attempt->address && *attempt->address)
                buffer_printf(buffer, " at %s", attempt->address);
        if (attempt->at_real_usec)
                buffer_printf(buffer, ", %s ago", format_span(span, detail_ago(attempt->at_real_usec)));
        buffer_append(buffer, "\n", 1);
        detail_append_phases(buffer, attempt->phases);
        if (attempt->detail && *attempt->detail) {
                detail_begin(buffer, "it said");
                buffer_printf(buffer, "%s\n", attempt->detail);
        }
}

static void detail_append_next(struct buffer *buffer, const struct database_status *database) {
        char span[DURATION_MAX];

        detail_begin(buffer, "next check");
        if (!database->next_check.known)
                buffer_append_string(buffer, "none\n");
        else
                buffer_printf(buffer, "%s in %s\n", database->next_check.kind ? database->next_check.kind : "-",
                              format_span(span, database->next_check.in_usec));
}

static void detail_append_server(struct buffer *buffer, const struct database_status *database) {
        const struct session_status *session = &database->session;
        const struct server_status *server = &database->server;
        char span[DURATION_MAX], time[FORMAT_TIME_MAX];

        detail_begin(buffer, "session");
        buffer_append_string(buffer, session->held ? "held" : "none held");
        if (session->held && session->since_real_usec)
                buffer_printf(buffer, " since %s", format_time(time, session->since_real_usec, false));
        buffer_append(buffer, "\n", 1);
        if (!server->known)
                return;
        detail_begin(buffer, "server");
        buffer_printf(buffer, "PostgreSQL %s, %s", server->version ? server->version : "-", server->in_recovery ? "in recovery" : "primary");
        if (server->started_real_usec)
                buffer_printf(buffer, ", up %s", format_span(span, detail_ago(server->started_real_usec)));
        buffer_append(buffer, "\n", 1);
}

/* ": lease 3, other 2", which completes the line. */
static void detail_append_causes(struct buffer *buffer, struct field_rows by_cause) {
        const char *separator = ": ";
        struct named_count cause;

        while (field_rows_next(&by_cause, &cause)) {
                if (cause.count == 0)
                        continue;
                buffer_printf(buffer, "%s%s %" PRIu64, separator, cause.name, cause.count);
                separator = ", ";
        }
        buffer_append(buffer, "\n", 1);
}

static void detail_append_last_wake(struct buffer *buffer, const struct last_wake_status *wake) {
        char span[DURATION_MAX], time[FORMAT_TIME_MAX];

        if (!wake->known)
                return;
        detail_begin(buffer, "last wake");
        buffer_printf(buffer, "%s", format_time(time, wake->at_real_usec, false));
        if (wake->latency_usec != USEC_INFINITY)
                buffer_printf(buffer, " in %s", format_span(span, wake->latency_usec));
        buffer_printf(buffer, ", %s, caused by %s\n", wake->cold ? "cold" : "not proven cold", wake->cause ? wake->cause : "-");
}

static void detail_append_wakes(struct buffer *buffer, const struct wakes_status *wakes) {
        char a[DURATION_MAX], b[DURATION_MAX], c[DURATION_MAX];

        detail_begin(buffer, "wakes");
        buffer_printf(buffer, "%" PRIu64, wakes->count);
        detail_append_causes(buffer, wakes->by_cause);
        detail_append_last_wake(buffer, &wakes->last);
        if (wakes->p50_usec != USEC_INFINITY) {
                detail_begin(buffer, "wakes take");
                buffer_printf(buffer, "%s (median), %s (95 of 100), %s (99 of 100)\n", format_span(a, wakes->p50_usec),
                              format_span(b, wakes->p95_usec), format_span(c, wakes->p99_usec));
        }
}

static void detail_append_failures(struct buffer *buffer, const struct failures_status *failures) {
        struct field_rows by_reason = failures->by_reason;
        struct named_count failure;

        detail_begin(buffer, "failures");
        buffer_printf(buffer, "%" PRIu64 " in a row, %" PRIu64 " in all\n", failures->consecutive, failures->total);
        while (field_rows_next(&by_reason, &failure)) {
                enum reason reason;

                detail_begin(buffer, "");
                buffer_printf(buffer, "%6" PRIu64 "  %-18s", failure.count, failure.name);
                if (reason_from_slug(failure.name, &reason) == 0)
                        buffer_printf(buffer, "  %s", reason_info(reason)->sentence);
                buffer_append(buffer, "\n", 1);
        }
}

static void detail_append_leases(struct buffer *buffer, struct field_rows leases) {
        char since[FORMAT_TIME_MAX], until[FORMAT_TIME_MAX];
        struct lease_status lease;

        while (field_rows_next(&leases, &lease)) {
                detail_begin(buffer, "lease");
                buffer_printf(buffer, "%" PRIu64 ": %s (as it says of itself), since %s", lease.id, lease.owner ? lease.owner : "-",
                              format_time(since, lease.since_real_usec, false));
                if (lease.until_real_usec)
                        buffer_printf(buffer, ", until %s", format_time(until, lease.until_real_usec, false));
                buffer_append(buffer, "\n", 1);
        }
}

static void detail_append_demand(struct buffer *buffer, const struct demand_status *demand) {
        char time[FORMAT_TIME_MAX];

        if (!demand->known)
                return;
        detail_begin(buffer, "demand");
        buffer_printf(buffer, "%s", demand->cause ? demand->cause : "-");
        if (demand->until_real_usec)
                buffer_printf(buffer, ", until %s", format_time(time, demand->until_real_usec, false));
        buffer_append(buffer, "\n", 1);
}

static void detail_append_budget(struct buffer *buffer, const struct budget_status *budget) {
        char used[DURATION_MAX], all[DURATION_MAX];

        if (!budget->known)
                return;
        detail_begin(buffer, "budget");
        buffer_printf(buffer, "%s of %s awake", format_span(used, budget->used_usec), format_span(all, budget->awake_usec));
        if (budget->month)
                buffer_printf(buffer, " in %s", budget->month);
        buffer_append_string(buffer, budget->spent ? ": spent\n" : "\n");
}

static void detail_append_account(struct buffer *buffer, const struct database_status *database) {
        char all[DURATION_MAX], ours[DURATION_MAX];

        if (database->awake_usec != USEC_INFINITY) {
                detail_begin(buffer, "awake");
                buffer_printf(buffer, "%s seen", format_span(all, database->awake_usec));
                if (database->awake_on_our_demand_usec != USEC_INFINITY)
                        buffer_printf(buffer, ", %s of it on our demand", format_span(ours, database->awake_on_our_demand_usec));
                buffer_append(buffer, "\n", 1);
        }
        detail_append_budget(buffer, &database->budget);
        detail_append_demand(buffer, &database->demand);
        detail_append_leases(buffer, database->leases);
}

int status_compose_detail(struct context *context, json_t *answer, struct buffer *buffer) {
        struct database_status database;
        char wrong[DECODE_PATH_MAX];

        if (decode(answer, database_fields, &database, wrong) < 0)
                return tell_wrong_member(context, wrong);
        detail_append_verdict(buffer, &context->out, &database);
        detail_append_advice(buffer, &database);
        buffer_append(buffer, "\n", 1);
        detail_append_times(buffer, &database);
        detail_append_endpoint(buffer, &database);
        detail_append_attempt(buffer, &database.last_attempt);
        detail_append_next(buffer, &database);
        detail_append_server(buffer, &database);
        detail_append_wakes(buffer, &database.wakes);
        detail_append_failures(buffer, &database.failures);
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

static void status_add_next_check(struct table *table, const struct database_status *database) {
        char text[96], span[DURATION_MAX];

        if (!database->next_check.known) {
                table_add(table, STYLE_PLAIN, NULL);
                return;
        }
        (void)snprintf(text, sizeof(text), "%.32s in %s", database->next_check.kind ? database->next_check.kind : "-",
                       format_span(span, database->next_check.in_usec));
        table_add(table, STYLE_PLAIN, text);
}

static void status_add_row(struct table *table, const struct database_status *database) {
        bool explains = database->reason && !streq(database->reason, "ok");
        char span[DURATION_MAX], time[FORMAT_TIME_MAX];

        table_add(table, STYLE_HEAD, database->name);
        table_add(table, style_of_state(database->state), database->state);
        table_add(table, STYLE_PLAIN, explains ? database->reason : NULL);
        table_add(table, STYLE_PLAIN, format_span(span, database->age_usec));
        table_add(table, STYLE_PLAIN, format_span(span, database->last_attempt.known ? database->last_attempt.total_usec : USEC_INFINITY));
        table_add(table, STYLE_PLAIN, format_time(time, database->since_real_usec, false));
        status_add_count(table, database->wakes.count);
        status_add_count(table, database->failures.total);
        status_add_count(table, field_rows_count(database->leases));
        status_add_next_check(table, database);
}

/* Adds databases that are ready or not, by READY, at most *LEFT of them. */
static void status_add_rows(struct table *table, const struct database_status *databases, size_t n, bool ready, size_t *left) {
        for (size_t i = 0; i < n && *left > 0; i++)
                if (databases[i].ready == ready) {
                        status_add_row(table, &databases[i]);
                        --*left;
                }
}

/* "4 databases: 2 awake, 1 asleep, 1 down. Not ready." States are in order of first occurrence. */
static void status_append_summary(struct buffer *buffer, const struct terminal *terminal, const struct database_status *databases, size_t n,
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

static int status_compose_rows(struct table *table, const struct terminal *terminal, const struct database_status *databases, size_t n,
                               size_t rows_max, struct buffer *buffer) {
        /* The heading, the empty line, the summary and the line that counts the databases left out. */
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
        _cleanup_free_ struct database_status *databases = NULL;
        char wrong[DECODE_PATH_MAX];
        struct status_head head;
        size_t n = 0, shown;
        int r;

        if (decode(answer, status_head_fields, &head, wrong) < 0)
                return tell_wrong_member(context, wrong);
        if (!json_is_array(json_object_get(answer, API_DATABASES)))
                return tell_wrong_member(context, API_DATABASES);
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
        status_append_summary(buffer, &context->out, databases, n, head.ready);
        return 0;
}

int status_compose(struct context *context, const char *name, json_t *answer, size_t rows_max, struct buffer *buffer) {
        return name ? status_compose_detail(context, answer, buffer) : status_compose_table(context, answer, rows_max, buffer);
}
