/*
 * The engine: drives the probers by the schedule, feeds what they report to the databases, and tells the observers every event. It knows no
 * listener by name. Main thread only.
 */
#pragma once

#include "config/config.h"
#include "health/registry.h"
#include "model/event.h"
#include "model/histogram.h"

#include <systemd/sd-event.h>

struct engine;

/* What is known from before the daemon started; asked for each database that comes, at the start and by a reload. */
struct engine_past {
        /* Fills RET_MEMORY; answers false when nothing is known of this NAME. */
        bool (*recall)(void *userdata, const char *name, struct memory *ret_memory);
        void *userdata;
        bool is_to_come; /* more will be known: engine_recall() follows */
};

/* CONFIG is borrowed until the next engine_reload(); PAST (NULL: nothing is known) is copied. Starts the checks. */
int engine_new(sd_event *event, const struct config *config, const struct engine_past *past, struct engine **ret_engine);
/* Nothing is asked any more, and the probers begin to end what there is; engine_free() waits for them. */
void engine_stop(struct engine *engine);
/* Ends every attempt and session cleanly; waits at most TIMEOUT_USEC for servers that go on answering. Takes NULL. */
struct engine *engine_free(struct engine *engine, uint64_t timeout_usec);

/* More is known from before now than when engine_new() asked: it is asked once more, for each database, which goes on from that. */
void engine_recall(struct engine *engine);

/* An observer is told every event, in order, at once. DATABASE is NULL for none of them; it may be read, not kept. */
struct observer {
        void (*notify)(void *userdata, const struct event *event, const struct database *database);
        /* What database_remember() tells of DATABASE, or its leases, may be another now, with or without an event. NULL: of no interest. */
        void (*touched)(void *userdata, const struct database *database);
        /* ATTEMPT of DATABASE ended and was judged; before touched(). NULL: of no interest. */
        void (*attempted)(void *userdata, const struct database *database, const struct attempt *attempt);
        void *userdata;
        struct observer *next; /* the engine's */
};
void engine_observe(struct engine *engine, struct observer *observer);
void engine_unobserve(struct engine *engine, struct observer *observer);

/* What a reload did. */
struct reload_summary {
        size_t added, removed, changed, unchanged;
};
/*
 * Mark and sweep: unchanged databases keep state, session and counters. It goes in steps, each of which takes some milliseconds; those who
 * read see all of it or nothing of it. Begins one while none is under way; CONFIG is borrowed from here on. 0 or -ENOMEM.
 */
int engine_reload_begin(struct engine *engine, const struct config *config);
/*
 * Answers 1 when another step is to follow; 0 when all is done, and the old configuration may be freed; a negative errno when it was
 * dropped, and nothing changed.
 */
int engine_reload_step(struct engine *engine, struct reload_summary *ret_summary);
/* Drops the one that is under way, or brings it to its end when it has force. Answers whether it has; false where none was under way. */
bool engine_reload_end(struct engine *engine);
/* All of it at once. */
int engine_reload(struct engine *engine, const struct config *config, struct reload_summary *ret_summary);

/* Reading. Looks first whether the host was suspended, so that what is read is never older than it says. */
const struct registry *engine_registry(struct engine *engine);
/* The sequence number of the newest event. */
uint64_t engine_sequence(const struct engine *engine);
/* Before the first event: the number before its. Two daemons in turn shall not give the same number to two events. */
void engine_number_from(struct engine *engine, uint64_t sequence);

/* Demand; answers the reason that refuses it, or REASON_NONE. A hundred callers are one wake. */
enum reason engine_wake(struct engine *engine, struct database *database, enum wake_cause cause);
void engine_pause(struct engine *engine, struct database *database, uint64_t for_usec);

/* For the watchdog: how long the most overdue thing is overdue, usec. */
uint64_t engine_overdue_usec(struct engine *engine);

struct engine_stats {
        size_t in_flight;     /* attempts that run and take one of the places (pings take none) */
        size_t waiting;       /* checks that are due and wait for a free place (limits.attempts_in_flight) */
        unsigned probers_replaced;
};
void engine_stats(struct engine *engine, struct engine_stats *ret_stats);
/* How long PHASE took in the attempts that passed it since the daemon started, failed ones included; of all databases. */
const struct tally *engine_durations(const struct engine *engine, enum check check, enum phase phase);
