#include "http/metrics.h"

#include "http/describe.h"

/* Of the wakes: from a server that was nearly up to one whose start takes minutes. */
static const uint64_t wake_bounds_usec[] = {
        50 * USEC_PER_MSEC,  100 * USEC_PER_MSEC, 200 * USEC_PER_MSEC, 300 * USEC_PER_MSEC, 500 * USEC_PER_MSEC, 750 * USEC_PER_MSEC,
        1 * USEC_PER_SEC,    1500 * USEC_PER_MSEC, 2 * USEC_PER_SEC,   3 * USEC_PER_SEC,    5 * USEC_PER_SEC,    10 * USEC_PER_SEC,
        20 * USEC_PER_SEC,   30 * USEC_PER_SEC,    60 * USEC_PER_SEC,  120 * USEC_PER_SEC,
};

static const char *name_of(const struct database *database) {
        return database->config->name;
}

static void write_ready(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        exposition_number(e, VALUES(name_of(database)), database_ready(database));
}

static void write_state(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        for (enum state state = 0; state < _STATE_MAX; state++)
                exposition_number(e, VALUES(name_of(database), state_name(state)), state == database->state);
}

static void write_reason(struct exposition *e, const struct database *database, struct instant now) {
        const char *reason = describe_reason(database->reason);

        (void)now;
        if (reason)
                exposition_number(e, VALUES(name_of(database), reason), 1);
}

static void write_generation(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        exposition_number(e, VALUES(name_of(database)), database->generation);
}

static void write_last_duration(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        for (enum check check = 0; check < _CHECK_MAX; check++)
                if (database->last_duration_usec[check] > 0)
                        exposition_seconds(e, VALUES(name_of(database), check_name(check)), database->last_duration_usec[check]);
}

static void write_last_success(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        if (database->last_success_real_usec > 0)
                exposition_seconds(e, VALUES(name_of(database)), database->last_success_real_usec);
}

static void write_attempts(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        for (enum check check = 0; check < _CHECK_MAX; check++)
                for (enum reason_class class = 0; class < _REASON_CLASS_MAX; class++)
                        if (database->attempts[check][class] > 0)
                                exposition_number(e, VALUES(name_of(database), check_name(check), reason_class_name(class)),
                                                  database->attempts[check][class]);
}

static void write_failures(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        for (enum reason reason = 0; reason < _REASON_MAX; reason++)
                if (database->failures_by_reason[reason] > 0)
                        exposition_number(e, VALUES(name_of(database), reason_slug(reason)), database->failures_by_reason[reason]);
}

static void write_wakes(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        for (enum wake_cause cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                exposition_number(e, VALUES(name_of(database), wake_cause_name(cause)), database->wakes_by_cause[cause]);
}

static void write_wake_duration(struct exposition *e, const struct database *database, struct instant now) {
        const struct histogram *latency = database->wake_latency;
        uint64_t below[ARRAY_LENGTH(wake_bounds_usec)];

        (void)now;
        if (!latency || latency->count == 0)
                return;
        histogram_counts_below(latency, wake_bounds_usec, ARRAY_LENGTH(wake_bounds_usec), below);
        exposition_histogram(e, VALUES(name_of(database)), wake_bounds_usec, below, ARRAY_LENGTH(below), latency->count, latency->sum_usec);
}

static void write_awake(struct exposition *e, const struct database *database, struct instant now) {
        struct account account = database_account(database, now);

        exposition_seconds(e, VALUES(name_of(database), "ours"), account.ours_usec);
        exposition_seconds(e, VALUES(name_of(database), "others"), usec_sub(account.awake_usec, account.ours_usec));
}

static void write_leases(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        exposition_number(e, VALUES(name_of(database)), database->n_leases);
}

static void write_budget(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        if (database->config->budget_awake_usec > 0)
                exposition_seconds(e, VALUES(name_of(database)), database->config->budget_awake_usec);
}

static void write_budget_used(struct exposition *e, const struct database *database, struct instant now) {
        if (database->config->budget_awake_usec > 0)
                exposition_seconds(e, VALUES(name_of(database)), database_account(database, now).month_awake_usec);
}

static void write_budget_spent(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        if (database->config->budget_awake_usec > 0)
                exposition_number(e, VALUES(name_of(database)), database->budget_spent);
}

static const struct metric metrics[] = {
        {{"pgwake_ready", FAMILY_GAUGE, {"database"}, "1 while the database is awake, else 0."}, .database = write_ready},
        {{"pgwake_state", FAMILY_GAUGE, {"database", "state"}, "1 for the state that the database is in, 0 for every other."},
         .database = write_state},
        {{"pgwake_reason", FAMILY_GAUGE, {"database", "reason"}, "1 for the reason of the state, where there is one to be given."},
         .database = write_reason},
        {{"pgwake_generation", FAMILY_GAUGE, {"database"}, "Grows whenever the older sessions of anybody are dead."},
         .database = write_generation},
        {{"pgwake_last_attempt_duration_seconds", FAMILY_GAUGE, {"database", "kind"}, "How long the last attempt of this kind took."},
         .database = write_last_duration},
        {{"pgwake_last_success_timestamp_seconds", FAMILY_GAUGE, {"database"}, "When a login or a ping was last answered."},
         .database = write_last_success},
        {{"pgwake_attempts", FAMILY_COUNTER, {"database", "kind", "outcome"},
          "Attempts by how they ended: ok, or the class of the failure. Only what occurred."},
         .database = write_attempts},
        {{"pgwake_failures", FAMILY_COUNTER, {"database", "reason"}, "Failed attempts by reason. Only reasons that occurred."},
         .database = write_failures},
        {{"pgwake_wakes", FAMILY_COUNTER, {"database", "cause"}, "Wakes by who caused them."}, .database = write_wakes},
        {{"pgwake_wake_duration_seconds", FAMILY_HISTOGRAM, {"database"},
          "From the first attempt that found the database asleep to its answer. Made by the first wake; bounds may be off by a sixteenth."},
         .database = write_wake_duration},
        {{"pgwake_awake_seconds", FAMILY_COUNTER, {"database", "demand"},
          "Time awake, on our demand (ours) and on that of somebody else (others)."},
         .database = write_awake},
        {{"pgwake_leases", FAMILY_GAUGE, {"database"}, "Leases that are held."}, .database = write_leases},
        {{"pgwake_budget_awake_seconds", FAMILY_GAUGE, {"database"}, "Time that it may be awake in a month. Where there is a budget."},
         .database = write_budget},
        {{"pgwake_budget_used_seconds", FAMILY_GAUGE, {"database"}, "Time that it was awake this month (UTC). Where there is a budget."},
         .database = write_budget_used},
        {{"pgwake_budget_spent", FAMILY_GAUGE, {"database"},
          "1 when the budget of this month is spent, else 0. Where there is a budget."},
         .database = write_budget_spent},
};

const struct metric *metrics_of_databases(size_t i) {
        return i < ARRAY_LENGTH(metrics) ? &metrics[i] : NULL;
}
