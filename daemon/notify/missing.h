/* Which databases READY=1 still waits for. Counted down as they come; nothing here walks all of them but the beginning. Pure. */
#pragma once

#include "config/config.h"
#include "health/registry.h"

struct missing {
        enum ready_on on;
        uint64_t *ids; /* ascending */
        size_t n;
};

/*
 * READY_ON_AWAKE: required databases that are to be awake at start and were not awake yet. READY_ON_VERDICT: required ones without a first
 * verdict that something may still bring. READY_ON_START: none.
 */
int missing_init(struct missing *missing, enum ready_on on, const struct registry *registry);
void missing_deinit(struct missing *missing);
/* Something happened to a database; DATABASE as observers get it. -ENOMEM: one that a reload brought is not waited for. */
int missing_note(struct missing *missing, const struct event *event, const struct database *database);
/* DATABASE took a step, with or without an event: what nothing will tell any more is not waited for. */
void missing_look(struct missing *missing, const struct database *database);
/* After a reload: forgets the databases that it replaced or removed; nobody will tell of them again. */
void missing_sweep(struct missing *missing, const struct registry *registry);
