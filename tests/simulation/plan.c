#include "plan.h"

#include "base/macro.h"
#include "base/text.h"
#include "clocks.h"

static const struct {
        const char *name;
        uint64_t wake_usec, suspend_after_usec, latency_usec;
} kinds[_SERVER_KIND_MAX] = {
        [SERVER_PLAIN] = {"plain", 0, 0, 500},
        [SERVER_STANDBY] = {"standby", 0, 0, 500},
        [SERVER_NEON] = {"neon", 600 * USEC_PER_MSEC, 5 * USEC_PER_MINUTE, 3 * USEC_PER_MSEC},
        [SERVER_NEON_POOLED] = {"neon-pooled", 600 * USEC_PER_MSEC, 5 * USEC_PER_MINUTE, 3 * USEC_PER_MSEC},
        [SERVER_SUPABASE] = {"supabase", 0, 0, 5 * USEC_PER_MSEC},
        [SERVER_AURORA] = {"aurora", 15 * USEC_PER_SEC, 5 * USEC_PER_MINUTE, 2 * USEC_PER_MSEC},
};

/* 2026-11-02T08:00:00Z: the end of the month is not near. */
#define BEGINS_REAL_USEC (UINT64_C(1793606400) * USEC_PER_SEC)

const char *server_kind_name(enum server_kind kind) {
        return kinds[kind].name;
}

enum server_kind server_kind_from_name(const char *name) {
        unsigned kind = 0;

        while (kind < _SERVER_KIND_MAX && !streq(kinds[kind].name, name))
                kind++;
        return (enum server_kind)kind;
}

void plan_init(struct plan_of_world *plan) {
        *plan = (struct plan_of_world){.begins_real_usec = BEGINS_REAL_USEC, .attempts_in_flight = 64};
}

void plan_deinit(struct plan_of_world *plan) {
        free(plan->happenings);
        plan->happenings = NULL;
        plan->n_happenings = plan->allocated = 0;
}

void plan_copy(const struct plan_of_world *plan, struct plan_of_world *ret_copy) {
        *ret_copy = *plan;
        ret_copy->happenings = NULL;
        ret_copy->n_happenings = ret_copy->allocated = 0;
        for (size_t i = 0; i < plan->n_happenings; i++)
                (void)plan_add(ret_copy, &plan->happenings[i]);
}

struct happening *plan_add(struct plan_of_world *plan, const struct happening *happening) {
        if (plan->n_happenings == plan->allocated) {
                plan->allocated = MAX(2 * plan->allocated, (size_t)64);
                plan->happenings = realloc(plan->happenings, plan->allocated * sizeof(*plan->happenings));
                if (!plan->happenings)
                        abort();
        }
        plan->happenings[plan->n_happenings] = *happening;
        return &plan->happenings[plan->n_happenings++];
}

/* Stable: happenings at the same time keep their order. Lists are short and nearly sorted. */
void plan_sort(struct plan_of_world *plan) {
        for (size_t i = 1; i < plan->n_happenings; i++) {
                struct happening happening = plan->happenings[i];
                size_t j = i;

                for (; j > 0 && plan->happenings[j - 1].at_usec > happening.at_usec; j--)
                        plan->happenings[j] = plan->happenings[j - 1];
                plan->happenings[j] = happening;
        }
}

unsigned plan_server(const struct plan_of_world *plan, const char *name) {
        for (unsigned i = 0; i < plan->n_servers; i++)
                if (streq(plan->servers[i].name, name))
                        return i;
        return SERVERS_MAX;
}

unsigned plan_database(const struct plan_of_world *plan, const char *name) {
        for (unsigned i = 0; i < plan->n_databases; i++)
                if (streq(plan->databases[i].name, name))
                        return i;
        return DATABASES_MAX;
}

void plan_set(struct planned_database *database, const char *key, const char *value) {
        unsigned i = 0;

        while (i < database->n_settings && !streq(database->settings[i].key, key))
                i++;
        if (i == SETTINGS_MAX)
                abort();
        if (i == database->n_settings)
                database->n_settings++;
        (void)text_copy(database->settings[i].key, SETTING_MAX, key);
        (void)text_copy(database->settings[i].value, SETTING_MAX, value);
}

struct planned_server *plan_add_server(struct plan_of_world *plan, const char *name, enum server_kind kind) {
        struct planned_server *server = &plan->servers[plan->n_servers++];

        *server = (struct planned_server){
                .kind = kind,
                .age_usec = USEC_PER_MINUTE,
                .wake_usec = kinds[kind].wake_usec,
                .suspend_after_usec = kinds[kind].suspend_after_usec,
                .latency_usec = kinds[kind].latency_usec,
        };
        (void)text_copy(server->name, sizeof(server->name), name);
        return server;
}

struct planned_database *plan_add_database(struct plan_of_world *plan, const char *name, unsigned server) {
        struct planned_database *database = &plan->databases[plan->n_databases++];

        *database = (struct planned_database){.server = server, .other = SERVERS_MAX};
        (void)text_copy(database->name, sizeof(database->name), name);
        return database;
}
