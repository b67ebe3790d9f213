#include "http/describe.h"

#include "base/macro.h"
#include "scheduler/lease.h"

#include <stdio.h>

const char *describe_reason(enum reason reason) {
        return reason == REASON_NONE ? NULL : reason_slug(reason);
}

uint64_t describe_age_usec(const struct database *database, struct instant now) {
        return database->renewed_boot_usec == 0 ? USEC_INFINITY : usec_sub(now.boot_usec, database->renewed_boot_usec);
}

struct database_status describe_verdict(const struct database *database, struct instant now) {
        return (struct database_status){
                .name = database->config->name,
                .state = state_name(database->state),
                .ready = database_ready(database),
                .reason = describe_reason(database->reason),
                .message = state_explain(database->state, database->reason),
                .age_usec = describe_age_usec(database, now),
                .expected_ready_usec = database_expected_ready_usec(database, now),
        };
}

struct lease_status describe_lease(const struct lease_record *lease) {
        return (struct lease_status){
                .id = lease->id,
                .owner = lease->owner,
                .since_real_usec = lease->since_real_usec,
                .until_real_usec = lease->until_real_usec,
        };
}

uint64_t describe_pause_end(const struct database *database, struct instant now) {
        uint64_t until;

        if (database->paused_until_boot_usec == 0)
                return 0;
        until = usec_add(database_paused_until_real(database, now), USEC_PER_MSEC / 2);
        return until - until % USEC_PER_MSEC;
}

/* The whole description. */

/* The wall-clock time at which CLOCK_BOOTTIME shows, or showed, BOOT_USEC. */
static uint64_t real_from_boot(uint64_t boot_usec, struct instant now) {
        if (boot_usec == 0 || boot_usec == USEC_INFINITY)
                return 0;
        return boot_usec >= now.boot_usec ? usec_add(now.real_usec, boot_usec - now.boot_usec)
                                          : usec_sub(now.real_usec, now.boot_usec - boot_usec);
}

/* Without evidence nothing is fresh. */
static uint64_t fresh_until(const struct database *database) {
        return database->renewed_boot_usec == 0 ? 0 : database_fresh_until(database);
}

static const char *text_or_null(const char *text) {
        return *text ? text : NULL;
}

/* A phase that was not entered is null: a length of 0 would be a claim. */
static bool describe_next_phase(struct field_rows *rows, void *ret_row) {
        const struct attempt *attempt = rows->of;
        enum phase phase = (enum phase)rows->index++;

        if (phase >= _PHASE_MAX)
                return false;
        *(struct named_span *)ret_row = (struct named_span){
                .name = phase_name(phase),
                .usec = attempt->phase_usec[phase] ? attempt->phase_usec[phase] : USEC_INFINITY,
        };
        return true;
}

static struct attempt_status attempt_status_of(const struct attempt *attempt) {
        if (attempt->id == 0)
                return (struct attempt_status){0};
        return (struct attempt_status){
                .known = true,
                .kind = check_name(attempt->check),
                .at_real_usec = attempt->started_real_usec,
                .outcome = reason_slug(attempt->reason),
                .sqlstate = text_or_null(attempt->sqlstate),
                .address = text_or_null(attempt->address),
                .phases = {.next = describe_next_phase, .of = attempt},
                .total_usec = attempt->total_usec,
                .detail = text_or_null(attempt->detail),
        };
}

#define VERSION_MAX 32

/* 150018 is 15.18; before 10, 90624 was 9.6.24. */
static const char *format_version(char buffer[VERSION_MAX], int version) {
        if (version >= 100000)
                (void)snprintf(buffer, VERSION_MAX, "%d.%d", version / 10000, version % 10000);
        else
                (void)snprintf(buffer, VERSION_MAX, "%d.%d.%d", version / 10000, version / 100 % 100, version % 100);
        return buffer;
}

static struct server_status server_status_of(const struct server_info *server, char version[VERSION_MAX]) {
        if (server->version == 0)
                return (struct server_status){0};
        return (struct server_status){
                .known = true,
                .version = format_version(version, server->version),
                .started_real_usec = server->started_real_usec,
                .in_recovery = server->in_recovery,
        };
}

static bool describe_next_cause(struct field_rows *rows, void *ret_row) {
        const struct database *database = rows->of;
        enum wake_cause cause = (enum wake_cause)rows->index++;

        if (cause >= _WAKE_CAUSE_MAX)
                return false;
        *(struct named_count *)ret_row = (struct named_count){wake_cause_name(cause), database->counts.wakes_by_cause[cause]};
        return true;
}

static struct last_wake_status last_wake_of(const struct wake_record *wake) {
        if (wake->at_real_usec == 0)
                return (struct last_wake_status){0};
        return (struct last_wake_status){
                .known = true,
                .at_real_usec = wake->at_real_usec,
                .latency_usec = wake->latency_usec,
                .cause = wake_cause_name(wake->cause),
                .cold = wake->cold,
        };
}

