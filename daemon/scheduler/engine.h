/*
 * The engine: schedules the checks, feeds the probers' reports to the databases, and tells the observers every event. It knows no observer
 * by name. Main thread only.
 */
#pragma once

#include "config/config.h"
#include "health/registry.h"
#include "model/event.h"
#include "model/histogram.h"

#include <systemd/sd-event.h>

struct engine;

/* The state from before the daemon started. It is asked for every database that is added, at the start or by a reload. */
struct engine_past {
        /* Fills RET_MEMORY; returns false if nothing is known about NAME. */
        bool (*recall)(void *userdata, const char *name, struct memory *ret_memory);
        void *userdata;
        bool is_to_come; /* more will be known later; engine_recall() announces it */
};

/* CONFIG is borrowed until the next engine_reload(); PAST (NULL: nothing is known) is copied. Starts the checks. */
int engine_new(sd_event *event, const struct config *config, const struct engine_past *past, struct engine **ret_engine);
/* Starts no more checks, and makes the probers end theirs; engine_free() waits for them. */
void engine_stop(struct engine *engine);
/* Ends every attempt and session cleanly; waits at most TIMEOUT_USEC for servers that still respond. Takes NULL. */
struct engine *engine_free(struct engine *engine, uint64_t timeout_usec);

/* More is known from before the start than when engine_new() asked: asks again for each database, and merges what it gets. */
void engine_recall(struct engine *engine);

/* An observer gets every event, in order, at once. DATABASE is NULL for an event about none; it may be read, not kept. */
struct observer {
        void (*notify)(void *userdata, const struct event *event, const struct database *database);
        /*
         * The state that database_remember() saves of DATABASE, or its leases, may have changed, with or without an event. NULL: not
         * called.
         */
        void (*touched)(void *userdata, const struct database *database);
        /* ATTEMPT of DATABASE ended and was evaluated; called before touched(). NULL: not called. */
        void (*attempted)(void *userdata, const struct database *database, const struct attempt *attempt);
        void *userdata;
        struct observer *next; /* the engine's */
};
void engine_observe(struct engine *engine, struct observer *observer);
void engine_unobserve(struct engine *engine, struct observer *observer);

/* The result of a reload. */
struct reload_summary {
        size_t added, removed, changed, unchanged;
};
/*
 * Mark and sweep: unchanged databases keep state, session and counters. A reload runs in steps of some milliseconds each; readers see the
 * old configuration or the new one, never a mix. Call only while none is in progress. CONFIG is borrowed from here on. 0 or -ENOMEM.
 */
int engine_reload_begin(struct engine *engine, const struct config *config);
/*
 * Returns 1 if another step is to follow; 0 when it is complete, and the old configuration may be freed; a negative errno if it was
 * dropped, and nothing changed.
 */
int engine_reload_step(struct engine *engine, struct reload_summary *ret_summary);
/*
 * Drops the reload in progress, or completes it if its configuration is in force already. Returns whether it is; false if there is no
 * reload.
 */
bool engine_reload_end(struct engine *engine);
/* All steps at once. */
int engine_reload(struct engine *engine, const struct config *config, struct reload_summary *ret_summary);

/* For reading. Checks first whether the host was suspended, so that no verdict is read that the suspend made stale. */
const struct registry *engine_registry(struct engine *engine);
/* The sequence number of the newest event. */
uint64_t engine_sequence(const struct engine *engine);
/* Call before the first event, with the number before its. Two successive daemons must not give the same number to two events. */
void engine_number_from(struct engine *engine, uint64_t sequence);

/* Demand. Returns the reason for a refusal, or REASON_NONE. Any number of callers cause one wake. */
enum reason engine_wake(struct engine *engine, struct database *database, enum wake_cause cause);
void engine_pause(struct engine *engine, struct database *database, uint64_t for_usec);

/* For the watchdog: by how much the most overdue item is late, usec. */
uint64_t engine_overdue_usec(struct engine *engine);

struct engine_stats {
        size_t in_flight;     /* attempts that occupy a slot (pings do not) */
        size_t waiting;       /* checks that are due and wait for a free slot (limits.attempts_in_flight) */
        unsigned probers_replaced;
};
void engine_stats(struct engine *engine, struct engine_stats *ret_stats);
/* The time that attempts spent in PHASE since the daemon started, failed ones included; over all databases. */
const struct tally *engine_durations(const struct engine *engine, enum check check, enum phase phase);
