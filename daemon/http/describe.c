#include "http/describe.h"

#include "scheduler/lease.h"

#include <stdio.h>

const char *describe_reason(enum reason reason) {
        return reason == REASON_NONE ? NULL : reason_slug(reason);
}

uint64_t describe_age_usec(const struct database *database, struct instant now) {
        return database->renewed_boot_usec == 0 ? USEC_INFINITY : usec_sub(now.boot_usec, database->renewed_boot_usec);
}

void describe_verdict(struct json_writer *w, const struct database *database, struct instant now) {
        json_text(w, "name", database->config->name);
        json_bool(w, "ready", database_ready(database));
        json_text(w, "state", state_name(database->state));
        json_text(w, "reason", describe_reason(database->reason));
        json_text(w, "message", state_explain(database->state, database->reason));
        json_seconds(w, "age_seconds", describe_age_usec(database, now));
        json_seconds(w, "expected_ready_in_seconds", database_expected_ready_usec(database, now));
}

void describe_lease(struct json_writer *w, const struct lease_record *lease) {
        json_unsigned(w, "id", lease->id);
        json_text(w, "owner", lease->owner);
        json_time(w, "since", lease->since_real_usec);
        json_time(w, "until", lease->until_real_usec);
}

void describe_pause(struct json_writer *w, const struct database *database, struct instant now) {
        uint64_t until = usec_add(database_paused_until_real(database, now), USEC_PER_MSEC / 2);

        json_time(w, "paused_until", until - until % USEC_PER_MSEC);
}

/* Everything that is known. */

/* The moment on the clock of people at which CLOCK_BOOTTIME shows, or showed, BOOT_USEC. */
static uint64_t real_from_boot(uint64_t boot_usec, struct instant now) {
        if (boot_usec == 0 || boot_usec == USEC_INFINITY)
                return 0;
        return boot_usec >= now.boot_usec ? usec_add(now.real_usec, boot_usec - now.boot_usec)
                                          : usec_sub(now.real_usec, now.boot_usec - boot_usec);
}

/* Nothing is fresh of what is not known. */
static uint64_t fresh_until(const struct database *database) {
        return database->renewed_boot_usec == 0 ? 0 : database_fresh_until(database);
}

static void write_verdict(struct json_writer *w, const struct database *database, struct instant now) {
        _cleanup_(buffer_deinit) struct buffer endpoint = {0};

        json_text(w, "name", database->config->name);
        json_text(w, "state", state_name(database->state));
        json_bool(w, "ready", database_ready(database));
        json_text(w, "reason", describe_reason(database->reason));
        json_text(w, "message", state_explain(database->state, database->reason));
        json_text(w, "advice", state_advice(database->state, database->reason));
        json_time(w, "since", database->since_real_usec);
        json_seconds(w, "age_seconds", describe_age_usec(database, now));
        json_time(w, "fresh_until", real_from_boot(fresh_until(database), now));
        json_unsigned(w, "generation", database->generation);
        json_text(w, "policy", policy_name(database->policy));
        json_text(w, "provider", database->provider->name);
        if (database->config->conninfo)
                conninfo_endpoint(database->config->conninfo, &endpoint);
        json_text(w, "endpoint", endpoint.data);
        if (database->paused_until_boot_usec != 0)
                describe_pause(w, database, now);
}

/* A phase that was not entered took no time, and is null: its length would be a claim. */
static uint64_t entered(uint64_t usec) {
        return usec == 0 ? USEC_INFINITY : usec;
}

static const char *text_or_null(const char *text) {
        return *text ? text : NULL;
}

static void write_last_attempt(struct json_writer *w, const struct database *database, bool detail) {
        const struct attempt *attempt = &database->last_attempt;

        if (database->last_attempt.id == 0) {
                json_absent(w, "last_attempt");
                return;
        }
        json_begin_object(w, "last_attempt");
        json_text(w, "kind", check_name(attempt->check));
        json_time(w, "at", attempt->started_real_usec);
        json_text(w, "outcome", reason_slug(attempt->reason));
        json_text(w, "sqlstate", text_or_null(attempt->sqlstate));
        json_text(w, "address", text_or_null(attempt->address));
        json_begin_object(w, "phases");
        for (enum phase phase = 0; phase < _PHASE_MAX; phase++)
                json_seconds(w, phase_name(phase), entered(attempt->phase_usec[phase]));
        json_end_object(w);
        json_seconds(w, "total_seconds", attempt->total_usec);
        if (detail)
                json_text(w, "detail", text_or_null(attempt->detail));
        json_end_object(w);
}

/* 150018 is 15.18; before 10, 90624 was 9.6.24. */
static void write_version(struct json_writer *w, int version) {
        char text[32];

        if (version >= 100000)
                (void)snprintf(text, sizeof(text), "%d.%d", version / 10000, version % 10000);
        else
                (void)snprintf(text, sizeof(text), "%d.%d.%d", version / 10000, version / 100 % 100, version % 100);
        json_text(w, "version", text);
}

