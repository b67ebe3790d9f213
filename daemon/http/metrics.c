/*
 * GET /metrics: family by family, and in each the databases by name. Ten thousand of them make some hundred thousand lines, composed in
 * slices. Databases may come and go between two slices: in each family one appears at most once, and its samples there are of one moment.
 *
 * A metric is one row of the table; the function that fills it is above.
 */
#include "http/metrics.h"

#include "base/text.h"
#include "http/answer.h"
#include "http/describe.h"
#include "http/route.h"
#include "http/waiters.h"

#include <assert.h>

/* One database. */

/* Bounds for wakes: from a server that was nearly up to one that takes minutes to start. */
static const uint64_t wake_bounds_usec[] = {
        50 * USEC_PER_MSEC,  100 * USEC_PER_MSEC, 200 * USEC_PER_MSEC, 300 * USEC_PER_MSEC, 500 * USEC_PER_MSEC, 750 * USEC_PER_MSEC,
        1 * USEC_PER_SEC,    1500 * USEC_PER_MSEC, 2 * USEC_PER_SEC,   3 * USEC_PER_SEC,    5 * USEC_PER_SEC,    10 * USEC_PER_SEC,
        20 * USEC_PER_SEC,   30 * USEC_PER_SEC,    60 * USEC_PER_SEC,  120 * USEC_PER_SEC,
};

static const char *name_of(const struct database *database) {
        return database->config->name;
}

static void fill_ready(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        exposition_number(e, VALUES(name_of(database)), database_ready(database));
}

static void fill_state(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        for (enum state state = 0; state < _STATE_MAX; state++)
                exposition_number(e, VALUES(name_of(database), state_name(state)), state == database->state);
}

static void fill_reason(struct exposition *e, const struct database *database, struct instant now) {
        const char *reason = describe_reason(database->reason);

        (void)now;
        if (reason)
                exposition_number(e, VALUES(name_of(database), reason), 1);
}

static void fill_generation(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        exposition_number(e, VALUES(name_of(database)), database->counts.generation);
}

static void fill_last_duration(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        for (enum check check = 0; check < _CHECK_MAX; check++)
                if (database->checks[check].duration_usec > 0)
                        exposition_seconds(e, VALUES(name_of(database), check_name(check)), database->checks[check].duration_usec);
}

static void fill_last_success(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        if (database->counts.last_success_real_usec > 0)
                exposition_seconds(e, VALUES(name_of(database)), database->counts.last_success_real_usec);
}

static void fill_attempts(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        for (enum check check = 0; check < _CHECK_MAX; check++)
                for (enum reason_class class = 0; class < _REASON_CLASS_MAX; class++)
                        if (database->counts.attempts[check][class] > 0)
                                exposition_number(e, VALUES(name_of(database), check_name(check), reason_class_name(class)),
                                                  database->counts.attempts[check][class]);
}

static void fill_failures(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        for (enum reason reason = 0; reason < _REASON_MAX; reason++)
                if (database->counts.failures_by_reason[reason] > 0)
                        exposition_number(e, VALUES(name_of(database), reason_slug(reason)), database->counts.failures_by_reason[reason]);
}

static void fill_wakes(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        for (enum wake_cause cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                exposition_number(e, VALUES(name_of(database), wake_cause_name(cause)), database->counts.wakes_by_cause[cause]);
}

static void fill_wake_duration(struct exposition *e, const struct database *database, struct instant now) {
        const struct histogram *latency = database->wake_latency;
        uint64_t below[ARRAY_LENGTH(wake_bounds_usec)];

        (void)now;
        if (!latency || latency->count == 0)
                return;
        histogram_counts_below(latency, wake_bounds_usec, ARRAY_LENGTH(wake_bounds_usec), below);
        exposition_histogram(e, VALUES(name_of(database)), wake_bounds_usec, below, ARRAY_LENGTH(below), latency->count, latency->sum_usec);
}

static void fill_awake(struct exposition *e, const struct database *database, struct instant now) {
        struct account account = database_account(database, now);

        exposition_seconds(e, VALUES(name_of(database), "ours"), account.ours_usec);
        exposition_seconds(e, VALUES(name_of(database), "others"), usec_sub(account.awake_usec, account.ours_usec));
}

static void fill_leases(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        exposition_number(e, VALUES(name_of(database)), database->n_leases);
}

static void fill_budget(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        if (database->config->budget_awake_usec > 0)
                exposition_seconds(e, VALUES(name_of(database)), database->config->budget_awake_usec);
}

static void fill_budget_used(struct exposition *e, const struct database *database, struct instant now) {
        if (database->config->budget_awake_usec > 0)
                exposition_seconds(e, VALUES(name_of(database)), database_account(database, now).month_awake_usec);
}

static void fill_budget_spent(struct exposition *e, const struct database *database, struct instant now) {
        (void)now;
        if (database->config->budget_awake_usec > 0)
                exposition_number(e, VALUES(name_of(database)), database->budget_spent);
}

/* The daemon as a whole. */

static void fill_build(struct exposition *e, const struct metrics_facts *facts) {
        (void)facts;
        exposition_number(e, VALUES(PACKAGE_VERSION), 1);
}

static void fill_databases(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, registry_count(engine_registry(facts->server->engine)));
}

