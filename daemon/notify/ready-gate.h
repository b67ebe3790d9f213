/* Which databases READY=1 still waits for. Counted down as they come; nothing here walks all of them but the beginning. Pure. */
#pragma once

#include "base/buffer.h"
#include "config/config.h"
#include "health/registry.h"

struct ready_gate {
        enum ready_on on;
        uint64_t *ids; /* ascending */
        size_t n;
        size_t given_up; /* of those that were waited for: never awake, and nobody asks for them any longer */
};

/*
 * READY_ON_AWAKE: required databases that are to be awake at start and were not awake yet, while they are asked for that. READY_ON_VERDICT:
 * required ones without a first verdict that something may still bring. READY_ON_START: none.
 */
int ready_gate_init(struct ready_gate *gate, enum ready_on on, const struct registry *registry);
void ready_gate_deinit(struct ready_gate *gate);
/* Something happened to a database; DATABASE as observers get it. -ENOMEM: one that a reload brought is not waited for. */
int ready_gate_note(struct ready_gate *gate, const struct event *event, const struct database *database);
/* DATABASE took a step, with or without an event: what nothing will bring any more is not waited for. */
void ready_gate_look(struct ready_gate *gate, const struct database *database);
/* After a reload: forgets the databases that it replaced or removed; nobody will tell of them again. */
void ready_gate_sweep(struct ready_gate *gate, const struct registry *registry);

/* How all databases are, in one line for people: what `systemctl status` shows. Names a few; never walks ten thousand. Pure. */

/* "3 databases: 2 awake, 1 down (main: tcp.refused)" */
void summary_running(struct buffer *buffer, const struct registry *registry);
/*
 * "waiting for 2 of 3 databases: main (down, tcp.refused, expected in 2.1 s), app (waking)"; when one is blocked, what to do follows.
 */
void summary_waiting(struct buffer *buffer, const struct registry *registry, const struct ready_gate *gate, struct instant now);
