/*
 * An engine for tests of its observers: a real registry of real databases, and no prober. The test supplies the result of each check.
 * Included once by a test; it replaces scheduler/engine.c and scheduler/lease.c.
 */
#pragma once

#include "scene.h"

#include "base/error.h"
#include "scheduler/lease.h"

#define STUB_TARGETS_MAX 512

struct engine {
        struct registry *registry;
        struct observer *observers;
        uint64_t sequence, attempt, overdue_usec;
        uint64_t uptime_usec; /* of every server at its next check */
        enum reason refusal; /* the result of engine_wake() and lease_take() */
        unsigned wakes;
        struct tally durations[_CHECK_MAX][_PHASE_MAX];
        uint64_t last_lease;  /* its id */
        unsigned n_leases;
        unsigned leases_room; /* how many there may be at a time; 0: LEASES_MAX */
        size_t n;
        struct unit_conninfo conninfo[STUB_TARGETS_MAX];
        struct database_config config[STUB_TARGETS_MAX];
        char name[STUB_TARGETS_MAX][TEXT_NAME_MAX + 1];
};

static inline void stub_tell(struct engine *engine, struct event *event, const struct database *database) {
        event->sequence = ++engine->sequence;
        for (struct observer *o = engine->observers, *next; o; o = next) {
                next = o->next;
                o->notify(o->userdata, event, database);
        }
}

static inline void stub_touch(struct engine *engine, const struct database *database) {
        for (struct observer *o = engine->observers; o; o = o->next)
                if (o->touched)
                        o->touched(o->userdata, database);
}

static inline void stub_attempted(struct engine *engine, const struct database *database, const struct attempt *attempt) {
        for (struct observer *o = engine->observers; o; o = o->next)
                if (o->attempted)
                        o->attempted(o->userdata, database, attempt);
}

/* One step of DATABASE, reported in the engine's order. Returns the reason for a refusal. */
static inline enum reason stub_step(struct engine *engine, struct database *database, const struct input *input, struct instant now) {
        enum state previous = database->state;
        struct step step;

        database_step(database, input, now, &step);
        if (input->kind == INPUT_ATTEMPT)
                stub_attempted(engine, database, input->attempt);
        registry_note_state(engine->registry, database, previous);
        for (unsigned i = 0; i < step.events.n; i++)
                stub_tell(engine, &step.events.list[i], database);
        stub_touch(engine, database);
        return step.refusal;
}

static inline enum reason stub_input(struct engine *engine, struct database *database, enum input_kind kind) {
        return stub_step(engine, database, &(struct input){.kind = kind}, clock_now());
}

