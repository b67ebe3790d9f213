#include "world.h"

#include "clocks.h"
#include "daemon.h"
#include "expect.h"
#include "history.h"
#include "invariant.h"
#include "people.h"
#include "settings.h"
#include "told.h"
#include "witness.h"

#include <stdio.h>

static struct {
        struct plan_of_world plan; /* a copy: reloads change its settings */
        size_t next;
        struct world_timer script;
        struct world_timer daemon; /* the daemon's next start */
        struct world_timer host;   /* the host's resume */
        struct server servers[SERVERS_MAX];
        struct world_timer starts[SERVERS_MAX];
        struct view views[DATABASES_MAX];
        bool trace;
        struct outcome *outcome;
} world;

static uint64_t since_beginning(void) {
        return clock_boot_usec() - WORLD_BEGINS_USEC;
}

/* -- what happens ----------------------------------------------------------------------------------------------------------------- */

static void on_daemon_starts(void *userdata) {
        (void)userdata;
        daemon_start();
        people_meet_daemon();
}

static void stop_daemon(bool crash, uint64_t usec) {
        if (!daemon_engine())
                return;
        daemon_stop(crash);
        people_lose_daemon();
        timer_set_host(&world.daemon, clock_monotonic_usec() + usec);
}

static void on_host_resumes(void *userdata) {
        (void)userdata;
        loop_suspend_host(false);
}

static void suspend_host(uint64_t usec) {
        witness_host_suspends();
        loop_suspend_host(true);
        timer_set_world(&world.host, clock_boot_usec() + usec);
}

static void on_server_starts(void *userdata) {
        struct server *server = userdata;

        server_start(server, server->wake_usec ? server->wake_usec : 100 * USEC_PER_MSEC);
}

static void restart_server(unsigned i, bool crash, uint64_t usec) {
        server_stop(&world.servers[i], crash);
        timer_set_world(&world.starts[i], clock_boot_usec() + usec);
}

static void happen_to_server(const struct happening *h) {
        unsigned i = plan_server(&world.plan, h->server);
        struct server *server = &world.servers[i];

        if (i == SERVERS_MAX)
                return;
        if (h->kind == SERVER_SUSPENDS)
                server_suspend(server);
        else if (h->kind == SERVER_RESTARTS || h->kind == SERVER_CRASHES)
                restart_server(i, h->kind == SERVER_CRASHES, h->usec);
        else if (h->kind == SERVER_STOPS)
                server_stop(server, false);
        else if (h->kind == SERVER_STARTS)
                server_start(server, h->usec);
        else if (h->kind == SERVER_IS_USED)
                server_be_used(server, clock_boot_usec() + h->usec);
        else if (h->kind == SERVER_WAKES_SLOWLY)
                server->wake_usec = h->usec;
        else if (h->kind == SERVER_PROMOTED)
                server->in_recovery = false;
        else if (h->kind == SERVER_LAGS)
                server->lag_usec = h->usec;
        else if (h->kind == SERVER_TROUBLE) {
                server->trouble = h->trouble;
                server->trouble_until_usec = clock_boot_usec() + h->usec;
                if (h->trouble == TROUBLE_VANISHES)
                        pool_out_of_reach(server);
        }
}

static void happen_to_database(const struct happening *h) {
        unsigned i = plan_database(&world.plan, h->database), server = plan_server(&world.plan, h->server);

        if (i == DATABASES_MAX)
                return;
        if (h->kind == PERSON_TAKES_LEASE || h->kind == PERSON_TAKES_LEASE_FOR)
                people_take_lease(h->person, i, h->usec);
        else if (h->kind == PERSON_RELEASES_LEASE)
                people_release_lease(h->person, i);
        else if (h->kind == PERSON_WAKES)
                people_wake(i);
        else if (h->kind == PERSON_PAUSES || h->kind == PERSON_RESUMES)
                people_pause(i, h->usec);
        else if (h->kind == NAME_MOVES && server != SERVERS_MAX)
                routes[i].server = &world.servers[server];
        else if (h->kind == RELOAD_CHANGES)
                plan_set(&world.plan.databases[i], h->key, h->value);
        else if (h->kind == RELOAD_ADDS || h->kind == RELOAD_REMOVES)
                daemon_set_present(i, h->kind == RELOAD_ADDS);
        else
                expect_check(h, i, &world.views[i]);
        if (h->kind == RELOAD_CHANGES || h->kind == RELOAD_ADDS || h->kind == RELOAD_REMOVES)
                daemon_reload();
}

static void happen_to_host(const struct happening *h) {
        uint64_t until = clock_boot_usec() + h->usec;

        if (h->kind == DAEMON_CRASHES || h->kind == DAEMON_RESTARTS)
                stop_daemon(h->kind == DAEMON_CRASHES, h->usec);
        else if (h->kind == HOST_SUSPENDS)
                suspend_host(h->usec);
        else if (h->kind == CLOCK_FORWARD || h->kind == CLOCK_BACK)
                clocks_step(h->kind == CLOCK_FORWARD ? (int64_t)h->usec : -(int64_t)h->usec);
        else if (h->kind == NETWORK_AWAY) {
                network.away_until_usec = until;
                pool_out_of_reach(NULL);
        }
        else if (h->kind == RESOLVER_FAILS)
                network.resolver_fails_until_usec = until;
        else if (h->kind == RESOLVER_HANGS)
                network.resolver_hangs_until_usec = until;
        else if (h->kind == HOST_LACKS_DESCRIPTORS)
                network.lacks_descriptors_until_usec = until;
}

