/*
 * A world before it runs: its servers, its databases and everything that happens to them, as one flat list. A seed generates one
 * (generate.h), a scenario file describes one (scenario.h), and the shrinker reduces one.
 */
#pragma once

#include "happening.h"
#include "route.h"

#define SETTINGS_MAX 24
#define SETTING_MAX 32

struct setting {
        char key[SETTING_MAX], value[SETTING_MAX];
};

struct planned_server {
        char name[WORLD_NAME_MAX];
        enum server_kind kind;
        uint64_t age_usec; /* 0: asleep, or stopped */
        uint64_t wake_usec, suspend_after_usec, latency_usec;
};

struct planned_database {
        char name[WORLD_NAME_MAX];
        unsigned server, other; /* OTHER is SERVERS_MAX, or where every second connection goes */
        bool later;             /* a reload adds it */
        struct setting settings[SETTINGS_MAX];
        unsigned n_settings;
};

struct plan_of_world {
        uint64_t seed;
        uint64_t begins_real_usec;
        uint64_t length_usec;
        unsigned attempts_in_flight;
        uint64_t history_late_usec; /* how long after each start the history is read; 0: before the first check */
        struct planned_server servers[SERVERS_MAX];
        unsigned n_servers;
        struct planned_database databases[DATABASES_MAX];
        unsigned n_databases;
        struct happening *happenings;
        size_t n_happenings, allocated;
};

void plan_init(struct plan_of_world *plan);
void plan_deinit(struct plan_of_world *plan);
void plan_copy(const struct plan_of_world *plan, struct plan_of_world *ret_copy);
/* Appends; the list is in order of time only after plan_sort(). */
struct happening *plan_add(struct plan_of_world *plan, const struct happening *happening);
void plan_sort(struct plan_of_world *plan);

/* SERVERS_MAX, DATABASES_MAX: there is none of that name. */
unsigned plan_server(const struct plan_of_world *plan, const char *name);
unsigned plan_database(const struct plan_of_world *plan, const char *name);
/* Replaces the value of a key that is set already. */
void plan_set(struct planned_database *database, const char *key, const char *value);
/* With the usual values of its kind. */
struct planned_server *plan_add_server(struct plan_of_world *plan, const char *name, enum server_kind kind);
struct planned_database *plan_add_database(struct plan_of_world *plan, const char *name, unsigned server);

const char *server_kind_name(enum server_kind kind);
/* _SERVER_KIND_MAX: there is none of that name. */
enum server_kind server_kind_from_name(const char *name);
