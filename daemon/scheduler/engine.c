/* Its life, and what others ask of it. What is due is driven in drive.c; who is watched is members.c's. */
#include "scheduler/inside.h"

#include "base/error.h"

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
        engine->armed_boot_usec = USEC_INFINITY;
        engine->suspended_usec = now.suspended_usec;
        if (past)
                engine->past = *past;
        r = registry_new(&engine->registry);
        if (r >= 0)
                r = probe_pool_new(event, MIN(count_processors(), PROBERS_MAX), drive_take_report, engine, &engine->pool);
        if (r >= 0)
                r = sd_event_add_time(event, &engine->timer, CLOCK_BOOTTIME, USEC_INFINITY, TIMER_ACCURACY_USEC, drive_on_timer, engine);
        if (r >= 0) {
                (void)sd_event_source_set_description(engine->timer, "engine-due");
                r = sd_event_source_set_enabled(engine->timer, SD_EVENT_OFF);
        }
        if (r >= 0)
                r = leases_init(engine, now.real_usec);
        for (size_t i = 0; r >= 0 && i < config->n_databases; i++)
                r = members_add(engine, &config->databases[i], now);
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
        engine->timer = sd_event_source_disable_unref(engine->timer);
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

        /* Told in the order of their coming. */
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
                members_let_go(engine, database);
        (void)drive_step(engine, database, &(struct input){.kind = INPUT_PAUSE, .for_usec = for_usec}, now);
        drive_attend(engine, database, now);
        drive_start_waiting(engine, now);
        drive_arm(engine);
}

void engine_recall(struct engine *engine) {
        struct instant now = drive_observe_clock(engine);
        struct database *database;

        for (size_t i = 0; (database = registry_at(engine->registry, i)); i++)
                members_recall_late(engine, database, now);
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