static void happen(const struct happening *h) {
        if (*h->database)
                happen_to_database(h);
        else if (*h->server)
                happen_to_server(h);
        else
                happen_to_host(h);
}

/* People sleep with the host; on resume they do what they would have done meanwhile. */
static bool waits_for_host(const struct happening *h) {
        return loop_host_is_suspended() && !*h->server;
}

static void set_script(void) {
        if (world.next < world.plan.n_happenings)
                timer_set_world(&world.script, MAX(WORLD_BEGINS_USEC + world.plan.happenings[world.next].at_usec, clock_boot_usec()));
}

static void on_script(void *userdata) {
        const struct happening *h = &world.plan.happenings[world.next];

        (void)userdata;
        if (waits_for_host(h)) {
                timer_set_host(&world.script, clock_monotonic_usec());
                return;
        }
        world.next++;
        happen(h);
        set_script();
}

/* -- what is seen ------------------------------------------------------------------------------------------------------------------ */

static void trace(unsigned database, const struct view *before, const struct view *now) {
        uint64_t seconds = since_beginning() / USEC_PER_SEC;

        if (before->state == now->state && before->reason == now->reason && before->generation == now->generation)
                return;
        (void)printf("    day %llu %02llu:%02llu:%02llu.%03llu  %s %s %s, generation %llu\n", (unsigned long long)(seconds / 86400 + 1),
                     (unsigned long long)(seconds / 3600 % 24), (unsigned long long)(seconds / 60 % 60), (unsigned long long)(seconds % 60),
                     (unsigned long long)(since_beginning() / 1000 % 1000), world.plan.databases[database].name, state_name(now->state),
                     reason_slug(now->reason), (unsigned long long)now->generation);
}

/* FNV-1a, by words. */
static void digest(uint64_t value) {
        world.outcome->digest = (world.outcome->digest ^ value) * UINT64_C(0x100000001b3);
}

/* Reads the daemon's present statements; returns whether there are any. */
static bool read_view(unsigned database, struct instant now, struct view *ret_before) {
        const struct database *db = daemon_database(database);
        struct view *view = &world.views[database];

        if (!db || !witnesses[database].watched)
                return false;
        *ret_before = *view;
        view_read(db, now, view);
        digest(now.boot_usec ^ (uint64_t)view->state << 56 ^ (uint64_t)view->reason << 48);
        digest(view->generation ^ view->account.awake_usec);
        if (world.trace)
                trace(database, ret_before, view);
        return true;
}

static void look(void) {
        unsigned touched = daemon_take_touched(), said = 0;
        struct view before[DATABASES_MAX];
        struct instant now = clock_now();

        for (unsigned i = 0; i < world.plan.n_databases; i++)
                if (touched & 1u << i && read_view(i, now, &before[i]))
                        said |= 1u << i;
        invariants_assert_time(world.views, world.plan.n_databases);
        for (unsigned i = 0; i < world.plan.n_databases; i++)
                if (said & 1u << i)
                        invariants_assert(i, &before[i], &world.views[i]);
}

/* -- from the beginning to the end --------------------------------------------------------------------------------------------------- */

static void begin_servers(void) {
        for (unsigned i = 0; i < world.plan.n_servers; i++) {
                const struct planned_server *planned = &world.plan.servers[i];
                struct server *server = &world.servers[i];

                *server = (struct server){
                        .kind = planned->kind,
                        .latency_usec = planned->latency_usec,
                        .wake_usec = planned->wake_usec,
                        .suspend_after_usec = planned->suspend_after_usec,
                };
                memcpy(server->name, planned->name, sizeof(server->name));
                world.starts[i] = (struct world_timer){.fire = on_server_starts, .userdata = server};
                server_begin(server, planned->age_usec);
        }
}

static void begin_routes(void) {
        memset(routes, 0, sizeof(routes));
        for (unsigned i = 0; i < world.plan.n_databases; i++) {
                const struct planned_database *planned = &world.plan.databases[i];

                routes[i].server = &world.servers[planned->server];
                routes[i].other = planned->other < SERVERS_MAX ? &world.servers[planned->other] : NULL;
                settings_host(planned->name, world.plan.servers[planned->server].kind, routes[i].host);
        }
}

static void begin(const struct plan_of_world *plan) {
        plan_copy(plan, &world.plan);
        clocks_begin(plan->begins_real_usec);
        loop_begin();
        network = (struct network){0};
        breach_begin();
        memset(world.views, 0, sizeof(world.views));
        world.next = 0;
        world.script = (struct world_timer){.fire = on_script};
        world.daemon = (struct world_timer){.fire = on_daemon_starts};
        world.host = (struct world_timer){.fire = on_host_resumes};
        witness_begin();
        people_begin();
        daemon_begin(&world.plan);
        invariants_begin();
        told_begin();
        begin_routes();
        begin_servers();
        daemon_start();
        set_script();
}

static void end(void) {
        daemon_end();
        loop_end();
        plan_deinit(&world.plan);
}

void world_run(const struct plan_of_world *plan, bool with_trace, struct outcome *ret_outcome) {
        uint64_t until = WORLD_BEGINS_USEC + plan->length_usec;

        *ret_outcome = (struct outcome){.digest = UINT64_C(0xcbf29ce484222325)};
        world.outcome = ret_outcome;
        world.trace = with_trace;
        begin(plan);
        look();
        while (!breach.broken && loop_turn(until)) {
                ret_outcome->steps++;
                look();
        }
        look(); /* for everything that must have happened by the end */
        ret_outcome->breach = breach;
        end();
}
