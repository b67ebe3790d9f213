/* Who is watched, and what is told of their coming and going. */
#include "scheduler/inside.h"

#include "base/error.h"

/* What lies further back than this was no restart: who held a lease then has had the time to come back, or has gone. */
#define PRESUME_WITHIN_USEC USEC_PER_MINUTE

void members_presume(struct engine *engine, struct target *target, uint64_t for_usec, struct instant now) {
        (void)drive_step(engine, target, &(struct input){.kind = INPUT_PRESUME, .for_usec = for_usec}, now);
}

/* Those who held a lease when MEMORY was saved may come back. By a clock that may have been set back since. */
static void presume_held(struct engine *engine, struct target *target, const struct memory *memory, struct instant now) {
        if (memory->held && usec_apart(now.real_usec, memory->saved_real_usec) < PRESUME_WITHIN_USEC)
                members_presume(engine, target, target->config->lease_grace_usec, now);
}

static bool find_past(struct engine *engine, const struct target *target, struct memory *ret_memory) {
        return engine->past.recall && engine->past.recall(engine->past.userdata, target->config->name, ret_memory);
}

/* What is known from before. */
static void recall(struct engine *engine, struct target *target, struct instant now) {
        struct memory memory;

        if (!find_past(engine, target, &memory))
                return;
        target_restore(target, &memory, REASON_STALE, now);
        (void)drive_step(engine, target, &(struct input){.kind = INPUT_TIME}, now); /* what follows from that */
        presume_held(engine, target, &memory, now);
}

void members_recall_late(struct engine *engine, struct target *target, struct instant now) {
        struct memory memory;
        uint64_t pause;

        if (!find_past(engine, target, &memory))
                return;
        pause = target->paused_until_boot_usec ? 0 : memory_pause_left(&memory, now.real_usec);
        (void)drive_step(engine, target, &(struct input){.kind = INPUT_RECALLED, .memory = &memory}, now);
        presume_held(engine, target, &memory, now);
        if (pause > 0) {
                members_let_go(engine, target);
                (void)drive_step(engine, target, &(struct input){.kind = INPUT_PAUSE, .for_usec = pause}, now);
        }
        drive_attend(engine, target, now);
}

void members_welcome(struct engine *engine, struct target *target, struct instant now) {
        (void)drive_step(engine, target, &(struct input){.kind = INPUT_START}, now);
        recall(engine, target, now);
}

int members_add(struct engine *engine, const struct database_config *config, struct instant now) {
        struct target *target = NULL;
        int r;

        r = target_new(++engine->next_target_id, config, now, &target);
        if (r < 0)
                return r;
        r = registry_add(engine->registry, target);
        if (r < 0) {
                (void)target_free(target);
                return r;
        }
        members_welcome(engine, target, now);
        drive_attend(engine, target, now);
        return 0;
}

void members_let_go(struct engine *engine, struct target *target) {
        probe_pool_forget(engine->pool, target->id);
        drive_give_place_back(engine, target);
        heap_remove(&engine->waiting, &target->waiting);
}

static void tell(struct engine *engine, const struct target *target, enum event_kind kind, enum state previous, struct instant now) {
        struct edges edges = {.n = 1};

        edges.list[0] = (struct event){
                .kind = kind,
                .database = target->config->name,
                .boot_usec = now.boot_usec,
                .real_usec = now.real_usec,
                .state = target->state,
                .previous = previous,
                .reason = target->reason,
                .ready = target_ready(target),
                .generation = target->generation,
        };
        drive_publish(engine, target, &edges);
}

void members_tell(struct engine *engine, struct target *target, struct instant now) {
        enum news news = target->news;

        target->news = NEWS_NONE;
        switch (news) {
        case NEWS_ADDED:
                tell(engine, target, EVENT_ADDED, target->state, now);
                return;
        case NEWS_REMOVED:
                tell(engine, target, EVENT_REMOVED, target->state, now);
                return;
        case NEWS_REPLACES:
                tell(engine, target, EVENT_STATE, target->predecessor->state, now);
                return;
        case NEWS_NONE:
        case NEWS_REPLACED:
                return;
        }
}
