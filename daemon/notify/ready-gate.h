/* The databases for which READY=1 still waits. They are counted down as they arrive; only the beginning walks all databases. Pure. */
#pragma once

#include "base/buffer.h"
#include "config/config.h"
#include "health/registry.h"

struct ready_gate {
        enum ready_on on;
        uint64_t *ids; /* ascending */
        size_t n;
        size_t given_up; /* of those waited for: never awake, and without demand now */
};

/*
 * READY_ON_AWAKE: required databases that are to be awake at start and were not awake yet, while we keep them awake. READY_ON_VERDICT:
 * required databases without a first verdict, if one may still come. READY_ON_START: none.
 */
int ready_gate_init(struct ready_gate *gate, enum ready_on on, const struct registry *registry);
void ready_gate_deinit(struct ready_gate *gate);
/* An event of a database; DATABASE as observers get it. -ENOMEM: a database that a reload added is not waited for. */
int ready_gate_note(struct ready_gate *gate, const struct event *event, const struct database *database);
/* DATABASE took a step, with or without an event: stops waiting for it if nothing will make it ready any more. */
void ready_gate_look(struct ready_gate *gate, const struct database *database);
/* After a reload: forgets the databases that it replaced or removed, which will have no further events. */
void ready_gate_sweep(struct ready_gate *gate, const struct registry *registry);

/* The state of all databases in one line for people, as `systemctl status` shows it. It names a few and never walks ten thousand. Pure. */

/* "3 databases: 2 awake, 1 down (main: tcp.refused)" */
void summary_running(struct buffer *buffer, const struct registry *registry);
/* "waiting for 2 of 3 databases: main (down, tcp.refused, expected in 2.1 s), app (waking)"; if one is blocked, followed by advice. */
void summary_waiting(struct buffer *buffer, const struct registry *registry, const struct ready_gate *gate, struct instant now);
