/* Who is watched, and what is told of their coming and going. */
#include "scheduler/inside.h"

#include "base/error.h"

/* What lies further back than this was no restart: who held a lease then has had the time to come back, or has gone. */
#define PRESUME_WITHIN_USEC USEC_PER_MINUTE

void members_presume(struct engine *engine, struct database *database, uint64_t for_usec, struct instant now) {
        (void)drive_step(engine, database, &(struct input){.kind = INPUT_PRESUME, .for_usec = for_usec}, now);
}

/* Those who held a lease when MEMORY was saved may come back. By a clock that may have been set back since. */
static void presume_held(struct engine *engine, struct database *database, const struct memory *memory, struct instant now) {
        if (memory->held && usec_apart(now.real_usec, memory->saved_real_usec) < PRESUME_WITHIN_USEC)
                members_presume(engine, database, database->config->lease_grace_usec, now);
}

static bool find_past(struct engine *engine, const struct database *database, struct memory *ret_memory) {
        return engine->past.recall && engine->past.recall(engine->past.userdata, database->config->name, ret_memory);
}

/* What is known from before. */
static void recall(struct engine *engine, struct database *database, struct instant now) {
        struct memory memory;

        if (!find_past(engine, database, &memory))
                return;
        database_restore(database, &memory, REASON_STALE, now);
        (void)drive_step(engine, database, &(struct input){.kind = INPUT_TIME}, now); /* what follows from that */
        presume_held(engine, database, &memory, now);
}

void members_recall_late(struct engine *engine, struct database *database, struct instant now) {
        struct memory memory;
        uint64_t pause;

        if (!find_past(engine, database, &memory))
                return;
        pause = database->paused_until_boot_usec ? 0 : memory_pause_left(&memory, now.real_usec);
        (void)drive_step(engine, database, &(struct input){.kind = INPUT_RECALLED, .memory = &memory}, now);
        presume_held(engine, database, &memory, now);
        if (pause > 0) {
                members_let_go(engine, database);
                (void)drive_step(engine, database, &(struct input){.kind = INPUT_PAUSE, .for_usec = pause}, now);
        }
        drive_attend(engine, database, now);
}

void members_welcome(struct engine *engine, struct database *database, struct instant now) {
        (void)drive_step(engine, database, &(struct input){.kind = INPUT_START}, now);
        recall(engine, database, now);
}

int members_add(struct engine *engine, const struct database_config *config, struct instant now) {
        struct database *database = NULL;
        int r;

        r = database_new(++engine->next_database_id, config, now, &database);
        if (r < 0)
                return r;
        r = registry_add(engine->registry, database);
        if (r < 0) {
                (void)database_free(database);
                return r;
        }
        members_welcome(engine, database, now);
        drive_attend(engine, database, now);
        return 0;
}

void members_let_go(struct engine *engine, struct database *database) {
        probe_pool_forget(engine->pool, database->id);
        drive_give_place_back(engine, database);
        heap_remove(&engine->waiting, &database->waiting);
}

static void tell(struct engine *engine, const struct database *database, enum event_kind kind, enum state previous, struct instant now) {
        struct event_list events = {.n = 1};

        events.list[0] = (struct event){
                .kind = kind,
                .database = database->config->name,
                .boot_usec = now.boot_usec,
                .real_usec = now.real_usec,
                .state = database->state,
                .previous = previous,
                .reason = database->reason,
                .ready = database_ready(database),
                .generation = database->generation,
        };
        drive_publish(engine, database, &events);
}

void members_tell(struct engine *engine, struct database *database, struct instant now) {
        enum news news = database->news;

        database->news = NEWS_NONE;
        switch (news) {
        case NEWS_ADDED:
                tell(engine, database, EVENT_ADDED, database->state, now);
                return;
        case NEWS_REMOVED:
                tell(engine, database, EVENT_REMOVED, database->state, now);
                return;
        case NEWS_REPLACES:
                tell(engine, database, EVENT_STATE, database->predecessor->state, now);
                return;
        case NEWS_NONE:
        case NEWS_REPLACED:
                return;
        }
}
