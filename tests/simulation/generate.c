#include "generate.h"

#include "base/duration.h"
#include "base/random.h"
#include "base/text.h"
#include "clocks.h"

#include <stdio.h>

static uint64_t state;

/* A number below N. */
static uint64_t draw(uint64_t n) {
        return random_next(&state) % n;
}

/* True one time in N. */
static bool chance(uint64_t n) {
        return draw(n) == 0;
}

/* Between LOW and HIGH, small values as likely as large ones. */
static uint64_t draw_usec(uint64_t low, uint64_t high) {
        uint64_t usec = low;

        while (usec < high && draw(5) > 0)
                usec *= 2;
        usec += draw(usec);
        return MIN(usec, high) / USEC_PER_MSEC * USEC_PER_MSEC;
}

static const char *pick(const char *const *words, size_t n) {
        return words[draw(n)];
}
#define PICK(...) pick((const char *const[]){__VA_ARGS__}, ARRAY_LENGTH(((const char *const[]){__VA_ARGS__})))

static void name_it(char name[WORLD_NAME_MAX], const char *what, unsigned i) {
        (void)snprintf(name, WORLD_NAME_MAX, "%s%u", what, i + 1);
}

/* -- servers and databases --------------------------------------------------------------------------------------------------------------- */

static void make_server(struct plan_of_world *plan) {
        static const enum server_kind kinds[] = {SERVER_NEON,    SERVER_NEON,  SERVER_NEON_POOLED, SERVER_AURORA,
                                                 SERVER_STANDBY, SERVER_PLAIN, SERVER_PLAIN,       SERVER_STANDBY,
                                                 SERVER_NEON,    SERVER_PLAIN, SERVER_SUPABASE};
        enum server_kind kind = kinds[draw(ARRAY_LENGTH(kinds))];
        struct planned_server *server;
        char name[WORLD_NAME_MAX];

        name_it(name, "s", plan->n_servers);
        server = plan_add_server(plan, name, kind);
        if (chance(3))
                server->age_usec = server->wake_usec ? 0 : 500 * USEC_PER_SEC;
        if (server->wake_usec)
                server->wake_usec = draw_usec(server->wake_usec / 3, 4 * server->wake_usec);
        server->latency_usec = draw_usec(USEC_PER_MSEC, 40 * USEC_PER_MSEC);
}

static void set_rhythm(struct planned_database *database) {
        if (chance(3))
                plan_set(database, "ping_interval", PICK("10s", "30s", "1min", "4min", "10min"));
        else
                plan_set(database, "ping_interval", PICK("2min", "5min", "15min"));
        plan_set(database, "login_interval", PICK("1min", "5min", "15min", "1h"));
        if (chance(4))
                plan_set(database, "door_interval", PICK("0s", "10s", "2min"));
        else
                plan_set(database, "door_interval", PICK("30s", "2min", "10min"));
}

static void set_patience(struct planned_database *database) {
        if (chance(4))
                plan_set(database, "retry_interval", PICK("200ms", "3s", "20s"));
        if (chance(4))
                plan_set(database, "down_interval", PICK("5s", "1min"));
        if (chance(4))
                plan_set(database, "attempt_timeout", PICK("3s", "10s", "1min"));
        if (chance(4))
                plan_set(database, "wake_timeout", PICK("10s", "1min", "10min"));
        if (chance(4))
                plan_set(database, "rise", PICK("2", "3"));
        if (chance(4))
                plan_set(database, "fall", PICK("1", "2", "5"));
        if (chance(3))
                plan_set(database, "jitter", PICK("0%", "30%"));
        if (chance(4))
                plan_set(database, "slow", PICK("100ms", "2s"));
}