/* A ping is a query on the existing session, and a door check ends before the query. */
static bool has_phase(enum check check, enum phase phase) {
        return check == CHECK_LOGIN || (check == CHECK_PING) == (phase == PHASE_QUERY);
}

static void fill_tally(struct exposition *e, enum check check, enum phase phase, const struct tally *tally) {
        uint64_t below[TALLY_BOUNDS], seen = 0;

        for (size_t i = 0; i < TALLY_BOUNDS; i++)
                below[i] = seen += tally->counts[i];
        exposition_histogram(e, VALUES(check_name(check), phase_name(phase)), tally_bounds_usec, below, TALLY_BOUNDS,
                             seen + tally->counts[TALLY_BOUNDS], tally->sum_usec);
}

static void fill_durations(struct exposition *e, const struct metrics_facts *facts) {
        for (enum check check = 0; check < _CHECK_MAX; check++)
                for (enum phase phase = 0; phase < _PHASE_MAX; phase++)
                        if (has_phase(check, phase))
                                fill_tally(e, check, phase, engine_durations(facts->server->engine, check, phase));
}

static void fill_in_flight(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->engine.in_flight);
}

static void fill_waiting(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->engine.waiting);
}

static void fill_overdue(struct exposition *e, const struct metrics_facts *facts) {
        exposition_seconds(e, NULL, engine_overdue_usec(facts->server->engine));
}

static void fill_replaced(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->engine.probers_replaced);
}

enum socket_kind {
        SOCKET_STATUS,
        SOCKET_CONTROL,
        SOCKET_TCP,
        _SOCKET_KIND_MAX,
};

static enum socket_kind socket_kind_of(const struct listener *listener) {
        return listener->permission == PERMISSION_CONTROL ? SOCKET_CONTROL : listener->tcp ? SOCKET_TCP : SOCKET_STATUS;
}

static void fill_connections(struct exposition *e, const struct metrics_facts *facts) {
        static const char *const names[_SOCKET_KIND_MAX] = {"status", "control", "tcp"};
        unsigned connections[_SOCKET_KIND_MAX] = {0};

        for (const struct listener *listener = facts->server->listeners; listener; listener = listener->next)
                connections[socket_kind_of(listener)] += http_connections(listener->http);
        for (enum socket_kind kind = 0; kind < _SOCKET_KIND_MAX; kind++)
                exposition_number(e, VALUES(names[kind]), connections[kind]);
}

static void fill_waiters(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, waiters_count(facts->server->waiters));
}

static void fill_reload(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->daemon.reload_successful);
}

static void fill_reloaded(struct exposition *e, const struct metrics_facts *facts) {
        exposition_seconds(e, NULL, facts->daemon.reloaded_real_usec);
}

static void fill_history_healthy(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->daemon.history_healthy);
}

static void fill_history(struct exposition *e, const struct metrics_facts *facts) {
        if (facts->daemon.history)
                exposition_number(e, VALUES(facts->daemon.history), 1);
}

static void fill_cpu(struct exposition *e, const struct metrics_facts *facts) {
        exposition_seconds(e, NULL, facts->process.cpu_usec);
}

static void fill_resident(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->process.resident_bytes);
}

static void fill_virtual(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->process.virtual_bytes);
}

static void fill_fds(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->process.open_fds);
}

static void fill_max_fds(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->process.max_fds);
}

static void fill_started(struct exposition *e, const struct metrics_facts *facts) {
        exposition_seconds(e, NULL, facts->server->started_real_usec);
}

