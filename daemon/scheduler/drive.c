/*
 * One heap holds the time of each database's next step; one timer is armed for the first. So a loop iteration costs what is due, not what
 * is configured, and nothing due means no wake-up. The clock is CLOCK_BOOTTIME: anything that came due while the host was suspended is due
 * at once on resume.
 */
#include "scheduler/inside.h"

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/message-id.h"

#include <inttypes.h>
#include <stdio.h>

/* Checks that are due this close to one another are sent together: one wake-up of the loop and of each prober instead of many. */
#define SENT_TOGETHER_USEC (2 * USEC_PER_MSEC)
/* One slot in this many, at least one if there are several, is reserved for databases with demand. */
#define KEPT_FOR_DEMAND 4
#define QUEUE_LEAD_USEC USEC_PER_MINUTE

void drive_arm(struct engine *engine) {
        const struct heap_item *first = heap_first(&engine->due);

        timer_set(&engine->timer, first ? first->key : USEC_INFINITY);
}

void drive_publish(struct engine *engine, const struct database *database, struct event_list *events) {
        for (unsigned i = 0; i < events->n; i++) {
                events->list[i].sequence = ++engine->sequence;
                for (struct observer *o = engine->observers, *next; o; o = next) {
                        next = o->next;
                        o->notify(o->userdata, &events->list[i], database);
                }
        }
        events->n = 0;
}

void drive_touch(struct engine *engine, const struct database *database) {
        for (struct observer *o = engine->observers; o; o = o->next)
                if (o->touched)
                        o->touched(o->userdata, database);
}

static void tell_attempt(struct engine *engine, const struct database *database, const struct attempt *attempt) {
        for (struct observer *o = engine->observers; o; o = o->next)
                if (o->attempted)
                        o->attempted(o->userdata, database, attempt);
}

/* Debug messages from which a verdict can be traced back. */
#define debug(database, ...) \
        log_entry(LOG_DEBUG, NULL, (struct log_field[]){{"PGWAKE_DATABASE", (database)->config->name}}, 1, __VA_ARGS__)

/* Everything that decides whether the session ended as a suspend ends it (health/evaluate.c). */
static void debug_session_end(const struct database *database, const struct input *input, struct instant now, const char *verdict) {
        const char *word = input->bare_eof ? "without a word" : input->attempt->sqlstate[0] ? input->attempt->sqlstate : "by an error";
        char idle[DURATION_MAX], after[DURATION_MAX];

        debug(database, "%s: the session ended %s, %s after our last query (suspend_after: %s), %s a suspend ends it: %s",
              database->config->name, word, duration_format_human(idle, usec_sub(now.boot_usec, database->asked_boot_usec)),
              duration_format_human(after, database_suspend_after_usec(database)),
              database->evidence.cut_like_suspend ? "as" : "not as", verdict);
}

/* The input and the verdict that follows from it. If that changed nothing, only attempts and session ends are logged. */
static void debug_step(const struct database *database, const struct input *input, enum state state, enum reason reason, bool held,
                       struct instant now) {
        bool same = database->state == state && database->reason == reason, ends = held && input->kind == INPUT_SESSION_ENDED;
        const struct attempt *attempt = input->attempt;
        char took[DURATION_MAX] = "", verdict[128];

        if (!log_is_said(LOG_DEBUG) || (same && input->kind != INPUT_ATTEMPT && !ends))
                return;
        (void)snprintf(verdict, sizeof(verdict), "%s (%s)%s%s", state_name(database->state), reason_slug(database->reason),
                       same ? " as before" : ", and was ", same ? "" : state_name(state));
        if (input->kind == INPUT_ATTEMPT)
                debug(database, "%s: %s %" PRIu64 " ended after %s: %s: %s", database->config->name, check_name(attempt->check), attempt->id,
                      duration_format_human(took, attempt->total_usec), reason_slug(attempt->reason), verdict);
        else if (ends)
                debug_session_end(database, input, now, verdict);
        else
                debug(database, "%s: %s: %s", database->config->name, input_name(input->kind), verdict);
}

static void debug_plan(const struct database *database, struct plan plan, uint64_t look_again, struct instant now) {
        char in[DURATION_MAX];

        if (!log_is_said(LOG_DEBUG) || database->due.key == look_again)
                return;
        if (database->in_flight.id)
                debug(database, "%s: %s %" PRIu64 " is under way", database->config->name, check_name(database->in_flight.check),
                      database->in_flight.id);
        else if (plan.due_boot_usec != USEC_INFINITY)
                debug(database, "%s: the next %s is due in %s", database->config->name, check_name(plan.check),
                      duration_format_human(in, usec_sub(plan.due_boot_usec, now.boot_usec)));
        else if (look_again != USEC_INFINITY)
                debug(database, "%s: no check is due; time may bring something in %s", database->config->name,
                      duration_format_human(in, usec_sub(look_again, now.boot_usec)));
        else
                debug(database, "%s: nothing is due", database->config->name);
}

enum reason drive_step(struct engine *engine, struct database *database, const struct input *input, struct instant now) {
        enum state previous = database->state;
        enum reason reason = database->reason;
        struct step step;
        bool changed, held = database->session_held;