static void set_need(struct planned_database *database) {
        if (chance(3))
                plan_set(database, "policy", PICK("keep-awake", "on-demand", "observe"));
        if (chance(3))
                plan_set(database, "linger", PICK("0s", "2s", "10min"));
        if (chance(4))
                plan_set(database, "lease_grace", PICK("0s", "2s", "1min"));
        if (chance(4))
                plan_set(database, "wake_at_start", "false");
        if (chance(5))
                plan_set(database, "budget.awake_hours", PICK("1", "10", "100"));
        if (chance(6))
                plan_set(database, "blocked_interval", PICK("1s", "10s", "1h"));
        if (chance(6))
                plan_set(database, "expect.read_only", PICK("true", "false"));
        if (chance(8))
                plan_set(database, "fresh_for", PICK("1min", "20min"));
        if (chance(8))
                plan_set(database, "expect.primary", PICK("true", "false"));
        if (chance(8))
                plan_set(database, "expect.max_lag", PICK("10s", "5min"));
}

static void make_database(struct plan_of_world *plan) {
        struct planned_database *database;
        char name[WORLD_NAME_MAX];

        name_it(name, "d", plan->n_databases);
        database = plan_add_database(plan, name, (unsigned)draw(plan->n_servers));
        if (plan->n_servers > 1 && plan->servers[database->server].suspend_after_usec == 0 && chance(4)) {
                unsigned other = (unsigned)draw(plan->n_servers);

                if (other != database->server && plan->servers[other].suspend_after_usec == 0)
                        database->other = other;
        }
        database->later = plan->n_databases > 1 && chance(6);
        set_rhythm(database);
        set_patience(database);
        set_need(database);
}

/* -- what happens ------------------------------------------------------------------------------------------------------------------------- */

static struct happening *add(struct plan_of_world *plan, uint64_t at_usec, enum happening_kind kind, uint64_t usec) {
        const struct happening happening = {.at_usec = at_usec, .kind = kind, .usec = usec};

        return plan_add(plan, &happening);
}

static void on_server(struct plan_of_world *plan, struct happening *happening) {
        memcpy(happening->server, plan->servers[draw(plan->n_servers)].name, WORLD_NAME_MAX);
}

static void on_database(struct plan_of_world *plan, struct happening *happening) {
        memcpy(happening->database, plan->databases[draw(plan->n_databases)].name, WORLD_NAME_MAX);
}

static void by_person(struct plan_of_world *plan, struct happening *happening) {
        (void)text_copy(happening->person, sizeof(happening->person), PICK("ann", "bob", "cron"));
        on_database(plan, happening);
}

static void add_lease(struct plan_of_world *plan, uint64_t at_usec) {
        struct happening *happening;

        if (chance(3)) {
                by_person(plan, add(plan, at_usec, PERSON_TAKES_LEASE_FOR, draw_usec(10 * USEC_PER_SEC, 6 * USEC_PER_HOUR)));
                return;
        }
        happening = add(plan, at_usec, PERSON_TAKES_LEASE, 0);
        by_person(plan, happening);
        struct happening release = *happening;

        release.kind = PERSON_RELEASES_LEASE;
        release.at_usec += draw_usec(USEC_PER_SEC, 8 * USEC_PER_HOUR);
        (void)plan_add(plan, &release);
}

/* A database removed by mistake is back soon. */
static void add_or_remove(struct plan_of_world *plan, uint64_t at_usec) {
        struct happening *happening = add(plan, at_usec, chance(2) ? RELOAD_ADDS : RELOAD_REMOVES, 0);

        on_database(plan, happening);
        if (happening->kind == RELOAD_REMOVES && chance(2)) {
                struct happening back = *happening;

                back.kind = RELOAD_ADDS;
                back.at_usec += draw_usec(USEC_PER_MSEC, 2 * USEC_PER_MINUTE);
                (void)plan_add(plan, &back);
        }
}

