#include "http/describe.h"

const char *describe_reason(enum reason reason) {
        return reason == REASON_NONE ? NULL : reason_slug(reason);
}

uint64_t describe_age_usec(const struct target *target, struct instant now) {
        return target->renewed_boot_usec == 0 ? USEC_INFINITY : usec_sub(now.boot_usec, target->renewed_boot_usec);
}

void describe_verdict(struct json_writer *w, const struct target *target, struct instant now) {
        json_text(w, "name", target->config->name);
        json_bool(w, "ready", target_ready(target));
        json_text(w, "state", state_name(target->state));
        json_text(w, "reason", describe_reason(target->reason));
        json_text(w, "message", state_explain(target->state, target->reason));
        json_seconds(w, "age_seconds", describe_age_usec(target, now));
        json_seconds(w, "expected_ready_in_seconds", target_expected_ready_usec(target, now));
}

void describe_lease(struct json_writer *w, const struct lease_record *lease) {
        json_unsigned(w, "id", lease->id);
        json_text(w, "owner", lease->owner);
        json_time(w, "since", lease->since_real_usec);
        json_time(w, "until", lease->until_real_usec);
}

void describe_pause(struct json_writer *w, const struct target *target, struct instant now) {
        uint64_t until = usec_add(target_paused_until_real(target, now), USEC_PER_MSEC / 2);

        json_time(w, "paused_until", until - until % USEC_PER_MSEC);
}