static const struct metric metrics[] = {
        /* One per database. */
        {{"pgwake_ready", FAMILY_GAUGE, {"database"}, "1 while the database is awake, else 0."}, .database = fill_ready},
        {{"pgwake_state", FAMILY_GAUGE, {"database", "state"}, "1 for the state that the database is in, 0 for every other."},
         .database = fill_state},
        {{"pgwake_reason", FAMILY_GAUGE, {"database", "reason"}, "1 for the reason of the state, where there is one to be given."},
         .database = fill_reason},
        {{"pgwake_generation", FAMILY_GAUGE, {"database"}, "Grows whenever the older sessions of anybody are dead."},
         .database = fill_generation},
        {{"pgwake_last_attempt_duration_seconds", FAMILY_GAUGE, {"database", "kind"}, "How long the last attempt of this kind took."},
         .database = fill_last_duration},
        {{"pgwake_last_success_timestamp_seconds", FAMILY_GAUGE, {"database"}, "When a login or a ping was last answered."},
         .database = fill_last_success},
        {{"pgwake_attempts", FAMILY_COUNTER, {"database", "kind", "outcome"},
          "Attempts by how they ended: ok, or the class of the failure. Only what occurred."},
         .database = fill_attempts},
        {{"pgwake_failures", FAMILY_COUNTER, {"database", "reason"}, "Failed attempts by reason. Only reasons that occurred."},
         .database = fill_failures},
        {{"pgwake_wakes", FAMILY_COUNTER, {"database", "cause"}, "Wakes by who caused them."}, .database = fill_wakes},
        {{"pgwake_wake_duration_seconds", FAMILY_HISTOGRAM, {"database"},
          "From the first attempt that found the database asleep to its answer. Made by the first wake; bounds may be off by a sixteenth."},
         .database = fill_wake_duration},
        {{"pgwake_awake_seconds", FAMILY_COUNTER, {"database", "demand"},
          "Time awake, on our demand (ours) and on that of somebody else (others)."},
         .database = fill_awake},
        {{"pgwake_leases", FAMILY_GAUGE, {"database"}, "Leases that are held."}, .database = fill_leases},
        {{"pgwake_budget_awake_seconds", FAMILY_GAUGE, {"database"}, "Time that it may be awake in a month. Where there is a budget."},
         .database = fill_budget},
        {{"pgwake_budget_used_seconds", FAMILY_GAUGE, {"database"}, "Time that it was awake this month (UTC). Where there is a budget."},
         .database = fill_budget_used},
        {{"pgwake_budget_spent", FAMILY_GAUGE, {"database"},
          "1 when the budget of this month is spent, else 0. Where there is a budget."},
         .database = fill_budget_spent},
        /* Of the daemon, after those of all databases. */
        {{"pgwake_build", FAMILY_INFO, {"version"}, "Which pgwaked this is."}, .daemon = fill_build},
        {{"pgwake_databases", FAMILY_GAUGE, {NULL}, "Databases that are watched."}, .daemon = fill_databases},
        {{"pgwake_attempt_duration_seconds", FAMILY_HISTOGRAM, {"kind", "phase"},
          "How long each phase took in the attempts that passed it, failed ones included, over all databases."},
         .daemon = fill_durations},
        {{"pgwake_attempts_in_flight", FAMILY_GAUGE, {NULL}, "Attempts that run; pings on a held session are not counted."},
         .daemon = fill_in_flight},
        {{"pgwake_attempts_waiting", FAMILY_GAUGE, {NULL}, "Checks that are due and wait for a place (limits.attempts_in_flight)."},
         .daemon = fill_waiting},
        {{"pgwake_overdue_seconds", FAMILY_GAUGE, {NULL}, "How late the most overdue thing is; the watchdog bears 5 seconds."},
         .daemon = fill_overdue},
        {{"pgwake_probers_replaced", FAMILY_COUNTER, {NULL}, "Probers that one server held past its time, and that were replaced."},
         .daemon = fill_replaced},
        {{"pgwake_http_connections", FAMILY_GAUGE, {"socket"}, "Clients that are connected: status, control, tcp."},
         .daemon = fill_connections},
        {{"pgwake_http_waiting", FAMILY_GAUGE, {NULL}, "Requests that are held until a database is ready."}, .daemon = fill_waiters},
        {{"pgwake_config_last_reload_successful", FAMILY_GAUGE, {NULL},
          "1 when the last reload was taken, 0 when it was refused. A start is a reload too."},
         .daemon = fill_reload},
        {{"pgwake_config_last_reload_success_timestamp_seconds", FAMILY_GAUGE, {NULL}, "When the configuration in force was read."},
         .daemon = fill_reloaded},
        {{"pgwake_history_healthy", FAMILY_GAUGE, {NULL},
          "1 while nothing is wrong with the history, also where none is to be kept; else 0."},
         .daemon = fill_history_healthy},
        {{"pgwake_history", FAMILY_INFO, {"health"}, "How the history is: ok, none where none is to be kept, or what is wrong."},
         .daemon = fill_history},
        {{"process_cpu_seconds", FAMILY_COUNTER, {NULL}, "CPU time of the daemon, user and system."}, .daemon = fill_cpu},
        {{"process_resident_memory_bytes", FAMILY_GAUGE, {NULL}, "Resident memory of the daemon."}, .daemon = fill_resident},
        {{"process_virtual_memory_bytes", FAMILY_GAUGE, {NULL}, "Virtual memory of the daemon."}, .daemon = fill_virtual},
        {{"process_open_fds", FAMILY_GAUGE, {NULL}, "Open file descriptors of the daemon."}, .daemon = fill_fds},
        {{"process_max_fds", FAMILY_GAUGE, {NULL}, "How many file descriptors the daemon may have open."}, .daemon = fill_max_fds},
        {{"process_start_time_seconds", FAMILY_GAUGE, {NULL}, "When the daemon was started."}, .daemon = fill_started},
};

