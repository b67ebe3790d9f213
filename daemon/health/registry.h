/*
 * All databases, by name, by id and in the order they were added; and the facts that need all of them (readiness of the required ones,
 * whether our own network is gone). Counts are updated as states change: no function here walks all databases for them.
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
 * Replaces all members at once. BY_NAME and BY_ID hold the same N databases, sorted by name and by id, and become the registry's. Members
 * that are not among them become the caller's.
 */
void registry_exchange(struct registry *registry, struct database **by_name, struct database **by_id, size_t n);
/* The host of a database that is not yet, or not any longer, a member. 0 or -ENOMEM. */
int registry_add_host(struct registry *registry, const struct conninfo *conninfo);
void registry_remove_host(struct registry *registry, const struct conninfo *conninfo);

struct database *registry_by_name(const struct registry *registry, const char *name);
struct database *registry_by_id(const struct registry *registry, uint64_t id);
size_t registry_count(const struct registry *registry);
/* In the order of their names; NULL past the end. */
struct database *registry_at(const struct registry *registry, size_t i);
/* In the order they were added. */
struct database *registry_in_order(const struct registry *registry, size_t i);
/* The index of the first name after NAME, whether NAME exists or not: for iterating while databases come and go. */
size_t registry_place_after(const struct registry *registry, const char *name);

/* Call after every step of a database that may have changed its state. */
void registry_note_state(struct registry *registry, const struct database *database, enum state previous);
/* A reload is about to change whether DATABASE is required. */
void registry_note_required(struct registry *registry, const struct database *database, bool required);
size_t registry_count_in_state(const struct registry *registry, enum state state);
/* Required databases that are not ready. */
size_t registry_not_ready(const struct registry *registry);

/*
 * Notes whether ATTEMPT reached its remote host, and returns whether our own network is gone (health/network.h). An answered ping counts: a
 * host with a live session is no suspect.
 */
bool registry_note_network(struct registry *registry, const struct database *database, const struct attempt *attempt, struct instant now);
