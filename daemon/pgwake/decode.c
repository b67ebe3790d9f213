#include "pgwake/decode.h"

#include "base/clock.h"
#include "base/macro.h"

#include <errno.h>
#include <time.h>

/* The member at PATH; NULL when it or one above it is absent or null; -EBADMSG below something that is no object. */
static int decode_find(json_t *object, const char *path, json_t **ret_value) {
        for (;;) {
                size_t length = strcspn(path, ".");
                char key[64];

                if (!object || json_is_null(object)) {
                        *ret_value = NULL;
                        return 0;
                }
                if (!json_is_object(object) || length >= sizeof(key))
                        return -EBADMSG;
                memcpy(key, path, length);
                key[length] = '\0';
                object = json_object_get(object, key);
                if (!path[length]) {
                        *ret_value = json_is_null(object) ? NULL : object;
                        return 0;
                }
                path += length + 1;
        }
}

static int decode_seconds(const json_t *value, uint64_t *ret_usec) {
        double seconds = json_number_value(value);

        if (!json_is_number(value) || !(seconds >= 0))
                return -EBADMSG;
        /* Some 30,000 years; above it the conversion would no longer be defined. */
        *ret_usec = seconds >= 1e12 ? USEC_INFINITY : (uint64_t)(seconds * 1e6 + 0.5);
        return 0;
}

static int decode_value(json_t *value, enum field_type type, void *ret) {
        switch (type) {
        case FIELD_TEXT:
                if (!json_is_string(value))
                        return -EBADMSG;
                *(const char **)ret = json_string_value(value);
                return 0;
        case FIELD_BOOL:
                if (!json_is_boolean(value))
                        return -EBADMSG;
                *(bool *)ret = json_is_true(value);
                return 0;
        case FIELD_COUNT:
                if (!json_is_integer(value) || json_integer_value(value) < 0)
                        return -EBADMSG;
                *(uint64_t *)ret = (uint64_t)json_integer_value(value);
                return 0;
        case FIELD_SECONDS:
                return decode_seconds(value, ret);
        case FIELD_OBJECT:
        case FIELD_ARRAY:
        case FIELD_ANY:
                if ((type == FIELD_OBJECT && !json_is_object(value)) || (type == FIELD_ARRAY && !json_is_array(value)))
                        return -EBADMSG;
                *(json_t **)ret = value;
                return 0;
        }
        return -EBADMSG;
}

int decode_fields(json_t *object, const struct field *fields, size_t n, void *ret, const char **ret_wrong) {
        if (!json_is_object(object)) {
                *ret_wrong = "(no object)";
                return -EBADMSG;
        }
        for (size_t i = 0; i < n; i++) {
                json_t *value = NULL;
                int r;

                r = decode_find(object, fields[i].path, &value);
                if (r == 0 && value)
                        r = decode_value(value, fields[i].type, (char *)ret + fields[i].offset);
                if (r < 0 || (!value && fields[i].required)) {
                        *ret_wrong = fields[i].path;
                        return -EBADMSG;
                }
        }
        return 0;
}

uint64_t decode_time(const char *text) {
        struct tm tm = {0};
        unsigned millionths = 0, scale = 100000;
        const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
        time_t seconds;

        if (!rest)
                return 0;
        if (*rest == '.')
                for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
                        millionths += (unsigned)(*rest - '0') * scale;
        seconds = timegm(&tm);
        if (!streq(rest, "Z") || seconds <= 0)
                return 0;
        return (uint64_t)seconds * USEC_PER_SEC + millionths;
}

const char *const database_phase_names[DATABASE_PHASES] = {"resolve", "connect", "tls", "auth", "query"};

#define AT(member) offsetof(struct database_view, member)