void engine_observe(struct engine *engine, struct observer *observer) {
        struct observer **last = &engine->observers;

        while (*last)
                last = &(*last)->next;
        observer->next = NULL;
        *last = observer;
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

void engine_stats(struct engine *engine, struct engine_stats *ret_stats) {
        (void)engine;
        *ret_stats = (struct engine_stats){.in_flight = 3, .waiting = 2, .probers_replaced = 1};
}

const struct tally *engine_durations(const struct engine *engine, enum check check, enum phase phase) {
        return &engine->durations[check][phase];
}

enum reason engine_wake(struct engine *engine, struct database *database, enum wake_cause cause) {
        engine->wakes++;
        return engine->refusal != REASON_NONE ? engine->refusal : stub_step(engine, database, &(struct input){.kind = INPUT_WAKE, .cause = cause}, clock_now());
}

void engine_pause(struct engine *engine, struct database *database, uint64_t for_usec) {
        (void)stub_step(engine, database, &(struct input){.kind = INPUT_PAUSE, .for_usec = for_usec}, clock_now());
}

/* Leases: a list for each database, and no clock. */

const char *lease_end_name(enum lease_end end) {
        static const char *const names[_LEASE_END_MAX] = {
                [LEASE_END_EXPIRED] = "expired",
                [LEASE_END_DELETED] = "deleted",
                [LEASE_END_REMOVED] = "removed",
                [LEASE_END_BUDGET] = "budget.spent",
        };

        return names[end];
}

static inline void stub_lease_link(struct lease *lease, struct database *database) {
        lease->database = database;
        TAILQ_INSERT_TAIL(&database->leases, lease, link);
}

static inline void stub_lease_unlink(struct lease *lease) {
        TAILQ_REMOVE(&lease->database->leases, lease, link);
}

static inline void stub_lease_drop(struct engine *engine, struct lease *lease) {
        struct database *database = lease->database;

        stub_lease_unlink(lease);
        engine->n_leases--;
        free(lease);
        (void)stub_input(engine, database, INPUT_LEASE_END);
}

/* It ends by something else than its holder. */
static inline void stub_lease_end(struct engine *engine, struct lease *lease, enum lease_end end) {
        void (*ended)(void *userdata, enum lease_end end) = lease->ended;
        void *userdata = lease->userdata;

        stub_lease_drop(engine, lease);
        if (ended)
                ended(userdata, end);
}

static inline struct lease *stub_lease_make(struct engine *engine, struct database *database, const char *owner, uint64_t until_real_usec) {
        struct lease *lease = calloc(1, sizeof(*lease));

        assert_non_null(lease);
        lease->record.id = ++engine->last_lease;
        (void)text_copy(lease->record.database, sizeof(lease->record.database), database->config->name);
        (void)text_copy(lease->record.owner, sizeof(lease->record.owner), owner);
        lease->record.since_real_usec = clock_real_usec();
        lease->record.until_real_usec = until_real_usec;
        stub_lease_link(lease, database);
        engine->n_leases++;
        return lease;
}

int lease_take(struct engine *engine, struct database *database, const struct lease_request *request, enum reason *ret_refusal,
               struct lease **ret_lease) {
        enum reason refusal = engine->refusal;
        struct lease *lease;

        if (engine->n_leases == (engine->leases_room ? engine->leases_room : LEASES_MAX))
                return -ENOSPC;
        if (refusal == REASON_NONE)
                refusal = stub_input(engine, database, INPUT_LEASE);
        *ret_refusal = refusal;
        if (refusal != REASON_NONE)
                return -EPERM;
        lease = stub_lease_make(engine, database, request->owner, request->for_usec ? clock_real_usec() + request->for_usec : 0);
        lease->ended = request->ended;
        lease->userdata = request->userdata;
        *ret_lease = lease;
        return 0;
}

void lease_release(struct engine *engine, struct lease *lease) {
        if (lease)
                stub_lease_drop(engine, lease);
}

static inline struct lease *stub_lease_by_id(struct engine *engine, uint64_t id) {
        struct database *database;
        struct lease *lease;

        for (size_t i = 0; (database = registry_at(engine->registry, i)); i++)
                TAILQ_FOREACH(lease, &database->leases, link)
                        if (lease->record.id == id)
                                return lease;
        return NULL;
}

bool lease_delete(struct engine *engine, uint64_t id) {
        struct lease *lease = stub_lease_by_id(engine, id);

        if (lease)
                stub_lease_end(engine, lease, LEASE_END_DELETED);
        return lease;
}

int lease_restore(struct engine *engine, const struct lease_record *record) {
        struct database *database = registry_by_name(engine->registry, record->database);
        struct lease *lease;

        if (!database || record->until_real_usec <= clock_real_usec())
                return 0;
        lease = stub_lease_make(engine, database, record->owner, record->until_real_usec);
        lease->record = *record;
        engine->last_lease = MAX(engine->last_lease, record->id);
        (void)stub_input(engine, database, INPUT_LEASE_AGAIN);
        return 0;
}

static inline struct engine *stub_new(void) {
        struct engine *engine = calloc(1, sizeof(*engine));

        assert_non_null(engine);
        engine->uptime_usec = USEC_PER_DAY;
        assert_int_equal(registry_new(&engine->registry), 0);
        return engine;
}

static inline struct database *stub_add(struct engine *engine, const char *name) {
        size_t i = engine->n++;
        struct event event = {.kind = EVENT_ADDED, .reason = REASON_NOT_CHECKED};
        struct database *database;

        assert_true(i < STUB_TARGETS_MAX);
        (void)text_copy(engine->name[i], sizeof(engine->name[i]), name);
        (void)text_copy(event.database, sizeof(event.database), name);
        engine->config[i] = unit_config(engine->name[i], unit_conninfo(&engine->conninfo[i], "127.0.0.1"));
        engine->config[i].policy = POLICY_KEEP_AWAKE; /* whatever provider a test gives it */
        engine->config[i].fall = 1;
        assert_int_equal(database_new(i + 1, &engine->config[i], clock_now(), &database), 0);
        assert_int_equal(registry_add(engine->registry, database), 0);
        event.real_usec = clock_real_usec();
        stub_tell(engine, &event, database);
        return database;
}

/* Every observer must be gone. */
static inline struct engine *stub_free(struct engine *engine) {
        struct database *database;

        assert_null(engine->observers);
        while ((database = registry_at(engine->registry, 0))) {
                while (!TAILQ_EMPTY(&database->leases))
                        stub_lease_drop(engine, TAILQ_FIRST(&database->leases));
                registry_remove(engine->registry, database);
                database_free(database);
        }
        registry_free(engine->registry);
        free(engine);
        return NULL;
}

static inline void stub_remove(struct engine *engine, struct database *database) {
        struct event event = {.kind = EVENT_REMOVED, .state = database->state, .previous = database->state};

        while (!TAILQ_EMPTY(&database->leases))
                stub_lease_end(engine, TAILQ_FIRST(&database->leases), LEASE_END_REMOVED);
        (void)text_copy(event.database, sizeof(event.database), database->config->name);
        event.real_usec = clock_real_usec();
        registry_remove(engine->registry, database);
        stub_tell(engine, &event, database);
        database_free(database);
}

/* A reload changed its settings: another id under the same name, and the same leases. */
static inline struct database *stub_change(struct engine *engine, struct database *old) {
        struct event event = {.kind = EVENT_STATE, .reason = REASON_NOT_CHECKED};
        struct database *database;
        struct lease *lease;

        (void)text_copy(event.database, sizeof(event.database), old->config->name);
        event.previous = old->state;
        event.real_usec = clock_real_usec();
        assert_int_equal(database_new(STUB_TARGETS_MAX + old->id, old->config, clock_now(), &database), 0);
        registry_remove(engine->registry, old);
        assert_int_equal(registry_add(engine->registry, database), 0);
        while ((lease = TAILQ_FIRST(&old->leases))) {
                stub_lease_unlink(lease);
                stub_lease_link(lease, database);
                (void)stub_input(engine, database, INPUT_LEASE_AGAIN);
        }
        database_free(old);
        stub_tell(engine, &event, database);
        return database;
}

/* A login that took 20 ms ended with REASON. */
static inline void stub_check(struct engine *engine, struct database *database, enum reason reason) {
        struct instant now = clock_now(), began = now;
        struct attempt attempt = {.check = CHECK_LOGIN, .total_usec = 20 * MSEC, .last_phase = PHASE_QUERY};

        attempt.id = database->in_flight.id ? database->in_flight.id : ++engine->attempt;
        began.boot_usec -= attempt.total_usec;
        attempt.started_boot_usec = began.boot_usec;
        attempt.started_real_usec = now.real_usec - attempt.total_usec;
        attempt.ended_boot_usec = now.boot_usec;
        attempt.phase_usec[PHASE_CONNECT] = 1 * MSEC;
        attempt.reason = reason;
        attempt.session_held = reason == REASON_NONE;
        attempt.server.uptime_usec = engine->uptime_usec;
        attempt.server.started_real_usec = now.real_usec - engine->uptime_usec;
        attempt.server.version = 150018;
        (void)text_copy(attempt.address, sizeof(attempt.address), "127.0.0.1:5432");
        if (reason != REASON_NONE)
                (void)text_copy(attempt.detail, sizeof(attempt.detail), "raw words of the server");
        if (!database->in_flight.id)
                (void)stub_step(engine, database, &(struct input){.kind = INPUT_BEGUN, .check = CHECK_LOGIN, .attempt_id = attempt.id}, began);
        (void)stub_step(engine, database, &(struct input){.kind = INPUT_ATTEMPT, .attempt = &attempt}, now);
}

static inline void stub_pause(struct engine *engine, struct database *database, uint64_t for_usec) {
        engine_pause(engine, database, for_usec);
}

/* A login to a server that suspends is under way for 600 ms, so that it is waking; stub_check() ends it. */
static inline void stub_slow(struct engine *engine, struct database *database) {
        struct instant now = clock_now(), began = now;

        database->provider = provider_by_name("neon");
        began.boot_usec -= 600 * MSEC;
        (void)stub_step(engine, database, &(struct input){.kind = INPUT_BEGUN, .check = CHECK_LOGIN, .attempt_id = ++engine->attempt}, began);
        (void)stub_step(engine, database, &(struct input){.kind = INPUT_TIME, .phase = PHASE_AUTH}, now);
}
