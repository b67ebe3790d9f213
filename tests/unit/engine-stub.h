/*
 * An engine for tests of those who listen to one: a real registry of real targets, and no prober. A test says what each check found.
 * Included once by a test; it stands in for engine/engine.c.
 */
#pragma once

#include "scene.h"

#include "engine/engine.h"

#define STUB_TARGETS_MAX 512

struct engine {
        struct registry *registry;
        struct observer *observers;
        uint64_t sequence, attempt, overdue_usec;
        uint64_t uptime_usec; /* of every server at its next check */
        enum reason refusal; /* what engine_wake() answers */
        unsigned wakes;
        size_t n;
        struct unit_conninfo conninfo[STUB_TARGETS_MAX];
        struct database_config config[STUB_TARGETS_MAX];
        char name[STUB_TARGETS_MAX][TEXT_NAME_MAX + 1];
};

static inline void stub_tell(struct engine *engine, struct event *event, const struct target *target) {
        event->sequence = ++engine->sequence;
        for (struct observer *o = engine->observers, *next; o; o = next) {
                next = o->next;
                o->notify(o->userdata, event, target);
        }
}

static inline void stub_settle(struct engine *engine, struct target *target, enum state previous, struct edges *edges) {
        registry_note_state(engine->registry, target, previous);
        for (unsigned i = 0; i < edges->n; i++)
                stub_tell(engine, &edges->list[i], target);
}

void engine_observe(struct engine *engine, struct observer *observer) {
        observer->next = engine->observers;
        engine->observers = observer;
}

void engine_unobserve(struct engine *engine, struct observer *observer) {
        struct observer **o = &engine->observers;

        while (*o != observer)
                o = &(*o)->next;
        *o = observer->next;
}

const struct registry *engine_registry(struct engine *engine) {
        return engine->registry;
}

uint64_t engine_sequence(const struct engine *engine) {
        return engine->sequence;
}

uint64_t engine_overdue_usec(struct engine *engine) {
        return engine->overdue_usec;
}

enum reason engine_wake(struct engine *engine, struct target *target, enum wake_cause cause) {
        engine->wakes++;
        return engine->refusal != REASON_NONE ? engine->refusal : target_wake(target, cause, clock_now());
}

void engine_pause(struct engine *engine, struct target *target, uint64_t for_usec) {
        enum state previous = target->state;
        struct edges edges = {0};

        target_pause(target, for_usec, clock_now(), &edges);
        stub_settle(engine, target, previous, &edges);
}

static inline struct engine *stub_new(void) {
        struct engine *engine = calloc(1, sizeof(*engine));

        assert_non_null(engine);
        engine->uptime_usec = USEC_PER_DAY;
        assert_int_equal(registry_new(&engine->registry), 0);
        return engine;
}

static inline struct target *stub_add(struct engine *engine, const char *name) {
        size_t i = engine->n++;
        struct event event = {.kind = EVENT_ADDED, .database = engine->name[i], .reason = REASON_NOT_CHECKED};
        struct target *target;

        assert_true(i < STUB_TARGETS_MAX);
        (void)text_copy(engine->name[i], sizeof(engine->name[i]), name);
        engine->config[i] = unit_config(engine->name[i], unit_conninfo(&engine->conninfo[i], "127.0.0.1"));
        engine->config[i].fall = 1;
        assert_int_equal(target_new(i + 1, &engine->config[i], clock_now(), &target), 0);
        assert_int_equal(registry_add(engine->registry, target), 0);
        event.real_usec = clock_real_usec();
        stub_tell(engine, &event, target);
        return target;
}

/* Every observer must be gone. */
static inline struct engine *stub_free(struct engine *engine) {
        struct target *target;

        assert_null(engine->observers);
        while ((target = registry_at(engine->registry, 0))) {
                registry_remove(engine->registry, target);
                target_free(target);
        }
        registry_free(engine->registry);
        free(engine);
        return NULL;
}

static inline void stub_remove(struct engine *engine, struct target *target) {
        struct event event = {.kind = EVENT_REMOVED, .database = target->config->name, .state = target->state, .previous = target->state};

        event.real_usec = clock_real_usec();
        registry_remove(engine->registry, target);
        stub_tell(engine, &event, target);
        target_free(target);
}

/* A login that took 20 ms ended with REASON. */
static inline void stub_check(struct engine *engine, struct target *target, enum reason reason) {
        struct instant now = clock_now(), began = now;
        struct attempt attempt = {.id = ++engine->attempt, .check = CHECK_LOGIN, .total_usec = 20 * MSEC, .last_phase = PHASE_QUERY};
        enum state previous = target->state;
        struct edges edges = {0};

        began.boot_usec -= attempt.total_usec;
        attempt.started_boot_usec = began.boot_usec;
        attempt.started_real_usec = now.real_usec - attempt.total_usec;
        attempt.phase_usec[PHASE_CONNECT] = 1 * MSEC;
        attempt.reason = reason;
        attempt.session_held = reason == REASON_NONE;
        attempt.server.uptime_usec = engine->uptime_usec;
        attempt.server.started_real_usec = now.real_usec - engine->uptime_usec;
        attempt.server.version = 150018;
        (void)text_copy(attempt.address, sizeof(attempt.address), "127.0.0.1:5432");
        if (reason != REASON_NONE)
                (void)text_copy(attempt.detail, sizeof(attempt.detail), "raw words of the server");
        target_begin(target, CHECK_LOGIN, attempt.id, began);
        target_finish(target, &attempt, false, now, &edges);
        stub_settle(engine, target, previous, &edges);
}

/* A login that is under way for 600 ms, so that the database is waking; stub_check() ends it. */
static inline void stub_slow(struct engine *engine, struct target *target) {
        struct instant now = clock_now(), began = now;
        enum state previous = target->state;
        struct edges edges = {0};

        began.boot_usec -= 600 * MSEC;
        target_begin(target, CHECK_LOGIN, ++engine->attempt, began);
        target_slow(target, PHASE_AUTH, now, &edges);
        stub_settle(engine, target, previous, &edges);
}