static void add_reload(struct plan_of_world *plan, uint64_t at_usec) {
        static const struct {
                const char *key, *value;
        } changes[] = {
                {"ping_interval", "5min"},       {"login_interval", "15min"},  {"linger", "30s"},
                {"fall", "2"},                   {"door_interval", "1min"},    {"required", "false"},
                {"rise", "1"},                   {"attempt_timeout", "20s"},   {"policy", "on-demand"},
                {"policy", "observe"},           {"policy", "keep-awake"},     {"budget.awake_hours", "1"},
                {"budget.awake_hours", "0"},     {"budget.awake_hours", "20"}, {"fresh_for", "30s"},
                {"jitter", "0%"},                {"retry_interval", "10s"},    {"down_interval", "2min"},
                {"slow", "1s"},                  {"wake_timeout", "30s"},      {"lease_grace", "30s"},
                {"blocked_interval", "30s"},     {"rise", "3"},                {"fall", "5"},
                {"linger", "10min"},             {"door_interval", "0s"},      {"ping_interval", "1min"},
                {"wake_at_start", "false"},      {"login_interval", "2h"},     {"expect.primary", "true"},
                {"expect.primary", "false"},     {"expect.max_lag", "10s"},    {"expect.read_only", "false"},
        };
        size_t i = draw(ARRAY_LENGTH(changes));
        struct happening *happening;

        if (chance(4)) {
                add_or_remove(plan, at_usec);
                return;
        }
        happening = add(plan, at_usec, RELOAD_CHANGES, 0);
        on_database(plan, happening);
        (void)text_copy(happening->key, sizeof(happening->key), changes[i].key);
        (void)text_copy(happening->value, sizeof(happening->value), changes[i].value);
}

static void add_trouble(struct plan_of_world *plan, uint64_t at_usec) {
        struct happening *happening = add(plan, at_usec, SERVER_TROUBLE, draw_usec(USEC_PER_SEC, 4 * USEC_PER_HOUR));
        struct happening end;

        happening->trouble = (enum trouble)(1 + draw(_TROUBLE_MAX - 1));
        on_server(plan, happening);
        if (!chance(3))
                return;
        /* Somebody restarts the server, during the trouble or soon after it. */
        end = *happening;
        end.kind = chance(2) ? SERVER_RESTARTS : SERVER_CRASHES;
        end.at_usec += draw_usec(USEC_PER_SEC, 2 * happening->usec);
        end.usec = draw_usec(100 * USEC_PER_MSEC, 2 * USEC_PER_MINUTE);
        (void)plan_add(plan, &end);
}

/* Servers that replace one another are of one kind, which does not suspend. */
static void add_failover(struct plan_of_world *plan, uint64_t at_usec) {
        unsigned database = (unsigned)draw(plan->n_databases), server = (unsigned)draw(plan->n_servers);
        struct happening *happening;

        if (plan->servers[plan->databases[database].server].suspend_after_usec || plan->servers[server].suspend_after_usec)
                return;
        happening = add(plan, at_usec, NAME_MOVES, 0);
        memcpy(happening->database, plan->databases[database].name, WORLD_NAME_MAX);
        memcpy(happening->server, plan->servers[server].name, WORLD_NAME_MAX);
        happening = add(plan, at_usec, chance(2) ? SERVER_PROMOTED : SERVER_LAGS, chance(2) ? 0 : draw_usec(USEC_PER_SEC, USEC_PER_HOUR));
        memcpy(happening->server, plan->servers[server].name, WORLD_NAME_MAX);
}

static void add_human(struct plan_of_world *plan, uint64_t at_usec) {
        switch (draw(8)) {
        case 0:
                by_person(plan, add(plan, at_usec, PERSON_PAUSES, draw_usec(10 * USEC_PER_SEC, 3 * USEC_PER_HOUR)));
                break;
        case 1:
                by_person(plan, add(plan, at_usec, PERSON_RESUMES, 0));
                break;
        case 2:
        case 3:
                by_person(plan, add(plan, at_usec, PERSON_WAKES, 0));
                break;
        case 4:
                add_reload(plan, at_usec);
                break;
        default:
                add_lease(plan, at_usec);
                break;
        }
}

