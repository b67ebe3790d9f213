/*
 * One heap holds when each database must be looked at again; one timer is armed for its first. So a loop turn costs what is due and not
 * what is configured, and nothing due means no wake-up. The clock is CLOCK_BOOTTIME: what fell due while the host was suspended is due at
 * once when it comes back.
 */
#include "engine/engine.h"

#include "base/error.h"
#include "base/log.h"
#include "base/message-id.h"
#include "probe/pool.h"

#include <inttypes.h>
#include <sched.h>

#define PROBERS_MAX 4
/* A difference of the clocks above this is a suspend of the host and not the time between two readings. */
#define SUSPEND_MIN_USEC USEC_PER_SEC
#define TIMER_ACCURACY_USEC 1
/* Checks that fall due so close to one another are sent together: one wake-up of the loop and of each prober instead of many. */
#define SENT_TOGETHER_USEC (2 * USEC_PER_MSEC)

struct engine {
        sd_event *event;
        sd_event_source *timer;
        uint64_t armed_boot_usec; /* USEC_INFINITY: the timer is off */
        const struct config *config;
        struct registry *registry;
        struct probe_pool *pool;
        struct observer *observers;
        struct heap due;
        struct heap waiting; /* first come, first served */
        uint64_t next_ticket;
        size_t in_flight;
        uint64_t next_target_id;
        uint64_t next_attempt_id;
        uint64_t sequence;
        uint64_t suspended_usec;
};

static void arm(struct engine *engine) {
        const struct heap_item *first = heap_first(&engine->due);
        uint64_t due = first ? first->key : USEC_INFINITY;

        if (due == engine->armed_boot_usec)
                return;
        engine->armed_boot_usec = due;
        if (due == USEC_INFINITY) {
                (void)sd_event_source_set_enabled(engine->timer, SD_EVENT_OFF);
                return;
        }
        (void)sd_event_source_set_time(engine->timer, due);
        (void)sd_event_source_set_enabled(engine->timer, SD_EVENT_ONESHOT);
}

static void publish(struct engine *engine, const struct target *target, struct edges *edges) {
        for (unsigned i = 0; i < edges->n; i++) {
                edges->list[i].sequence = ++engine->sequence;
                for (struct observer *o = engine->observers, *next; o; o = next) {
                        next = o->next;
                        o->notify(o->userdata, &edges->list[i], target);
                }
        }
        edges->n = 0;
}

/* After a step: the registry's counts first, so that observers read what is true now. */
static void settle(struct engine *engine, struct target *target, enum state previous, struct edges *edges) {
        registry_note_state(engine->registry, target, previous);
        publish(engine, target, edges);
}

/*
 * A ping on a held session opens no connection and costs next to nothing: it needs no place. Else 64 databases that hang until their
 * deadlines would make all others, which answer, look as if they did not.
 */
static bool needs_place(enum check check) {
        return check != CHECK_PING;
}

static bool has_place(const struct engine *engine) {
        return engine->in_flight < engine->config->attempts_in_flight;
}

static void give_place_back(struct engine *engine, const struct target *target) {
        if (target->in_flight && needs_place(target->in_flight_check))
                engine->in_flight--;
}

static bool start_check(struct engine *engine, struct target *target, enum check check, struct instant now) {
        const struct database_config *config = target->config;
        struct probe_request request = {
                .database = target->id,
                .attempt = ++engine->next_attempt_id,
                .check = check,
                .conninfo = config->conninfo,
                .provider = target->provider,
                .timeout_usec = config->attempt_timeout_usec,
                .expect_query = config->expect.query,
                .expect_value = config->expect.value,
                .want_lag = config->expect.max_lag_usec > 0,
                .hold_session = !target->provider->session_keeps_awake,
        };
        int r;

        target_begin(target, check, request.attempt, now);
        r = probe_pool_check(engine->pool, &request);
        if (r < 0) {
                log_error("%s: cannot start a %s check: %s; trying again later", config->name, check_name(check), strerror(-r));
                target_cancel(target, check, now);
                return false;
        }
        engine->in_flight += needs_place(check);
        return true;
}