static const struct field database_fields[] = {
        {"name", FIELD_TEXT, true, AT(name)},
        {"state", FIELD_TEXT, true, AT(state)},
        {"ready", FIELD_BOOL, true, AT(ready)},
        {"reason", FIELD_TEXT, false, AT(reason)},
        {"message", FIELD_TEXT, false, AT(message)},
        {"detail", FIELD_TEXT, false, AT(detail)},
        {"since", FIELD_TEXT, false, AT(since)},
        {"age_seconds", FIELD_SECONDS, false, AT(age_usec)},
        {"fresh_until", FIELD_TEXT, false, AT(fresh_until)},
        {"paused_until", FIELD_TEXT, false, AT(paused_until)},
        {"generation", FIELD_COUNT, false, AT(generation)},
        {"policy", FIELD_TEXT, false, AT(policy)},
        {"provider", FIELD_TEXT, false, AT(provider)},
        {"endpoint", FIELD_TEXT, false, AT(endpoint)},
        {"last_attempt", FIELD_OBJECT, false, AT(attempt)},
        {"last_attempt.kind", FIELD_TEXT, false, AT(attempt_kind)},
        {"last_attempt.at", FIELD_TEXT, false, AT(attempt_at)},
        {"last_attempt.outcome", FIELD_TEXT, false, AT(attempt_outcome)},
        {"last_attempt.sqlstate", FIELD_TEXT, false, AT(attempt_sqlstate)},
        {"last_attempt.address", FIELD_TEXT, false, AT(attempt_address)},
        {"last_attempt.detail", FIELD_TEXT, false, AT(attempt_detail)},
        {"last_attempt.phases.resolve", FIELD_SECONDS, false, AT(phase_usec[0])},
        {"last_attempt.phases.connect", FIELD_SECONDS, false, AT(phase_usec[1])},
        {"last_attempt.phases.tls", FIELD_SECONDS, false, AT(phase_usec[2])},
        {"last_attempt.phases.auth", FIELD_SECONDS, false, AT(phase_usec[3])},
        {"last_attempt.phases.query", FIELD_SECONDS, false, AT(phase_usec[4])},
        {"last_attempt.total_seconds", FIELD_SECONDS, false, AT(attempt_usec)},
        {"session.held", FIELD_BOOL, false, AT(session_held)},
        {"session.since", FIELD_TEXT, false, AT(session_since)},
        {"server.version", FIELD_ANY, false, AT(server_version)},
        {"server.started_at", FIELD_TEXT, false, AT(server_started_at)},
        {"server.in_recovery", FIELD_BOOL, false, AT(server_in_recovery)},
        {"wakes.count", FIELD_COUNT, false, AT(wakes)},
        {"wakes.by_cause", FIELD_OBJECT, false, AT(wakes_by_cause)},
        {"wakes.last", FIELD_OBJECT, false, AT(last_wake)},
        {"wakes.last.at", FIELD_TEXT, false, AT(wake_at)},
        {"wakes.last.latency_seconds", FIELD_SECONDS, false, AT(wake_usec)},
        {"wakes.last.cause", FIELD_TEXT, false, AT(wake_cause)},
        {"wakes.last.cold", FIELD_BOOL, false, AT(wake_cold)},
        {"wakes.p50_seconds", FIELD_SECONDS, false, AT(wake_p50_usec)},
        {"wakes.p95_seconds", FIELD_SECONDS, false, AT(wake_p95_usec)},
        {"wakes.p99_seconds", FIELD_SECONDS, false, AT(wake_p99_usec)},
        {"expected_ready_in_seconds", FIELD_SECONDS, false, AT(expected_usec)},
        {"failures.consecutive", FIELD_COUNT, false, AT(failures_consecutive)},
        {"failures.total", FIELD_COUNT, false, AT(failures_total)},
        {"failures.by_reason", FIELD_OBJECT, false, AT(failures_by_reason)},
        {"awake_seconds", FIELD_SECONDS, false, AT(awake_usec)},
        {"awake_on_our_demand_seconds", FIELD_SECONDS, false, AT(awake_on_demand_usec)},
        {"leases", FIELD_ARRAY, false, AT(leases)},
        {"demand", FIELD_OBJECT, false, AT(demand)},
        {"demand.cause", FIELD_TEXT, false, AT(demand_cause)},
        {"demand.until", FIELD_TEXT, false, AT(demand_until)},
        {"budget", FIELD_OBJECT, false, AT(budget)},
        {"budget.awake_seconds", FIELD_SECONDS, false, AT(budget_usec)},
        {"budget.used_seconds", FIELD_SECONDS, false, AT(budget_used_usec)},
        {"budget.spent", FIELD_BOOL, false, AT(budget_spent)},
        {"budget.month", FIELD_TEXT, false, AT(budget_month)},
        {"next_check", FIELD_OBJECT, false, AT(next_check)},
        {"next_check.kind", FIELD_TEXT, false, AT(next_kind)},
        {"next_check.in_seconds", FIELD_SECONDS, false, AT(next_in_usec)},
};

int decode_database(json_t *object, struct database_view *ret_database, const char **ret_wrong) {
        struct database_view database = {
                .age_usec = USEC_INFINITY,
                .expected_usec = USEC_INFINITY,
                .phase_usec = {USEC_INFINITY, USEC_INFINITY, USEC_INFINITY, USEC_INFINITY, USEC_INFINITY},
                .attempt_usec = USEC_INFINITY,
                .wake_usec = USEC_INFINITY,
                .wake_p50_usec = USEC_INFINITY,
                .wake_p95_usec = USEC_INFINITY,
                .wake_p99_usec = USEC_INFINITY,
                .awake_usec = USEC_INFINITY,
                .awake_on_demand_usec = USEC_INFINITY,
                .budget_usec = USEC_INFINITY,
                .budget_used_usec = USEC_INFINITY,
                .next_in_usec = USEC_INFINITY,
        };
        int r;

        r = decode_fields(object, database_fields, ARRAY_LENGTH(database_fields), &database, ret_wrong);
        if (r < 0)
                return r;
        *ret_database = database;
        return 0;
}
