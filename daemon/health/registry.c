#include "health/registry.h"

#include "base/array.h"
#include "base/macro.h"
#include "health/network.h"

#include <errno.h>

struct registry {
        struct database **by_id; /* ids only grow: the order they were added */
        struct database **by_name;
        size_t n, allocated_by_id, allocated_by_name;
        size_t in_state[_STATE_MAX];
        size_t not_ready; /* required ones only */
        struct network network;
};

int registry_new(struct registry **ret_registry) {
        *ret_registry = calloc(1, sizeof(**ret_registry));
        return *ret_registry ? 0 : -ENOMEM;
}

struct registry *registry_free(struct registry *registry) {
        if (!registry)
                return NULL;
        for (size_t i = 0; i < registry->n; i++)
                (void)database_free(registry->by_id[i]);
        free(registry->by_id);
        free(registry->by_name);
        network_deinit(&registry->network);
        free(registry);
        return NULL;
}

static int compare_to_name(const void *name, const void *element) {
        return strcmp(name, (*(struct database *const *)element)->config->name);
}

static int compare_to_id(const void *key, const void *element) {
        uint64_t wanted = *(const uint64_t *)key, id = (*(struct database *const *)element)->id;

        return wanted < id ? -1 : wanted > id;
}

/* The index of NAME, or where to insert it. */
static size_t place_of_name(const struct registry *registry, const char *name) {
        return sorted_place(name, registry->by_name, registry->n, sizeof(*registry->by_name), compare_to_name);
}

static size_t place_of_id(const struct registry *registry, uint64_t id) {
        return sorted_place(&id, registry->by_id, registry->n, sizeof(*registry->by_id), compare_to_id);
}

static void registry_count_in(struct registry *registry, const struct database *database) {
        registry->in_state[database->state]++;
        registry->not_ready += database->config->required && !database_ready(database);
}

int registry_add(struct registry *registry, struct database *database) {
        size_t at;
        int r;

        r = array_reserve((void **)&registry->by_id, registry->n, &registry->allocated_by_id, sizeof(*registry->by_id));
        if (r >= 0)
                r = array_reserve((void **)&registry->by_name, registry->n, &registry->allocated_by_name, sizeof(*registry->by_name));
        if (r >= 0)
                r = network_add(&registry->network, database->config->conninfo);
        if (r < 0)
                return r;
        /* Inserted in its place: adding 10,000 databases between look-ups must not sort 10,000 times. */
        at = place_of_name(registry, database->config->name);
        memmove(registry->by_name + at + 1, registry->by_name + at, (registry->n - at) * sizeof(*registry->by_name));
        registry->by_name[at] = database;
        registry->by_id[registry->n] = database;
        registry->n++;
        registry_count_in(registry, database);
        return 0;
}

static void take_out(struct database **array, size_t n, size_t at) {
        memmove(array + at, array + at + 1, (n - at - 1) * sizeof(*array));
}

void registry_remove(struct registry *registry, struct database *database) {
        take_out(registry->by_name, registry->n, place_of_name(registry, database->config->name));
        take_out(registry->by_id, registry->n, place_of_id(registry, database->id));
        registry->n--;
        registry->in_state[database->state]--;
        registry->not_ready -= database->config->required && !database_ready(database);
        network_remove(&registry->network, database->config->conninfo);
}

void registry_exchange(struct registry *registry, struct database **by_name, struct database **by_id, size_t n) {
        free(registry->by_name);
        free(registry->by_id);
        registry->by_name = by_name;
        registry->by_id = by_id;
        registry->n = registry->allocated_by_id = registry->allocated_by_name = n;
        memset(registry->in_state, 0, sizeof(registry->in_state));
        registry->not_ready = 0;
        for (size_t i = 0; i < n; i++)
                registry_count_in(registry, by_name[i]);
}

int registry_add_host(struct registry *registry, const struct conninfo *conninfo) {
        return network_add(&registry->network, conninfo);
}

void registry_remove_host(struct registry *registry, const struct conninfo *conninfo) {
        network_remove(&registry->network, conninfo);
}

struct database *registry_by_name(const struct registry *registry, const char *name) {
        struct database *at = registry_at(registry, place_of_name(registry, name));

        return at && streq(at->config->name, name) ? at : NULL;
}

struct database *registry_by_id(const struct registry *registry, uint64_t id) {
        size_t at = place_of_id(registry, id);

        return at < registry->n && registry->by_id[at]->id == id ? registry->by_id[at] : NULL;
}

size_t registry_count(const struct registry *registry) {
        return registry->n;
}

struct database *registry_at(const struct registry *registry, size_t i) {
        return i < registry->n ? registry->by_name[i] : NULL;
}

struct database *registry_in_order(const struct registry *registry, size_t i) {
        return registry->by_id[i];
}

size_t registry_place_after(const struct registry *registry, const char *name) {
        return place_of_name(registry, name) + (registry_by_name(registry, name) != NULL);
}

void registry_note_state(struct registry *registry, const struct database *database, enum state previous) {
        registry->in_state[previous]--;
        registry->not_ready -= database->config->required && previous != STATE_AWAKE;
        registry_count_in(registry, database);
}

size_t registry_count_in_state(const struct registry *registry, enum state state) {
        return registry->in_state[state];
}

size_t registry_not_ready(const struct registry *registry) {
        return registry->not_ready;
}

void registry_note_required(struct registry *registry, const struct database *database, bool required) {
        if (!database_ready(database))
                registry->not_ready += (size_t)required - (size_t)database->config->required;
}

/* A suspicion lasts until its host should have been tried again. It then expires, in case no database tries that host any more. */
static uint64_t suspicion_usec(const struct database_config *config) {
        uint64_t interval = MAX(MAX(config->door_interval_usec, config->down_interval_usec), USEC_PER_MINUTE);

        return usec_add(usec_add(interval, interval), config->attempt_timeout_usec);
}

bool registry_note_network(struct registry *registry, const struct database *database, const struct attempt *attempt, struct instant now) {
        uint64_t until = attempt->own_network_suspect ? usec_add(now.boot_usec, suspicion_usec(database->config)) : 0;

        /* An attempt that we could not make says nothing about the network, either way. */
        if (reason_class(attempt->reason) == CLASS_OURS)
                return false;
        return network_note(&registry->network, database->config->conninfo, until, now.boot_usec);
}
