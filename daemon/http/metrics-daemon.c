#include "http/metrics.h"

#include "http/waiters.h"

static void write_build(struct exposition *e, const struct metrics_facts *facts) {
        (void)facts;
        exposition_number(e, VALUES(PACKAGE_VERSION), 1);
}

static void write_databases(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, registry_count(engine_registry(facts->server->engine)));
}

/* A ping is a query on the session that is there, and a door check ends before the query. */
static bool has_phase(enum check check, enum phase phase) {
        return check == CHECK_LOGIN || (check == CHECK_PING) == (phase == PHASE_QUERY);
}

static void write_tally(struct exposition *e, enum check check, enum phase phase, const struct tally *tally) {
        uint64_t below[TALLY_BOUNDS], seen = 0;

        for (size_t i = 0; i < TALLY_BOUNDS; i++)
                below[i] = seen += tally->counts[i];
        exposition_histogram(e, VALUES(check_name(check), phase_name(phase)), tally_bounds_usec, below, TALLY_BOUNDS,
                             seen + tally->counts[TALLY_BOUNDS], tally->sum_usec);
}

static void write_durations(struct exposition *e, const struct metrics_facts *facts) {
        for (enum check check = 0; check < _CHECK_MAX; check++)
                for (enum phase phase = 0; phase < _PHASE_MAX; phase++)
                        if (has_phase(check, phase))
                                write_tally(e, check, phase, engine_durations(facts->server->engine, check, phase));
}

static void write_in_flight(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->engine.in_flight);
}

static void write_waiting(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->engine.waiting);
}

static void write_overdue(struct exposition *e, const struct metrics_facts *facts) {
        exposition_seconds(e, NULL, engine_overdue_usec(facts->server->engine));
}

static void write_replaced(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->engine.probers_replaced);
}

enum socket_kind {
        SOCKET_STATUS,
        SOCKET_CONTROL,
        SOCKET_TCP,
        _SOCKET_KIND_MAX,
};

static enum socket_kind socket_kind_of(const struct listener *listener) {
        return listener->access == ACCESS_CONTROL ? SOCKET_CONTROL : listener->tcp ? SOCKET_TCP : SOCKET_STATUS;
}

static void write_connections(struct exposition *e, const struct metrics_facts *facts) {
        static const char *const names[_SOCKET_KIND_MAX] = {"status", "control", "tcp"};
        unsigned connections[_SOCKET_KIND_MAX] = {0};

        for (const struct listener *listener = facts->server->listeners; listener; listener = listener->next)
                connections[socket_kind_of(listener)] += http_connections(listener->http);
        for (enum socket_kind kind = 0; kind < _SOCKET_KIND_MAX; kind++)
                exposition_number(e, VALUES(names[kind]), connections[kind]);
}

static void write_waiters(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, waiters_count(facts->server->waiters));
}

static void write_reload(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->daemon.reload_successful);
}

static void write_reloaded(struct exposition *e, const struct metrics_facts *facts) {
        exposition_seconds(e, NULL, facts->daemon.reloaded_real_usec);
}

static void write_history_healthy(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->daemon.history_healthy);
}

static void write_history(struct exposition *e, const struct metrics_facts *facts) {
        if (facts->daemon.history)
                exposition_number(e, VALUES(facts->daemon.history), 1);
}

static void write_cpu(struct exposition *e, const struct metrics_facts *facts) {
        exposition_seconds(e, NULL, facts->process.cpu_usec);
}

static void write_resident(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->process.resident_bytes);
}

static void write_virtual(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->process.virtual_bytes);
}

static void write_fds(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->process.open_fds);
}

static void write_max_fds(struct exposition *e, const struct metrics_facts *facts) {
        exposition_number(e, NULL, facts->process.max_fds);
}

static void write_started(struct exposition *e, const struct metrics_facts *facts) {
        exposition_seconds(e, NULL, facts->server->started_real_usec);
}

static const struct metric metrics[] = {
        {{"pgwake_build", FAMILY_INFO, {"version"}, "Which pgwaked this is."}, .daemon = write_build},
        {{"pgwake_databases", FAMILY_GAUGE, {NULL}, "Databases that are watched."}, .daemon = write_databases},
        {{"pgwake_attempt_duration_seconds", FAMILY_HISTOGRAM, {"kind", "phase"},
          "How long each phase took in the attempts that passed it, failed ones included, over all databases."},
         .daemon = write_durations},
        {{"pgwake_attempts_in_flight", FAMILY_GAUGE, {NULL}, "Attempts that run; pings on a held session are not counted."},
         .daemon = write_in_flight},
        {{"pgwake_attempts_waiting", FAMILY_GAUGE, {NULL}, "Checks that are due and wait for a place (limits.attempts_in_flight)."},
         .daemon = write_waiting},
        {{"pgwake_overdue_seconds", FAMILY_GAUGE, {NULL}, "How late the most overdue thing is; the watchdog bears 5 seconds."},
         .daemon = write_overdue},
        {{"pgwake_probers_replaced", FAMILY_COUNTER, {NULL}, "Probers that one server held past its time, and that were replaced."},
         .daemon = write_replaced},
        {{"pgwake_http_connections", FAMILY_GAUGE, {"socket"}, "Clients that are connected: status, control, tcp."},
         .daemon = write_connections},
        {{"pgwake_http_waiting", FAMILY_GAUGE, {NULL}, "Requests that are held until a database is ready."}, .daemon = write_waiters},
        {{"pgwake_config_last_reload_successful", FAMILY_GAUGE, {NULL},
          "1 when the last reload was taken, 0 when it was refused. A start is a reload too."},
         .daemon = write_reload},
        {{"pgwake_config_last_reload_success_timestamp_seconds", FAMILY_GAUGE, {NULL}, "When the configuration in force was read."},
         .daemon = write_reloaded},
        {{"pgwake_history_healthy", FAMILY_GAUGE, {NULL},
          "1 while nothing is wrong with the history, also where none is to be kept; else 0."},
         .daemon = write_history_healthy},
        {{"pgwake_history", FAMILY_INFO, {"health"}, "How the history is: ok, none where none is to be kept, or what is wrong."},
         .daemon = write_history},
        {{"process_cpu_seconds", FAMILY_COUNTER, {NULL}, "CPU time of the daemon, user and system."}, .daemon = write_cpu},
        {{"process_resident_memory_bytes", FAMILY_GAUGE, {NULL}, "Resident memory of the daemon."}, .daemon = write_resident},
        {{"process_virtual_memory_bytes", FAMILY_GAUGE, {NULL}, "Virtual memory of the daemon."}, .daemon = write_virtual},
        {{"process_open_fds", FAMILY_GAUGE, {NULL}, "Open file descriptors of the daemon."}, .daemon = write_fds},
        {{"process_max_fds", FAMILY_GAUGE, {NULL}, "How many file descriptors the daemon may have open."}, .daemon = write_max_fds},
        {{"process_start_time_seconds", FAMILY_GAUGE, {NULL}, "When the daemon was started."}, .daemon = write_started},
};

const struct metric *metrics_of_daemon(size_t i) {
        return i < ARRAY_LENGTH(metrics) ? &metrics[i] : NULL;
}