/* One that waits for a place goes on being pinged. */
static struct plan next_plan(const struct target *target) {
        return target->waiting.place ? policy_next_ping(target) : policy_next(target);
}

/* Starts what is due for TARGET, or queues it, and notes when to look at it again. */
static void attend(struct engine *engine, struct target *target, struct instant now) {
        struct plan plan = next_plan(target);
        uint64_t look_again;

        if (plan.due_boot_usec <= now.boot_usec + SENT_TOGETHER_USEC) {
                if (!needs_place(plan.check) || has_place(engine))
                        (void)start_check(engine, target, plan.check, now);
                else if (heap_set(&engine->waiting, &target->waiting, engine->next_ticket++) < 0)
                        target_cancel(target, plan.check, now);
        }
        look_again = MIN(target_due(target), next_plan(target).due_boot_usec);
        if (look_again == USEC_INFINITY)
                heap_remove(&engine->due, &target->due);
        /* Never twice in one turn of the loop, whatever is due. */
        else if (heap_set(&engine->due, &target->due, MAX(look_again, now.boot_usec + 1)) < 0)
                log_error("%s: out of memory: it will not be checked until something happens to it", target->config->name);
}

/* A place is free: what waited longest is started, if it still has something to ask. */
static void start_waiting(struct engine *engine, struct instant now) {
        while (has_place(engine)) {
                struct heap_item *first = heap_first(&engine->waiting);
                struct target *target;

                if (!first)
                        return;
                target = container_of(first, struct target, waiting);
                heap_remove(&engine->waiting, first);
                attend(engine, target, now);
        }
}

static void tell_phase(struct engine *engine, struct target *target, struct instant now, struct edges *edges) {
        enum phase phase = PHASE_RESOLVE;

        (void)probe_pool_phase(engine->pool, target->id, &phase);
        target_slow(target, phase, now, edges);
}

static void look_at(struct engine *engine, struct target *target, struct instant now) {
        enum state previous = target->state;
        struct edges edges = {0};

        target_tick(target, now, &edges);
        settle(engine, target, previous, &edges);
        if (target_is_slow(target, now)) {
                previous = target->state;
                tell_phase(engine, target, now, &edges);
                settle(engine, target, previous, &edges);
        }
        attend(engine, target, now);
}

static void host_was_suspended(struct engine *engine, struct instant now) {
        log_entry(LOG_NOTICE, MESSAGE_ID_HOST_SUSPENDED, NULL, 0, "The host was suspended: every verdict is stale until it is checked again");
        for (size_t i = 0; i < registry_count(engine->registry); i++) {
                struct target *target = registry_at(engine->registry, i);
                enum state previous = target->state;
                struct edges edges = {0};

                target_host_suspended(target, now, &edges);
                settle(engine, target, previous, &edges);
                attend(engine, target, now);
        }
}

/* What time is it, and was the host asleep meanwhile? */
static struct instant observe_clock(struct engine *engine) {
        struct instant now = clock_now();

        if (now.suspended_usec > engine->suspended_usec + SUSPEND_MIN_USEC)
                now = clock_now(); /* a thread that lost the processor between two readings sees the same once */
        if (now.suspended_usec > engine->suspended_usec + SUSPEND_MIN_USEC) {
                engine->suspended_usec = now.suspended_usec;
                host_was_suspended(engine, now);
                arm(engine);
        }
        return now;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct engine *engine = userdata;
        struct instant now;
        struct heap_item *first;