static struct wakes_status wakes_of(const struct database *database) {
        const struct histogram *latency = database->wake_latency;

        return (struct wakes_status){
                .count = database_wakes(database),
                .by_cause = {.next = describe_next_cause, .of = database},
                .last = last_wake_of(&database->counts.last_wake),
                .p50_usec = latency ? histogram_quantile(latency, 500) : USEC_INFINITY,
                .p95_usec = latency ? histogram_quantile(latency, 950) : USEC_INFINITY,
                .p99_usec = latency ? histogram_quantile(latency, 990) : USEC_INFINITY,
        };
}

/* Only reasons that have occurred. */
static bool describe_next_failure(struct field_rows *rows, void *ret_row) {
        const struct database *database = rows->of;

        while (rows->index < _REASON_MAX) {
                enum reason reason = (enum reason)rows->index++;

                if (database->counts.failures_by_reason[reason] == 0)
                        continue;
                *(struct named_count *)ret_row = (struct named_count){reason_slug(reason), database->counts.failures_by_reason[reason]};
                return true;
        }
        return false;
}

#define MONTH_MAX 16

/* "2026-11"; MONTH counts from January 1970. */
static const char *format_month(char buffer[MONTH_MAX], unsigned month) {
        (void)snprintf(buffer, MONTH_MAX, "%04u-%02u", 1970 + month / 12, month % 12 + 1);
        return buffer;
}

static struct budget_status budget_of(const struct database *database, const struct account *account, char month[MONTH_MAX]) {
        if (database->config->budget_awake_usec == 0)
                return (struct budget_status){0};
        return (struct budget_status){
                .known = true,
                .awake_usec = database->config->budget_awake_usec,
                .used_usec = account->month_awake_usec,
                .spent = database->budget_spent,
                .month = format_month(month, account->month),
        };
}

/* The cause of the demand. Leases come first, and say for how long. */
static struct demand_status demand_of(const struct database *database, struct instant now) {
        bool leased = database->n_leases > 0;

        if (!database_has_demand(database))
                return (struct demand_status){0};
        return (struct demand_status){
                .known = true,
                .cause = wake_cause_name(leased ? WAKE_LEASE : database->demand_cause),
                .until_real_usec = leased ? 0 : real_from_boot(database->demand_until_boot_usec, now),
        };
}

static bool describe_next_lease(struct field_rows *rows, void *ret_row) {
        const struct lease *lease = rows->at;

        if (!lease)
                return false;
        *(struct lease_status *)ret_row = describe_lease(&lease->record);
        rows->at = TAILQ_NEXT(lease, link);
        return true;
}

static struct next_check_status next_check_of(const struct database *database, struct instant now) {
        struct plan plan = policy_next(database);

        if (database->in_flight.id)
                plan = (struct plan){.check = database->in_flight.check, .due_boot_usec = now.boot_usec};
        if (plan.due_boot_usec == USEC_INFINITY)
                return (struct next_check_status){0};
        return (struct next_check_status){true, check_name(plan.check), usec_sub(plan.due_boot_usec, now.boot_usec)};
}

void describe_status(struct json_writer *w, const struct database *database, struct instant now, bool detail) {
        struct database_status status = describe_verdict(database, now);
        struct account account = database_account(database, now);
        _cleanup_(buffer_deinit) struct buffer endpoint = {0};
        char version[VERSION_MAX], month[MONTH_MAX];

        if (database->config->conninfo)
                conninfo_endpoint(database->config->conninfo, &endpoint);
        status.advice = state_advice(database->state, database->reason);
        status.since_real_usec = database->since_real_usec;
        status.fresh_until_real_usec = real_from_boot(fresh_until(database), now);
        status.generation = database->counts.generation;
        status.policy = policy_name(policy_of(database));
        status.provider = database->provider->name;
        status.endpoint = endpoint.data;
        status.paused_until_real_usec = describe_pause_end(database, now);
        status.detail = database->detail;
        status.last_attempt = attempt_status_of(&database->last_attempt);
        status.session.held = database->session_held;
        status.session.since_real_usec = database->session_held ? database->session_since_real_usec : 0;
        status.server = server_status_of(&database->server, version);
        status.wakes = wakes_of(database);
        status.failures.consecutive = database->failures_in_row;
        status.failures.total = database_failures(database);
        status.failures.by_reason = (struct field_rows){.next = describe_next_failure, .of = database};
        status.awake_usec = account.awake_usec;
        status.awake_on_our_demand_usec = account.ours_usec;
        status.budget = budget_of(database, &account, month);
        status.demand = demand_of(database, now);
        status.leases = (struct field_rows){.next = describe_next_lease, .at = TAILQ_FIRST(&database->leases)};
        status.next_check = next_check_of(database, now);
        field_write_object(w, NULL, database_fields, &status, detail);
}
