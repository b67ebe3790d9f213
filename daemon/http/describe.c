#include "http/describe.h"

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