        (void)source;
        (void)usec;
        engine->armed_boot_usec = USEC_INFINITY;
        now = observe_clock(engine);
        /* What falls due while this runs waits for the next turn, so that the loop serves others between. */
        while ((first = heap_first(&engine->due)) && first->key <= now.boot_usec + SENT_TOGETHER_USEC) {
                look_at(engine, container_of(first, struct target, due), now);
                /* It was no check that was near: that comes at its own time. */
                if (first->place && first->key <= now.boot_usec + SENT_TOGETHER_USEC)
                        break;
        }
        arm(engine);
        return 0;
}

static void take_report(void *userdata, const struct probe_report *report) {
        struct engine *engine = userdata;
        struct target *target = registry_by_id(engine->registry, report->database);
        struct instant now;
        enum state previous;
        struct edges edges = {0};

        if (!target)
                return;
        now = observe_clock(engine);
        previous = target->state;
        if (report->kind == PROBE_REPORT_SESSION)
                target_session_ended(target, &report->attempt, report->bare_eof, now, &edges);
        else if (target->in_flight && report->attempt.id == target->in_flight_id) {
                bool own_network = registry_note_network(engine->registry, target, &report->attempt);

                give_place_back(engine, target);
                if (report->attempt.door_let_in && !target->door_open)
                        log_entry(LOG_WARNING, MESSAGE_ID_DOOR_OPEN,
                                  (struct log_field[]){{"PGWAKE_DATABASE", target->config->name}}, 1,
                                  "%s lets a connection in without a password: no more door checks are sent to it", target->config->name);
                target_finish(target, &report->attempt, own_network, now, &edges);
                /* A smart shutdown waits for the last session to go, and ours is one of no use to anybody. */
                if (report->attempt.reason == REASON_SERVER_STOPPING && target->session_held) {
                        probe_pool_drop_session(engine->pool, target->id);
                        target_session_dropped(target);
                }
        }
        settle(engine, target, previous, &edges);
        /* Who waits comes before who has just had a place. */
        start_waiting(engine, now);
        attend(engine, target, now);
        arm(engine);
}

static int add_target(struct engine *engine, const struct database_config *config, struct instant now, struct target **ret_target) {
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
        *ret_target = target;
        return 0;
}

/* Forgets what runs for TARGET: its attempt, its session, its place in the queue. */
static void let_go(struct engine *engine, struct target *target) {
        probe_pool_forget(engine->pool, target->id);
        give_place_back(engine, target);
        heap_remove(&engine->waiting, &target->waiting);
}

static void remove_target(struct engine *engine, struct target *target) {
        let_go(engine, target);
        heap_remove(&engine->due, &target->due);
        registry_remove(engine->registry, target);
        (void)target_free(target);
}

static unsigned count_processors(void) {
        cpu_set_t set;

        return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (unsigned)CPU_COUNT(&set);
}

int engine_new(sd_event *event, const struct config *config, struct engine **ret_engine) {
        struct engine *engine = calloc(1, sizeof(*engine));
        struct instant now = clock_now();
        int r;

        if (!engine)
                return -ENOMEM;
        engine->event = sd_event_ref(event);
        engine->config = config;
        engine->armed_boot_usec = USEC_INFINITY;
        engine->suspended_usec = now.suspended_usec;
        r = registry_new(&engine->registry);
        if (r >= 0)
                r = probe_pool_new(event, MIN(count_processors(), PROBERS_MAX), take_report, engine, &engine->pool);
        if (r >= 0)
                r = sd_event_add_time(event, &engine->timer, CLOCK_BOOTTIME, USEC_INFINITY, TIMER_ACCURACY_USEC, on_timer, engine);
        if (r >= 0) {
                (void)sd_event_source_set_description(engine->timer, "engine-due");
                r = sd_event_source_set_enabled(engine->timer, SD_EVENT_OFF);
        }
        for (size_t i = 0; r >= 0 && i < config->n_databases; i++) {
                struct target *target;

                r = add_target(engine, &config->databases[i], now, &target);
                if (r >= 0)
                        attend(engine, target, now);
        }
        if (r < 0) {
                (void)engine_free(engine, 0);
                return r;
        }
        arm(engine);
        *ret_engine = engine;
        return 0;
}

