/* The engine's life and its interface; the last part of this file adds databases. drive.c does what is due. */
#include "base/error.h"
#include "scheduler/inside.h"

#include <sched.h>

#define PROBERS_MAX 4
#define TIMER_ACCURACY_USEC 1

static unsigned count_processors(void) {
        cpu_set_t set;

        return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (unsigned)CPU_COUNT(&set);
}

int engine_new(sd_event *event, const struct config *config, const struct engine_past *past, struct engine **ret_engine) {
        struct engine *engine = calloc(1, sizeof(*engine));
        struct instant now = clock_now();
        int r;

        if (!engine)
                return -ENOMEM;
        engine->event = sd_event_ref(event);
        engine->config = config;
        engine->suspended_usec = now.suspended_usec;
        if (past)
                engine->past = *past;
        r = registry_new(&engine->registry);
        if (r >= 0)
                r = probe_pool_new(event, MIN(count_processors(), PROBERS_MAX), drive_take_report, engine, &engine->pool);
        if (r >= 0)
                r = timer_init(&engine->timer, event, CLOCK_BOOTTIME, TIMER_ACCURACY_USEC, "engine-due", drive_on_timer, engine);
        if (r >= 0)
                r = leases_init(engine, now.real_usec);
        for (size_t i = 0; r >= 0 && i < config->n_databases; i++)
                r = engine_add_database(engine, &config->databases[i], now);
        if (r < 0) {
                (void)engine_free(engine, 0);
                return r;
        }
        drive_arm(engine);
        *ret_engine = engine;
        return 0;
}

void engine_stop(struct engine *engine) {
        engine->stopping = true;
        probe_pool_stop(engine->pool);
}

struct engine *engine_free(struct engine *engine, uint64_t timeout_usec) {
        if (!engine)
                return NULL;
        engine->stopping = true;
        (void)engine_reload_end(engine);
        engine->pool = probe_pool_free(engine->pool, timeout_usec);
        timer_deinit(&engine->timer);
        leases_deinit(engine);
        heap_deinit(&engine->due);
        heap_deinit(&engine->waiting);
        engine->registry = registry_free(engine->registry);
        sd_event_unref(engine->event);
        free(engine);
        return NULL;
}

void engine_observe(struct engine *engine, struct observer *observer) {
        struct observer **last = &engine->observers;

        /* Observers are called in the order they were added. */
        while (*last)
                last = &(*last)->next;
        observer->next = NULL;
        *last = observer;
}

void engine_unobserve(struct engine *engine, struct observer *observer) {
        for (struct observer **o = &engine->observers; *o; o = &(*o)->next)
                if (*o == observer) {
                        *o = observer->next;
                        return;
                }
}

const struct registry *engine_registry(struct engine *engine) {
        (void)drive_observe_clock(engine);
        return engine->registry;
}

uint64_t engine_sequence(const struct engine *engine) {
        return engine->sequence;
}

void engine_number_from(struct engine *engine, uint64_t sequence) {
        engine->sequence = sequence;
}

enum reason engine_wake(struct engine *engine, struct database *database, enum wake_cause cause) {
        struct instant now = drive_observe_clock(engine);
        enum reason refusal = drive_step(engine, database, &(struct input){.kind = INPUT_WAKE, .cause = cause}, now);

        drive_attend(engine, database, now);
        drive_arm(engine);
        return refusal;
}

void engine_pause(struct engine *engine, struct database *database, uint64_t for_usec) {
        struct instant now = drive_observe_clock(engine);

        if (for_usec > 0)
                engine_let_go(engine, database);
        (void)drive_step(engine, database, &(struct input){.kind = INPUT_PAUSE, .for_usec = for_usec}, now);
        drive_attend(engine, database, now);
        drive_start_waiting(engine, now);
        drive_arm(engine);
}

void engine_recall(struct engine *engine) {
        struct instant now = drive_observe_clock(engine);
        struct database *database;

        engine->past.is_to_come = false;
        for (size_t i = 0; (database = registry_at(engine->registry, i)); i++)
                engine_recall_late(engine, database, now);
        drive_start_waiting(engine, now);
        drive_arm(engine);
}

uint64_t engine_overdue_usec(struct engine *engine) {
        const struct heap_item *first = heap_first(&engine->due);
        struct probe_pool_stats stats;

        probe_pool_stats(engine->pool, &stats);
        return MAX(first ? usec_sub(clock_boot_usec(), first->key) : 0, stats.overdue_usec);
}

void engine_stats(struct engine *engine, struct engine_stats *ret_stats) {
        struct probe_pool_stats stats;

        probe_pool_stats(engine->pool, &stats);
        *ret_stats = (struct engine_stats){
                .in_flight = engine->in_flight,
                .waiting = engine->waiting.n,
                .probers_replaced = stats.replaced,
        };
}