        if (database->news != NEWS_NONE)
                engine_tell_news(engine, database, now);
        database_step(database, input, now, &step);
        debug_step(database, input, previous, reason, held, now);
        if (step.drop_session)
                probe_pool_drop_session(engine->pool, database->id);
        if (step.forget_attempt) {
                probe_pool_forget(engine->pool, database->id);
                engine->in_flight--;
        }
        if (input->kind == INPUT_ATTEMPT)
                tell_attempt(engine, database, input->attempt);
        /* The counts come first: observers must read current ones. */
        registry_note_state(engine->registry, database, previous);
        changed = input->kind != INPUT_BEGUN || step.events.n > 0;
        drive_publish(engine, database, &step.events);
        if (changed)
                drive_touch(engine, database);
        return step.refusal;
}

/*
 * A ping on a held session opens no connection and costs almost nothing, so it needs no slot. Otherwise 64 databases that hang until their
 * deadlines would delay the pings of all others until their verdicts expire.
 */
static bool needs_place(enum check check) {
        return check != CHECK_PING;
}

/*
 * The queue for slots. Checks with demand come before routine ones that have not waited QUEUE_LEAD_USEC longer: hanging servers that are
 * needed starve nobody. The key is twice the time that orders the queue, plus 1 for a routine check.
 */
static bool is_routine(uint64_t key) {
        return key & 1;
}

/* Some slots are reserved for databases with demand, and for checks that have waited too long. */
static bool drive_has_place(const struct engine *engine, const struct database *database, struct instant now) {
        size_t limit = engine->config->attempts_in_flight, kept = limit > 1 ? MAX(limit / KEPT_FOR_DEMAND, 1) : 0;
        bool waited = database->waiting.place && database->waiting.key / 2 <= now.boot_usec;

        return engine->in_flight < (database_has_demand(database) || waited ? limit : limit - kept);
}

static int queue(struct engine *engine, struct database *database, struct instant now) {
        uint64_t key = database->waiting.key;

        if (!database->waiting.place) {
                engine->next_ticket = MAX(engine->next_ticket + 1, now.boot_usec);
                key = 2 * (engine->next_ticket + QUEUE_LEAD_USEC) + 1;
        }
        if (is_routine(key) && database_has_demand(database))
                key -= 2 * QUEUE_LEAD_USEC + 1;
        return heap_set(&engine->waiting, &database->waiting, key);
}

void drive_give_place_back(struct engine *engine, const struct database *database) {
        if (database->in_flight.id && needs_place(database->in_flight.check))
                engine->in_flight--;
}

static void drive_not_begun(struct engine *engine, struct database *database, enum check check, struct instant now) {
        (void)drive_step(engine, database, &(struct input){.kind = INPUT_NOT_BEGUN, .check = check}, now);
}

static bool start_check(struct engine *engine, struct database *database, enum check check, struct instant now) {
        const struct database_config *config = database->config;
        struct probe_request request = {
                .database = database->id,
                .attempt = ++engine->next_attempt_id,
                .check = check,
                .conninfo = config->conninfo,
                .provider = database->provider,
                .timeout_usec = config->attempt_timeout_usec,
                .expect_query = config->expect.query,
                .expect_value = config->expect.value,
                .want_lag = config->expect.max_lag_usec > 0,
                .hold_session = !database->provider->session_keeps_awake,
        };
        int r;

        (void)drive_step(engine, database, &(struct input){.kind = INPUT_BEGUN, .check = check, .attempt_id = request.attempt}, now);
        r = probe_pool_check(engine->pool, &request);
        if (r < 0) {
                log_error("%s: cannot start a %s check: %s; trying again later", config->name, check_name(check), strerror(-r));
                drive_not_begun(engine, database, check, now);
                return false;
        }
        engine->in_flight += needs_place(check);
        return true;
}

/* A database that waits for a slot is still pinged. */
static struct plan next_plan(const struct database *database) {
        return database->waiting.place ? policy_next_ping(database) : policy_next(database);
}

void drive_attend(struct engine *engine, struct database *database, struct instant now) {
        struct plan plan;
        uint64_t look_again;
        bool may;

        if (engine->stopping)
                return;
        may = drive_has_place(engine, database, now);
        if (database->waiting.place && may)
                heap_remove(&engine->waiting, &database->waiting);
        else if (database->waiting.place)
                (void)queue(engine, database, now); /* demand may have begun while it waited */
        plan = next_plan(database);
        if (plan.due_boot_usec <= now.boot_usec + SENT_TOGETHER_USEC) {
                if (!needs_place(plan.check) || may)
                        (void)start_check(engine, database, plan.check, now);
                else if (queue(engine, database, now) < 0)
                        drive_not_begun(engine, database, plan.check, now);
        }
        /* Only here: nobody is about to link a lease, or iterates over the list. */
        if (database->budget_spent)
                leases_end(engine, database, LEASE_END_BUDGET, now);
        plan = next_plan(database);
        look_again = MIN(database_due(database), plan.due_boot_usec);
        debug_plan(database, plan, look_again, now);
        if (look_again == USEC_INFINITY)
                heap_remove(&engine->due, &database->due);
        /* Never twice in one loop iteration. */
        else if (heap_set(&engine->due, &database->due, MAX(look_again, now.boot_usec + 1)) < 0)
                log_error("%s: out of memory: it will not be checked until something happens to it", database->config->name);
}