const struct metric *metrics_at(size_t i) {
        return i < ARRAY_LENGTH(metrics) ? &metrics[i] : NULL;
}

/* The answer. */

struct scrape {
        struct slices slices;
        struct exposition exposition;
        struct server *server;
        struct metrics_facts facts;
        size_t family;                /* the row of the present one */
        bool begun;                   /* its head is written */
        char last[TEXT_NAME_MAX + 1]; /* the last database in it */
};

/* Writes the rows from the present one on, all in one slice. */
static void compose_daemon(struct scrape *scrape) {
        const struct metric *metric;

        for (; (metric = metrics_at(scrape->family)); scrape->family++) {
                assert(metric->daemon);
                exposition_begin(&scrape->exposition, &metric->family);
                metric->daemon(&scrape->exposition, &scrape->facts);
        }
        exposition_end(&scrape->exposition);
}

/* Continues METRIC; returns whether it is complete. */
static bool compose_databases(struct scrape *scrape, const struct metric *metric) {
        const struct registry *registry = engine_registry(scrape->server->engine);
        struct instant now = clock_now();
        const struct database *database, *last = NULL;
        size_t i = registry_place_after(registry, scrape->last);

        for (; (database = registry_at(registry, i)) && slices_step(&scrape->slices); i++) {
                last = database;
                metric->database(&scrape->exposition, database, now);
        }
        if (database && last)
                (void)text_copy(scrape->last, sizeof(scrape->last), last->config->name);
        return !database;
}

static bool compose_metrics(struct slices *slices) {
        struct scrape *scrape = container_of(slices, struct scrape, slices);
        const struct metric *metric;

        while ((metric = metrics_at(scrape->family)) && metric->database && slices_step(slices)) {
                if (!scrape->begun)
                        exposition_begin(&scrape->exposition, &metric->family);
                scrape->begun = true;
                if (!compose_databases(scrape, metric))
                        return true;
                scrape->family++;
                scrape->begun = false;
                scrape->last[0] = '\0';
        }
        if (metric && metric->database)
                return true;
        compose_daemon(scrape);
        return false;
}

static void free_scrape(struct slices *slices) {
        free(container_of(slices, struct scrape, slices));
}

static void gather_facts(const struct server *server, struct metrics_facts *facts) {
        facts->server = server;
        engine_stats(server->engine, &facts->engine);
        process_usage(&facts->process);
        if (server->hooks.facts)
                server->hooks.facts(server->hooks.userdata, &facts->daemon);
}

void metrics_get(struct request *request) {
        enum exposition_format format = exposition_choose(exchange_header(request->exchange, "Accept"));
        struct scrape *scrape = calloc(1, sizeof(*scrape));

        if (!scrape) {
                answer_unavailable(request->server, request->exchange, RETRY_UNKNOWN_SEC, "no_memory",
                                   "no memory is left for this answer");
                return;
        }
        scrape->server = request->server;
        scrape->slices = (struct slices){.compose = compose_metrics, .free = free_scrape};
        scrape->exposition = (struct exposition){.text = &scrape->slices.text, .format = format};
        gather_facts(request->server, &scrape->facts);
        slices_answer(&scrape->slices, request->exchange,
                      &(struct reply){.status = 200, .content_type = exposition_content_type(format)});
}
