/* Shared by the files of scheduler/ alone. */
#pragma once

#include "base/timer.h"
#include "health/step.h"
#include "probe/pool.h"
#include "scheduler/engine.h"
#include "scheduler/lease.h"

struct transition;

struct engine {
        sd_event *event;
        struct timer timer; /* for the database that is due first */
        const struct config *config;
        struct registry *registry;
        struct probe_pool *pool;
        struct observer *observers;
        struct heap due;
        struct heap waiting; /* for a slot: see drive.c */
        uint64_t next_ticket;
        size_t in_flight;
        struct tally durations[_CHECK_MAX][_PHASE_MAX];
        uint64_t next_database_id;
        uint64_t next_attempt_id;
        uint64_t sequence;
        uint64_t suspended_usec;
        struct engine_past past;
        struct transition *transition; /* the reload in progress; reload.c */
        bool stopping;                 /* no more checks are started */

        struct timer expiry_timer; /* of the leases with a time limit; CLOCK_REALTIME */
        struct heap expiring;
        size_t n_leases;
        uint64_t next_lease_id;
};

/* drive.c: does what is due, and tells what was found. */

/* Arms the timer for what is due first. Call after each step that does not come from the timer. */
void drive_arm(struct engine *engine);
/* Sends EVENTS to the observers, in order, and empties the list. */
void drive_publish(struct engine *engine, const struct database *database, struct event_list *events);
/* One step of DATABASE and its effects: counts, observers, sessions. Returns the reason for a refusal. */
enum reason drive_step(struct engine *engine, struct database *database, const struct input *input, struct instant now);
/* Tells the observers that state which outlives the daemon changed. */
void drive_touch(struct engine *engine, const struct database *database);
/* Starts the check that is due for DATABASE, or queues it, and schedules the next step. */
void drive_attend(struct engine *engine, struct database *database, struct instant now);
/* The same in the next iteration of the event loop. */
void drive_look_soon(struct engine *engine, struct database *database, struct instant now);
/* A slot is free: starts the check that has waited longest, if it is still due. */
void drive_start_waiting(struct engine *engine, struct instant now);
/* Gives back the slot of DATABASE's attempt in flight, if it occupies one. */
void drive_give_place_back(struct engine *engine, const struct database *database);
/* Reads the clocks, and handles a suspend of the host since the last reading. */
struct instant drive_observe_clock(struct engine *engine);
void drive_on_timer(void *userdata);
void drive_take_report(void *userdata, const struct probe_report *report);

/* lease.c: the leases. */

int leases_init(struct engine *engine, uint64_t now_real_usec);
void leases_deinit(struct engine *engine);
/* Ends the leases whose time limit has passed. */
void leases_expire(struct engine *engine, struct instant now);
/* Ends all leases of DATABASE. */
void leases_end(struct engine *engine, struct database *database, enum lease_end why, struct instant now);
/* A reload replaced FROM with TO: moves all leases. */
void leases_move(struct engine *engine, struct database *from, struct database *to, struct instant now);

/* engine.c: the databases. */

/* Adds a database at the start of the daemon. */
int engine_add_database(struct engine *engine, const struct database_config *config, struct instant now);
/* Begins with a DATABASE that a reload added: the demand of its start, and the state from before. */
void engine_welcome(struct engine *engine, struct database *database, struct instant now);
void engine_presume(struct engine *engine, struct database *database, uint64_t for_usec, struct instant now);
/* Tells the observers the news of DATABASE, if there is any. */
void engine_tell_news(struct engine *engine, struct database *database, struct instant now);
/* Adds state from before the start that became known after DATABASE began. */
void engine_recall_late(struct engine *engine, struct database *database, struct instant now);
/* Drops DATABASE's attempt, its session and its place in the queue. */
void engine_let_go(struct engine *engine, struct database *database);