static void write_session(struct json_writer *w, const struct database *database) {
        json_begin_object(w, "session");
        json_bool(w, "held", database->session_held);
        json_time(w, "since", database->session_held ? database->session_since_real_usec : 0);
        json_end_object(w);
        if (database->server.version == 0) {
                json_absent(w, "server");
                return;
        }
        json_begin_object(w, "server");
        write_version(w, database->server.version);
        json_time(w, "started_at", database->server.started_real_usec);
        json_bool(w, "in_recovery", database->server.in_recovery);
        json_end_object(w);
}

static void write_last_wake(struct json_writer *w, const struct database *database) {
        const struct wake_record *wake = &database->last_wake;

        if (wake->at_real_usec == 0) {
                json_absent(w, "last");
                return;
        }
        json_begin_object(w, "last");
        json_time(w, "at", wake->at_real_usec);
        json_seconds(w, "latency_seconds", wake->latency_usec);
        json_text(w, "cause", wake_cause_name(wake->cause));
        json_bool(w, "cold", wake->cold);
        json_end_object(w);
}

static void status_write_wakes(struct json_writer *w, const struct database *database, struct instant now) {
        const struct histogram *latency = database->wake_latency;

        json_begin_object(w, "wakes");
        json_unsigned(w, "count", database->wakes);
        json_begin_object(w, "by_cause");
        for (enum wake_cause cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                json_unsigned(w, wake_cause_name(cause), database->wakes_by_cause[cause]);
        json_end_object(w);
        write_last_wake(w, database);
        json_seconds(w, "p50_seconds", latency ? histogram_quantile(latency, 500) : USEC_INFINITY);
        json_seconds(w, "p95_seconds", latency ? histogram_quantile(latency, 950) : USEC_INFINITY);
        json_seconds(w, "p99_seconds", latency ? histogram_quantile(latency, 990) : USEC_INFINITY);
        json_end_object(w);
        json_seconds(w, "expected_ready_in_seconds", database_expected_ready_usec(database, now));
}

static void status_write_failures(struct json_writer *w, const struct database *database) {
        json_begin_object(w, "failures");
        json_unsigned(w, "consecutive", database->failures_in_row);
        json_unsigned(w, "total", database->failures_total);
        json_begin_object(w, "by_reason");
        for (enum reason reason = 0; reason < _REASON_MAX; reason++)
                if (database->failures_by_reason[reason] > 0)
                        json_unsigned(w, reason_slug(reason), database->failures_by_reason[reason]);
        json_end_object(w);
        json_end_object(w);
}

/* "2026-11"; MONTH counts from January 1970. */
static void write_month(struct json_writer *w, unsigned month) {
        char text[16];

        (void)snprintf(text, sizeof(text), "%04u-%02u", 1970 + month / 12, month % 12 + 1);
        json_text(w, "month", text);
}

static void write_cost(struct json_writer *w, const struct database *database, struct instant now) {
        struct account account = database_account(database, now);

        json_seconds(w, "awake_seconds", account.awake_usec);
        json_seconds(w, "awake_on_our_demand_seconds", account.ours_usec);
        if (database->config->budget_awake_usec == 0) {
                json_absent(w, "budget");
                return;
        }
        json_begin_object(w, "budget");
        json_seconds(w, "awake_seconds", database->config->budget_awake_usec);
        json_seconds(w, "used_seconds", account.month_awake_usec);
        json_bool(w, "spent", database->budget_spent);
        write_month(w, account.month);
        json_end_object(w);
}

/* The cause that needs the database awake. While leases are held it is they, and they say for how long. */
static void write_demand(struct json_writer *w, const struct database *database, struct instant now) {
        bool leased = database->n_leases > 0;

        if (!database_has_demand(database)) {
                json_absent(w, "demand");
                return;
        }
        json_begin_object(w, "demand");
        json_text(w, "cause", wake_cause_name(leased ? WAKE_LEASE : database->demand_cause));
        json_time(w, "until", leased ? 0 : real_from_boot(database->demand_until_boot_usec, now));
        json_end_object(w);
}

static void status_write_leases(struct json_writer *w, const struct database *database) {
        json_begin_array(w, "leases");
        for (const struct lease *lease = lease_first(database); lease; lease = lease->next) {
                json_begin_object(w, NULL);
                describe_lease(w, &lease->record);
                json_end_object(w);
        }
        json_end_array(w);
}

static void write_next_check(struct json_writer *w, const struct database *database, struct instant now) {
        struct plan plan = policy_next(database);

        if (database->in_flight)
                plan = (struct plan){.check = database->in_flight_check, .due_boot_usec = now.boot_usec};
        if (plan.due_boot_usec == USEC_INFINITY) {
                json_absent(w, "next_check");
                return;
        }
        json_begin_object(w, "next_check");
        json_text(w, "kind", check_name(plan.check));
        json_seconds(w, "in_seconds", usec_sub(plan.due_boot_usec, now.boot_usec));
        json_end_object(w);
}

void describe_status(struct json_writer *w, const struct database *database, struct instant now, bool detail) {
        json_begin_object(w, NULL);
        write_verdict(w, database, now);
        if (detail)
                json_text(w, "detail", database->detail);
        write_last_attempt(w, database, detail);
        write_session(w, database);
        status_write_wakes(w, database, now);
        status_write_failures(w, database);
        write_cost(w, database, now);
        write_demand(w, database, now);
        status_write_leases(w, database);
        write_next_check(w, database, now);
        json_end_object(w);
}