const struct tally *engine_durations(const struct engine *engine, enum check check, enum phase phase) {
        return &engine->durations[check][phase];
}

/* -- Databases: adding them, and reporting what a reload did with them ----------------------------------------------------------------- */

/* State that was saved longer ago than this is not from a restart: former lease holders have come back, or are gone. */
#define PRESUME_WITHIN_USEC USEC_PER_MINUTE

void engine_presume(struct engine *engine, struct database *database, uint64_t for_usec, struct instant now) {
        (void)drive_step(engine, database, &(struct input){.kind = INPUT_PRESUME, .for_usec = for_usec}, now);
}

/*
 * At the daemon's start, clients that held a lease when MEMORY was saved may come back. The clock may have been set back since. A database
 * that a reload adds was held by nobody while this daemon ran.
 */
static void presume_held(struct engine *engine, struct database *database, const struct memory *memory, struct instant now) {
        if (memory->held && usec_apart(now.real_usec, memory->saved_real_usec) < PRESUME_WITHIN_USEC)
                engine_presume(engine, database, database->config->lease_grace_usec, now);
}

static bool find_past(struct engine *engine, const struct database *database, struct memory *ret_memory) {
        return engine->past.recall && engine->past.recall(engine->past.userdata, database->config->name, ret_memory);
}

/* Restores the state from before, and copies it to RET_MEMORY; returns false if there is none. */
static bool recall(struct engine *engine, struct database *database, struct instant now, struct memory *ret_memory) {
        database->past_is_to_come = engine->past.is_to_come;
        if (!find_past(engine, database, ret_memory))
                return false;
        database_restore(database, ret_memory, REASON_STALE, now);
        (void)drive_step(engine, database, &(struct input){.kind = INPUT_TIME}, now); /* time may change something at once */
        return true;
}

static bool welcome(struct engine *engine, struct database *database, struct instant now, struct memory *ret_memory) {
        (void)drive_step(engine, database, &(struct input){.kind = INPUT_START}, now);
        return recall(engine, database, now, ret_memory);
}

void engine_recall_late(struct engine *engine, struct database *database, struct instant now) {
        struct memory memory;
        uint64_t pause;

        database->past_is_to_come = false;
        if (!find_past(engine, database, &memory))
                return;
        pause = database->paused_until_boot_usec ? 0 : memory_pause_left(&memory, now.real_usec);
        (void)drive_step(engine, database, &(struct input){.kind = INPUT_RECALLED, .memory = &memory}, now);
        presume_held(engine, database, &memory, now);
        if (pause > 0) {
                engine_let_go(engine, database);
                (void)drive_step(engine, database, &(struct input){.kind = INPUT_PAUSE, .for_usec = pause}, now);
        }
        drive_attend(engine, database, now);
}

void engine_welcome(struct engine *engine, struct database *database, struct instant now) {
        struct memory memory;

        (void)welcome(engine, database, now, &memory);
}

int engine_add_database(struct engine *engine, const struct database_config *config, struct instant now) {
        struct database *database = NULL;
        struct memory memory;
        int r;

        r = database_new(++engine->next_database_id, config, now, &database);
        if (r < 0)
                return r;
        r = registry_add(engine->registry, database);
        if (r < 0) {
                (void)database_free(database);
                return r;
        }
        if (welcome(engine, database, now, &memory))
                presume_held(engine, database, &memory, now);
        drive_attend(engine, database, now);
        return 0;
}

void engine_let_go(struct engine *engine, struct database *database) {
        probe_pool_forget(engine->pool, database->id);
        drive_give_place_back(engine, database);
        heap_remove(&engine->waiting, &database->waiting);
}

static void engine_tell(struct engine *engine, const struct database *database, enum event_kind kind, enum state previous, struct instant now) {
        struct event_list events = {0};

        event_list_add(&events, database, kind, now)->previous = previous;
        drive_publish(engine, database, &events);
}

void engine_tell_news(struct engine *engine, struct database *database, struct instant now) {
        enum news news = database->news;

        database->news = NEWS_NONE;
        switch (news) {
        case NEWS_ADDED:
                engine_tell(engine, database, EVENT_ADDED, database->state, now);
                return;
        case NEWS_REMOVED:
                engine_tell(engine, database, EVENT_REMOVED, database->state, now);
                return;
        case NEWS_REPLACES:
                engine_tell(engine, database, EVENT_STATE, database->predecessor->state, now);
                return;
        case NEWS_NONE:
        case NEWS_REPLACED:
                return;
        }
}