struct engine *engine_free(struct engine *engine, uint64_t timeout_usec) {
        if (!engine)
                return NULL;
        engine->pool = probe_pool_free(engine->pool, timeout_usec);
        engine->timer = sd_event_source_disable_unref(engine->timer);
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

static void tell_membership(struct engine *engine, const struct target *target, enum event_kind kind, enum state previous,
                            struct instant now) {
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
        publish(engine, target, &edges);
}

/* The sweep: what the new configuration does not have, or has in another form. From the end, so that places before it stay. */
static void sweep(struct engine *engine, const struct config *config, struct instant now, struct reload_summary *summary) {
        for (size_t i = registry_count(engine->registry); i-- > 0;) {
                struct target *target = registry_at(engine->registry, i);
                const struct database_config *database = config_database(config, target->config->name);

                if (database && database_config_equal(target->config, database)) {
                        target_reconfigure(target, database);
                        summary->unchanged++;
                        continue;
                }
                if (!database) {
                        summary->removed++;
                        tell_membership(engine, target, EVENT_REMOVED, target->state, now);
                        remove_target(engine, target);
                }
        }
}

/* A database whose settings changed starts anew; its generation only grows, for sessions of others may be those of another server. */
static int replace_target(struct engine *engine, struct target *old, const struct database_config *config, struct instant now) {
        uint64_t generation = old->generation + 1;
        enum state previous = old->state;
        struct target *target = NULL;
        int r;

        remove_target(engine, old);
        r = add_target(engine, config, now, &target);
        if (r < 0)
                return r;
        target->generation = generation;
        tell_membership(engine, target, EVENT_STATE, previous, now);
        attend(engine, target, now);
        return 0;
}

static int take_in(struct engine *engine, const struct database_config *config, struct instant now, struct reload_summary *summary) {
        struct target *target = registry_by_name(engine->registry, config->name);
        int r;

        if (target && target->config == config)
                return 0;
        if (target) {
                summary->changed++;
                return replace_target(engine, target, config, now);
        }
        r = add_target(engine, config, now, &target);
        if (r < 0)
                return r;
        summary->added++;
        tell_membership(engine, target, EVENT_ADDED, target->state, now);
        attend(engine, target, now);
        return 0;
}

int engine_reload(struct engine *engine, const struct config *config, struct reload_summary *ret_summary) {
        struct reload_summary summary = {0};
        struct instant now = observe_clock(engine);
        int r = 0;

        sweep(engine, config, now, &summary);
        engine->config = config;
        /* To the end, whatever fails: nothing may go on borrowing from the old configuration. */
        for (size_t i = 0; i < config->n_databases; i++) {
                int k = take_in(engine, &config->databases[i], now, &summary);

                r = r < 0 ? r : k;
        }
        start_waiting(engine, now);
        arm(engine);
        *ret_summary = summary;
        return r;
}

const struct registry *engine_registry(struct engine *engine) {
        (void)observe_clock(engine);
        return engine->registry;
}

uint64_t engine_sequence(const struct engine *engine) {
        return engine->sequence;
}

void engine_number_from(struct engine *engine, uint64_t sequence) {
        engine->sequence = sequence;
}

enum reason engine_wake(struct engine *engine, struct target *target, enum wake_cause cause) {
        struct instant now = observe_clock(engine);
        enum reason refusal = target_wake(target, cause, now);

        attend(engine, target, now);
        arm(engine);
        return refusal;
}

void engine_pause(struct engine *engine, struct target *target, uint64_t for_usec) {
        struct instant now = observe_clock(engine);
        enum state previous = target->state;
        struct edges edges = {0};

        if (for_usec > 0)
                let_go(engine, target);
        target_pause(target, for_usec, now, &edges);
        settle(engine, target, previous, &edges);
        attend(engine, target, now);
        start_waiting(engine, now);
        arm(engine);
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
