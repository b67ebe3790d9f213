/*
 * All databases: by name, by id, in the order of the configuration; and what only all of them together can tell (readiness of the required
 * ones, whether our own network is gone). Counts are kept as states change: nothing here walks all databases to answer.
 */
#pragma once

#include "health/database.h"

struct registry;

int registry_new(struct registry **ret_registry);
struct registry *registry_free(struct registry *registry);

int registry_add(struct registry *registry, struct database *database);
/* Takes it out; the database is the caller's again. */
void registry_remove(struct registry *registry, struct database *database);
/*
 * Other members in the place of those that it has, in one moment: BY_NAME and BY_ID are the same N in the order of their names and of their
 * ids, and the registry's from now on; those of before that are not among them are the caller's.
 */
void registry_exchange(struct registry *registry, struct database **by_name, struct database **by_id, size_t n);
/* The host of one that is not a member yet, or no longer. 0 or -ENOMEM. */
int registry_add_host(struct registry *registry, const struct conninfo *conninfo);
void registry_remove_host(struct registry *registry, const struct conninfo *conninfo);

struct database *registry_by_name(const struct registry *registry, const char *name);
struct database *registry_by_id(const struct registry *registry, uint64_t id);
size_t registry_count(const struct registry *registry);
/* In the order of their names; NULL past the end. */
struct database *registry_at(const struct registry *registry, size_t i);
/* In the order of their coming. */
struct database *registry_in_order(const struct registry *registry, size_t i);
/* The place of the first whose name comes after NAME, whether there is one of NAME or not: to go on where others came and went. */
size_t registry_place_after(const struct registry *registry, const char *name);

/* Call after every step of a database that may have changed its state. */
void registry_note_state(struct registry *registry, const struct database *database, enum state previous);
/* A reload is about to change whether DATABASE is required. */
void registry_note_required(struct registry *registry, const struct database *database, bool required);
size_t registry_count_in_state(const struct registry *registry, enum state state);
/* Required databases that are not ready. */
size_t registry_not_ready(const struct registry *registry);

/*
 * Notes whether ATTEMPT reached its remote host, and answers whether our own network is gone: at least two distinct remote hosts are
 * configured, the last attempt at each of them failed for want of a route or of a name server's answer, and none of that is old. An
 * answered ping is such an attempt: a host with a living session is no suspect.
 */
bool registry_note_network(struct registry *registry, const struct database *database, const struct attempt *attempt, struct instant now);
