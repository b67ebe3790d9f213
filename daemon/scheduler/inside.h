/* What the rooms of scheduler/ share, and nobody else sees. */
#pragma once

#include "base/timer.h"
#include "health/step.h"
#include "probe/pool.h"
#include "scheduler/engine.h"
#include "scheduler/lease.h"

struct transition;

struct engine {
        sd_event *event;
        struct timer timer; /* for what is due first */
        const struct config *config;
        struct registry *registry;
        struct probe_pool *pool;
        struct observer *observers;
        struct heap due;
        struct heap waiting; /* for a place: see drive.c */
        uint64_t next_ticket;
        size_t in_flight;
        struct tally durations[_CHECK_MAX][_PHASE_MAX];
        uint64_t next_database_id;
        uint64_t next_attempt_id;
        uint64_t sequence;
        uint64_t suspended_usec;
        struct engine_past past;
        struct transition *transition; /* the reload that is under way; reload.c */
        bool stopping;                 /* nothing is asked any more */

        struct timer expiry_timer; /* of the leases with a time limit; CLOCK_REALTIME */
        struct heap expiring;
        size_t n_leases;
        uint64_t next_lease_id;
};

/* drive.c: what is due is done, what was found is told. */

/* The timer for what is due first; after each step from outside the loop's own turn. */
void drive_arm(struct engine *engine);
/* Tells the observers, in order, and empties EVENTS. */
void drive_publish(struct engine *engine, const struct database *database, struct event_list *events);
/* One step of DATABASE, and what follows from it outside: counts, observers, sessions. Answers what refuses it. */
enum reason drive_step(struct engine *engine, struct database *database, const struct input *input, struct instant now);
/* What outlives the daemon changed. */
void drive_touch(struct engine *engine, const struct database *database);
/* Starts what is due for DATABASE, or queues it, and notes when to look at it again. */
void drive_attend(struct engine *engine, struct database *database, struct instant now);
/* The same in the next turn of the loop. */
void drive_look_soon(struct engine *engine, struct database *database, struct instant now);
/* A place is free: what waited longest is started, if it still has something to ask. */
void drive_start_waiting(struct engine *engine, struct instant now);
/* The attempt of DATABASE in flight, if there is one, needs its place no longer. */
void drive_give_place_back(struct engine *engine, const struct database *database);
/* What time is it, and was the host asleep meanwhile? */
struct instant drive_observe_clock(struct engine *engine);
void drive_on_timer(void *userdata);
void drive_take_report(void *userdata, const struct probe_report *report);

/* lease.c: who needs a database. */

int leases_init(struct engine *engine, uint64_t now_real_usec);
void leases_deinit(struct engine *engine);
/* Ends those whose time is over. */
void leases_expire(struct engine *engine, struct instant now);
/* Ends all of DATABASE. */
void leases_end(struct engine *engine, struct database *database, enum lease_end why, struct instant now);
/* A reload replaced FROM, which has none then. */
void leases_move(struct engine *engine, struct database *from, struct database *to, struct instant now);

/* engine.c: who is watched. */

/* At the start of the daemon. */
int engine_add_database(struct engine *engine, const struct database_config *config, struct instant now);
/* What DATABASE, which a reload brings, begins with: what is known from before, and the demand of its start. */
void engine_welcome(struct engine *engine, struct database *database, struct instant now);
void engine_presume(struct engine *engine, struct database *database, uint64_t for_usec, struct instant now);
/* Tells the observers the news of DATABASE, if there are any. */
void engine_tell_news(struct engine *engine, struct database *database, struct instant now);
/* What was known of DATABASE from before only after it began. */
void engine_recall_late(struct engine *engine, struct database *database, struct instant now);
/* Forgets what runs for DATABASE: its attempt, its session, its place in the queue. */
void engine_let_go(struct engine *engine, struct database *database);