static void add_host(struct plan_of_world *plan, uint64_t at_usec) {
        switch (draw(9)) {
        case 8:
                (void)add(plan, at_usec, HOST_LACKS_DESCRIPTORS, draw_usec(USEC_PER_SEC, 20 * USEC_PER_MINUTE));
                break;
        case 0:
                (void)add(plan, at_usec, DAEMON_CRASHES, draw_usec(100 * USEC_PER_MSEC, 10 * USEC_PER_MINUTE));
                break;
        case 1:
                (void)add(plan, at_usec, DAEMON_RESTARTS, draw_usec(100 * USEC_PER_MSEC, USEC_PER_MINUTE));
                break;
        case 2:
        case 3:
                (void)add(plan, at_usec, HOST_SUSPENDS, draw_usec(USEC_PER_SEC, 12 * USEC_PER_HOUR));
                break;
        case 4:
                (void)add(plan, at_usec, chance(2) ? CLOCK_FORWARD : CLOCK_BACK, draw_usec(100 * USEC_PER_MSEC, 2 * USEC_PER_HOUR));
                break;
        case 5:
                (void)add(plan, at_usec, chance(2) ? RESOLVER_FAILS : RESOLVER_HANGS, draw_usec(USEC_PER_SEC, USEC_PER_HOUR));
                break;
        default:
                (void)add(plan, at_usec, NETWORK_AWAY, draw_usec(USEC_PER_SEC, USEC_PER_HOUR));
                break;
        }
}

static void add_server_life(struct plan_of_world *plan, uint64_t at_usec) {
        uint64_t away = draw_usec(500 * USEC_PER_MSEC, 10 * USEC_PER_MINUTE);

        switch (draw(9)) {
        case 8:
                add_failover(plan, at_usec);
                break;
        case 0:
                on_server(plan, add(plan, at_usec, SERVER_RESTARTS, away));
                break;
        case 1:
                on_server(plan, add(plan, at_usec, SERVER_CRASHES, away));
                break;
        case 2:
                on_server(plan, add(plan, at_usec, SERVER_SUSPENDS, 0));
                break;
        case 3:
                on_server(plan, add(plan, at_usec, SERVER_WAKES_SLOWLY, draw_usec(300 * USEC_PER_MSEC, 5 * USEC_PER_MINUTE)));
                break;
        case 4:
        case 5:
                add_trouble(plan, at_usec);
                break;
        default:
                on_server(plan, add(plan, at_usec, SERVER_IS_USED, draw_usec(10 * USEC_PER_SEC, 6 * USEC_PER_HOUR)));
                break;
        }
}

/* Some worlds are quiet and some busy; in some, two happenings are less than a second apart. */
static void make_happenings(struct plan_of_world *plan) {
        uint64_t pace = draw_usec(30 * USEC_PER_MINUTE, 12 * USEC_PER_HOUR), at = draw(USEC_PER_MINUTE);

        while (at < plan->length_usec) {
                uint64_t kind = draw(10);

                if (kind < 5)
                        add_human(plan, at);
                else if (kind < 9)
                        add_server_life(plan, at);
                else
                        add_host(plan, at);
                at += chance(4) ? draw(2 * USEC_PER_SEC) : chance(4) ? draw(5 * USEC_PER_MINUTE) : draw(2 * pace);
        }
        plan_sort(plan);
}

void generate_world(uint64_t seed, uint64_t length_usec, struct plan_of_world *ret_plan) {
        unsigned databases, servers;

        state = seed;
        plan_init(ret_plan);
        ret_plan->seed = seed;
        ret_plan->length_usec = length_usec;
        ret_plan->begins_real_usec += draw(28 * 24) * USEC_PER_HOUR;
        ret_plan->attempts_in_flight = chance(3) ? 1 + (unsigned)draw(3) : 64;
        servers = 1 + (unsigned)draw(6);
        databases = 1 + (unsigned)draw(6);
        for (unsigned i = 0; i < servers; i++)
                make_server(ret_plan);
        for (unsigned i = 0; i < databases; i++)
                make_database(ret_plan);
        make_happenings(ret_plan);
        /* Usually the history is read before the first answer; a hanging disk may take minutes. */
        if (chance(4))
                ret_plan->history_late_usec = draw_usec(USEC_PER_MSEC, 5 * USEC_PER_MINUTE);
}