void drive_look_soon(struct engine *engine, struct database *database, struct instant now) {
        if (heap_set(&engine->due, &database->due, now.boot_usec) < 0)
                drive_attend(engine, database, now);
        drive_arm(engine);
}

void drive_start_waiting(struct engine *engine, struct instant now) {
        struct heap_item *first;

        while (!engine->stopping && (first = heap_first(&engine->waiting))) {
                struct database *database = container_of(first, struct database, waiting);

                if (!drive_has_place(engine, database, now))
                        return;
                drive_attend(engine, database, now); /* takes it out of the queue */
        }
}

static void look_at(struct engine *engine, struct database *database, struct instant now) {
        struct input input = {.kind = INPUT_TIME, .phase = PHASE_RESOLVE};

        if (database_is_slow(database, now))
                (void)probe_pool_phase(engine->pool, database->id, &input.phase);
        (void)drive_step(engine, database, &input, now);
        drive_attend(engine, database, now);
}

static void host_was_suspended(struct engine *engine, struct instant now) {
        log_entry(LOG_NOTICE, MESSAGE_ID_HOST_SUSPENDED, NULL, 0,
                  "The host was suspended: every verdict is stale until it is checked again");
        for (size_t i = 0; i < registry_count(engine->registry); i++)
                (void)drive_step(engine, registry_at(engine->registry, i), &(struct input){.kind = INPUT_HOST_SUSPENDED}, now);
        /* Demand that ended during the suspend must not wake anything. */
        leases_expire(engine, now);
        for (size_t i = 0; i < registry_count(engine->registry); i++)
                drive_attend(engine, registry_at(engine->registry, i), now);
}

struct instant drive_observe_clock(struct engine *engine) {
        struct instant now = clock_now();

        if (now.suspended_usec > engine->suspended_usec + CLOCK_SUSPEND_MIN_USEC)
                now = clock_now(); /* a thread that was preempted between two clock readings sees the same only once */
        if (now.suspended_usec > engine->suspended_usec + CLOCK_SUSPEND_MIN_USEC) {
                engine->suspended_usec = now.suspended_usec;
                host_was_suspended(engine, now);
                drive_arm(engine);
        }
        return now;
}

void drive_on_timer(void *userdata) {
        struct engine *engine = userdata;
        struct instant now = drive_observe_clock(engine);
        struct heap_item *first;

        /* What comes due during this run waits for the next iteration, so that the loop serves others in between. */
        while ((first = heap_first(&engine->due)) && first->key <= now.boot_usec + SENT_TOGETHER_USEC) {
                look_at(engine, container_of(first, struct database, due), now);
                /* The item that was near was not a check: it comes at its own time. */
                if (first->place && first->key <= now.boot_usec + SENT_TOGETHER_USEC)
                        break;
        }
        drive_arm(engine);
}

static void note_durations(struct engine *engine, const struct attempt *attempt) {
        for (enum phase phase = 0; phase < _PHASE_MAX; phase++)
                if (attempt->phase_usec[phase] > 0)
                        tally_add(&engine->durations[attempt->check][phase], attempt->phase_usec[phase]);
}

static void warn_of_open_door(const struct database *database) {
        log_entry(LOG_WARNING, MESSAGE_ID_DOOR_OPEN, (struct log_field[]){{"PGWAKE_DATABASE", database->config->name}}, 1,
                  "%s lets a connection in without a password: no more door checks are sent to it", database->config->name);
}

static void take_attempt(struct engine *engine, struct database *database, const struct attempt *attempt, struct instant now) {
        struct input input = {.kind = INPUT_ATTEMPT, .attempt = attempt};

        if (!database->in_flight.id || attempt->id != database->in_flight.id)
                return;
        input.own_network = registry_note_network(engine->registry, database, attempt, now);
        drive_give_place_back(engine, database);
        note_durations(engine, attempt);
        if (attempt->door_let_in && !database->evidence.door_lets_in)
                warn_of_open_door(database);
        (void)drive_step(engine, database, &input, now);
}

void drive_take_report(void *userdata, const struct probe_report *report) {
        struct engine *engine = userdata;
        struct database *database = registry_by_id(engine->registry, report->database);
        struct instant now;

        if (!database)
                return;
        now = drive_observe_clock(engine);
        if (report->kind == PROBE_REPORT_ATTEMPT)
                take_attempt(engine, database, &report->attempt, now);
        else
                (void)drive_step(engine, database,
                                 &(struct input){.kind = INPUT_SESSION_ENDED, .attempt = &report->attempt, .bare_eof = report->bare_eof}, now);
        /* Waiting databases come before the one that just had a slot. */
        drive_start_waiting(engine, now);
        drive_attend(engine, database, now);
        drive_arm(engine);
}
