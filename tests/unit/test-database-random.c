/* Random inputs for a database, in any order: invariants that always hold. */
#include "scene.h"

#include "base/random.h"

#include <stdio.h>

#define WORLDS 400
#define STEPS 1500

static uint64_t dice;

static uint64_t below(uint64_t n) {
        return random_next(&dice) % n;
}

static uint64_t one_of(const uint64_t *values, size_t n) {
        return values[below(n)];
}

#define ONE_OF(...) one_of((const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

struct history {
        enum state state;
        enum reason reason;
        uint64_t generation, told_generation, failures, wakes, attempts;
        unsigned checks_in_one_instant;
        uint64_t last_check_boot_usec;
        uint64_t awake_usec, ours_usec, counted_boot_usec;
        uint64_t budgets_spent;
        bool spent;
};

static struct scene random_scene(void) {
        static const char *const hosts[] = {
                "db.example.org", "ep-x.eu.neon.tech", "ep-x-pooler.eu.neon.tech", "db.cluster-abc.eu-central-1.rds.amazonaws.com",
                "/run/postgresql",
        };
        struct scene s = scene(hosts[below(ARRAY_LENGTH(hosts))]);

        s.config.policy = (enum policy)below(POLICY_OBSERVE + 1);
        s.config.ping_interval_usec = ONE_OF(10 * MSEC, SEC, 10 * SEC, 5 * MIN_);
        s.config.login_interval_usec = ONE_OF(10 * MSEC, SEC, 60 * SEC, USEC_PER_DAY);
        s.config.door_interval_usec = ONE_OF(0, 10 * MSEC, 30 * SEC, USEC_PER_HOUR);
        s.config.retry_interval_usec = ONE_OF(10 * MSEC, SEC, MIN_);
        s.config.down_interval_usec = ONE_OF(10 * MSEC, 15 * SEC, 10 * MIN_);
        s.config.blocked_interval_usec = ONE_OF(SEC, 5 * MIN_);
        s.config.jitter_permille = (unsigned)ONE_OF(0, 100, 500);
        s.config.attempt_timeout_usec = ONE_OF(SEC, 30 * SEC);
        s.config.slow_usec = ONE_OF(10 * MSEC, 500 * MSEC, MIN_);
        s.config.wake_timeout_usec = ONE_OF(100 * MSEC, 3 * MIN_);
        s.config.rise = (unsigned)(1 + below(3));
        s.config.fall = (unsigned)(1 + below(4));
        s.config.linger_usec = ONE_OF(0, SEC, 60 * SEC);
        s.config.fresh_for_usec = ONE_OF(0, 0, 20 * SEC);
        s.config.suspend_after_usec = ONE_OF(0, SEC);
        s.config.wake_at_start = below(2);
        s.config.budget_awake_usec = ONE_OF(0, 0, 0, MIN_, 100 * USEC_PER_HOUR);
        s.config.expect = (struct expect){.has_primary = below(2), .primary = true};
        s.never_holds = below(8) == 0;
        return s;
}

static enum reason random_reason(enum check check) {
        static const enum reason some[] = {
                REASON_DNS_FAILED, REASON_TCP_REFUSED, REASON_AUTH_TIMEOUT, REASON_AUTH_PASSWORD, REASON_SERVER_STARTING,
                REASON_SERVER_RECOVERING,
                REASON_SERVER_FULL, REASON_SERVER_STOPPING, REASON_PROVIDER_TRANSIENT, REASON_PROVIDER_THROTTLED, REASON_PROVIDER_QUOTA,
                REASON_QUERY_TIMEOUT, REASON_SERVER_STARTING, REASON_SESSION_LOST, REASON_EXPECT_VALUE, REASON_UNCLASSIFIED,
        };
        enum reason reason = some[below(ARRAY_LENGTH(some))];

        if (below(3) > 0)
                return REASON_NONE;
        if (check == CHECK_DOOR && reason_class(reason) == CLASS_DEGRADED)
                return REASON_NONE;
        return reason == REASON_SESSION_LOST && check != CHECK_PING ? REASON_TCP_RESET : reason;
}

static void start_what_is_due(struct scene *s, struct history *h) {
        struct plan plan = policy_next(s->t);

        /* An endless loop within one instant: checks must not repeat forever at the same time. */
        h->checks_in_one_instant = s->now.boot_usec == h->last_check_boot_usec ? h->checks_in_one_instant + 1 : 0;
        h->last_check_boot_usec = s->now.boot_usec;
        assert_true(h->checks_in_one_instant < 12);
        if (below(50) == 0) {
                scene_begun(s, plan.check);
                scene_not_begun(s, plan.check);
                return;
        }
        scene_begun(s, plan.check);
        h->attempts++;
}

static void let_end(struct scene *s) {
        struct attempt a = scene_attempt(s, random_reason(s->t->in_flight.check));

        if (a.reason == REASON_EXPECT_VALUE)
                a.session_held = s->t->session_held;
        a.door_let_in = a.check == CHECK_DOOR && a.reason == REASON_NONE && below(200) == 0;
        finish_as(s, a, a.reason == REASON_DNS_FAILED && below(2));
}

static void cut_at_random(struct scene *s) {
        if (below(2))
                session_ends(s, REASON_SESSION_CUT, "57P01", false);
        else
                session_ends(s, REASON_SESSION_LOST, "", true);
}

/* The engine would end its leases when the budget is spent; here that is left to chance. */
static void lease_at_random(struct scene *s) {
        if (s->t->n_leases > 0 && below(2))
                scene_input(s, INPUT_LEASE_END);
        else if (scene_input(s, INPUT_LEASE) != REASON_NONE)
                assert_true(s->t->paused_until_boot_usec || s->t->budget_spent || s->t->state == STATE_BLOCKED);
}

/* The database continues from what it remembered. */
static void restart_at_random(struct scene *s) {
        struct memory memory, again;
        struct database *fresh;

        database_remember(s->t, s->now, &memory);
        assert_int_equal(database_new(8, &s->config, s->now, &fresh), 0);
        database_restore(fresh, &memory, REASON_STALE, s->now);
        database_remember(fresh, s->now, &again);
        assert_memory_equal(&memory.counts.attempts, &again.counts.attempts, sizeof(memory.counts.attempts));
        assert_memory_equal(&memory.counts.failures_by_reason, &again.counts.failures_by_reason, sizeof(memory.counts.failures_by_reason));
        assert_memory_equal(&memory.counts.wakes_by_cause, &again.counts.wakes_by_cause, sizeof(memory.counts.wakes_by_cause));
        assert_memory_equal(&memory.wake_latency, &again.wake_latency, sizeof(memory.wake_latency));
        assert_memory_equal(&memory.account, &again.account, sizeof(memory.account));
        assert_int_equal(memory.counts.generation, again.counts.generation);
        sums_agree(fresh);
        database_free(fresh);
}

static void random_step(struct scene *s, struct history *h) {
        s->phase = (enum phase)below(_PHASE_MAX);
        s->server.in_recovery = below(20) == 0;
        switch (below(22)) {
        case 0:
                if (below(3) == 0)
                        cut_at_random(s);
                return;
        case 1:
                (void)scene_wake(s, (enum wake_cause)below(WAKE_OTHER));
                return;
        case 2:
                if (below(4) == 0)
                        pause_for(s, ONE_OF(0, SEC, USEC_PER_HOUR));
                return;
        case 3:
                if (below(10) == 0)
                        host_sleeps(s, ONE_OF(2 * SEC, USEC_PER_HOUR));
                return;
        case 4:
                server_starts(s);
                return;
        case 5:
                /* An attempt always ends in its time; without one, days may go by. */
                if (s->t->in_flight.id)
                        pass(s, below(s->config.attempt_timeout_usec));
                else if (below(4) == 0)
                        pass(s, below(ONE_OF(10 * MSEC, SEC, MIN_, USEC_PER_DAY)));
                return;
        case 6:
                lease_at_random(s);
                return;
        case 7:
                restart_at_random(s);
                return;
        default:
                break;
        }
        if (s->t->in_flight.id) {
                pass(s, MIN(below(ONE_OF(1, 20 * MSEC, SEC, 40 * SEC)), s->config.attempt_timeout_usec));
                if (s->t->in_flight.id)
                        let_end(s);
        } else if (policy_next(s->t).due_boot_usec != USEC_INFINITY) {
                pass(s, next_in(s));
                if (policy_next(s->t).due_boot_usec <= s->now.boot_usec)
                        start_what_is_due(s, h);
        } else
                pass(s, below(10 * MIN_));
}

static void events_are_changes(struct scene *s, struct history *h) {
        for (; s->read < s->logged; s->read++) {
                const struct event *e = &s->log[s->read].event;
                bool grew = e->generation > h->told_generation;

                h->told_generation = e->generation;
                if (e->kind == EVENT_BUDGET) {
                        assert_true(s->config.budget_awake_usec > 0 && (e->reason == REASON_BUDGET_SPENT) == !h->spent);
                        h->spent = !h->spent;
                        h->budgets_spent += h->spent;
                        continue;
                }
                assert_true(e->kind == EVENT_STATE || e->kind == EVENT_WAKE);
                if (e->kind == EVENT_WAKE) {
                        assert_true(e->state == STATE_AWAKE || e->state == STATE_DEGRADED || s->config.rise > 1);
                        assert_int_equal(e->state, h->state);
                        continue;
                }
                assert_int_equal(e->previous, h->state);
                assert_false(e->state == h->state && e->reason == h->reason && !grew);
                h->state = e->state;
                h->reason = e->reason;
        }
        assert_int_equal(s->t->state, h->state);
        assert_int_equal(s->t->reason, h->reason);
        assert_int_equal(s->t->counts.generation, h->told_generation);
        s->read = s->logged = 0;
}

static void verdicts_have_their_evidence(const struct scene *s) {
        const struct database *t = s->t;

        /* A wake runs, or it was answered; where the session was cut after that, the next login tells. */
        if (t->state == STATE_WAKING)
                assert_true(t->wake.began_boot_usec > 0 || t->answers_needed > 0 || t->in_flight.id ||
                            policy_next(t).due_boot_usec != USEC_INFINITY);
        assert_int_equal(database_ready(t), t->state == STATE_AWAKE);
        assert_int_equal(t->reason == REASON_NONE, t->state == STATE_AWAKE);
        if (t->state == STATE_AWAKE) {
                assert_true(t->counts.last_success_real_usec > 0);
                assert_true(database_fresh_until(t) > s->now.boot_usec);
                /* For ever only while a session stands there to tell of the end. */
                if (database_fresh_until(t) == USEC_INFINITY)
                        assert_true(t->session_held);
        }
        if (t->state == STATE_ASLEEP)
                assert_true(t->provider->suspends && !t->session_held);
        if (t->state == STATE_DOWN || t->state == STATE_BLOCKED || t->state == STATE_FULL || t->state == STATE_DEGRADED)
                assert_true(database_fresh_until(t) > s->now.boot_usec);
}

static void the_plan_is_allowed(const struct scene *s) {
        const struct database *t = s->t;
        struct plan plan = policy_next(t);

        assert_true(database_due(t) > s->now.boot_usec);
        if (t->paused_until_boot_usec || t->in_flight.id) {
                assert_int_equal(plan.due_boot_usec, USEC_INFINITY);
                return;
        }
        if (policy_of(t) == POLICY_KEEP_AWAKE && !t->budget_spent)
                assert_int_not_equal(plan.due_boot_usec, USEC_INFINITY);
        else if (!database_has_demand(t) && plan.due_boot_usec != USEC_INFINITY)
                assert_int_equal(plan.check, CHECK_DOOR);
        if (t->budget_spent && plan.due_boot_usec != USEC_INFINITY)
                assert_int_equal(plan.check, CHECK_DOOR);
        if (plan.due_boot_usec == USEC_INFINITY)
                return;
        if (plan.check == CHECK_PING)
                assert_true(t->session_held);
        if (plan.check == CHECK_DOOR)
                assert_true(t->provider->door_is_free && !t->evidence.door_lets_in && t->config->door_interval_usec > 0);
}

/* No time is counted twice, and none from before the scene or while nobody could have observed it. */
static void the_account_is_true(const struct scene *s, struct history *h) {
        struct account account = database_account(s->t, s->now);

        assert_true(account.awake_usec >= h->awake_usec && account.ours_usec >= h->ours_usec);
        assert_true(account.awake_usec - h->awake_usec <= s->now.boot_usec - h->counted_boot_usec);
        assert_true(account.ours_usec - h->ours_usec <= account.awake_usec - h->awake_usec);
        assert_true(account.month_awake_usec <= account.awake_usec);
        assert_int_equal(s->t->budget_spent, h->spent);
        if (s->t->state == STATE_AWAKE && s->t->session_held)
                assert_int_equal(account.counted_real_usec, s->now.real_usec);
        /* An answer may add the server's uptime, back to when it was last known to be awake. */
        h->counted_boot_usec = s->now.boot_usec - (s->now.real_usec - account.counted_real_usec);
        h->awake_usec = account.awake_usec;
        h->ours_usec = account.ours_usec;
}

static void counters_only_grow(const struct scene *s, struct history *h) {
        const struct database *t = s->t;

        assert_true(t->counts.generation >= h->generation);
        assert_true(database_failures(t) >= h->failures);
        assert_true(database_wakes(t) >= h->wakes);
        h->generation = t->counts.generation;
        h->failures = database_failures(t);
        h->wakes = database_wakes(t);
        sums_agree(t);
        the_account_is_true(s, h);
}

static void whatever_happens_the_rules_hold(void **state) {
        uint64_t attempts = 0, wakes = 0, budgets_spent = 0, seen[_STATE_MAX] = {0};

        (void)state;
        for (uint64_t world = 1; world <= WORLDS; world++) {
                struct scene s;
                struct history h = {.state = STATE_UNKNOWN, .reason = REASON_NOT_CHECKED};

                dice = world;
                s = random_scene();
                scene_begin(&s);
                h.counted_boot_usec = s.now.boot_usec;
                for (unsigned step = 0; step < STEPS; step++) {
                        random_step(&s, &h);
                        if (database_due(s.t) <= s.now.boot_usec)
                                scene_tick(&s);
                        events_are_changes(&s, &h);
                        verdicts_have_their_evidence(&s);
                        the_plan_is_allowed(&s);
                        counters_only_grow(&s, &h);
                        seen[s.t->state]++;
                }
                attempts += h.attempts;
                wakes += h.wakes;
                budgets_spent += h.budgets_spent;
                scene_end(&s);
        }
        print_message("%llu attempts, %llu wakes; steps in", (unsigned long long)attempts, (unsigned long long)wakes);
        for (unsigned i = 0; i < _STATE_MAX; i++)
                print_message(" %s %llu", state_name((enum state)i), (unsigned long long)seen[i]);
        print_message("\n");
        /* The dice were good: every state was walked through, often. */
        for (unsigned i = 0; i < _STATE_MAX; i++)
                assert_true(seen[i] > 100);
        assert_true(wakes > 100 && budgets_spent > 50);
}

/* A login to a server that started UPTIME before it is answered. */
static void one_login(struct scene *s, uint64_t began_boot_usec, uint64_t uptime_usec) {
        struct attempt attempt = {
                .id = ++s->next_attempt,
                .check = CHECK_LOGIN,
                .started_boot_usec = began_boot_usec,
                .ended_boot_usec = s->now.boot_usec,
                .total_usec = s->now.boot_usec - began_boot_usec,
                .server = {.version = 150018, .uptime_usec = uptime_usec, .started_real_usec = s->now.real_usec - uptime_usec},
        };

        s->read = s->logged = 0;
        (void)scene_step(s, &(struct input){.kind = INPUT_BEGUN, .check = CHECK_LOGIN, .attempt_id = attempt.id});
        (void)scene_step(s, &(struct input){.kind = INPUT_ATTEMPT, .attempt = &attempt});
}

/* The same server is checked by one database that knew the past from the start, and by one that learns it only after RECALLED logins. */
static void play_twice(unsigned recalled) {
        struct memory memory = {.counts = {.generation = 5, .wakes_by_cause[WAKE_LEASE] = 2}};
        struct scene early = scene("ep-x.eu.neon.tech"), late = early;
        uint64_t started = early.now.real_usec - ONE_OF(MIN_, USEC_PER_HOUR);
        unsigned met = 0; /* starts up to the first answer after that */

        early.config.policy = late.config.policy = POLICY_KEEP_AWAKE;
        scene_begin(&early);
        scene_begin(&late);
        memory.counts.server_started_real_usec = below(4) > 0 ? started : 0;
        memory.saved_real_usec = early.now.real_usec;
        database_restore(early.t, &memory, REASON_STALE, early.now);
        late.t->past_is_to_come = true;
        for (unsigned i = 0; i <= 6; i++) {
                uint64_t began;

                if (i == recalled) {
                        late.t->past_is_to_come = false;
                        (void)scene_step(&late, &(struct input){.kind = INPUT_RECALLED, .memory = &memory});
                        assert_true(late.t->counts.generation >= memory.counts.generation);
                }
                pass(&early, MIN_);
                pass(&late, MIN_);
                began = early.now.boot_usec;
                if (below(3) == 0)
                        started = early.now.real_usec - ONE_OF(0, 30 * SEC);
                met += i <= recalled && started > early.t->counts.server_started_real_usec;
                pass(&early, 300 * MSEC);
                pass(&late, 300 * MSEC);
                one_login(&early, began, early.now.real_usec - started);
                one_login(&late, began, late.now.real_usec - started);
        }
        assert_int_equal(late.t->counts.server_started_real_usec, early.t->counts.server_started_real_usec);
        assert_int_equal(late.t->counts.generation > memory.counts.generation, early.t->counts.generation > memory.counts.generation);
        /* The first of several may be lost; a single one is not, and a known one does not count again. */
        assert_in_range(late.t->counts.generation, early.t->counts.generation - (met > 1), early.t->counts.generation);
        assert_in_range(database_wakes(late.t), database_wakes(early.t) - (met > 1), database_wakes(early.t));
        assert_int_equal(late.t->woken_server_real_usec, early.t->woken_server_real_usec);
        scene_end(&early);
        scene_end(&late);
}

static void what_is_recalled_late_counts_as_if_it_had_been_known(void **state) {
        (void)state;
        dice = 3;
        for (unsigned world = 0; world < 2000; world++)
                play_twice((unsigned)below(7));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(whatever_happens_the_rules_hold),
                UNIT_TEST(what_is_recalled_late_counts_as_if_it_had_been_known),
        };

        return UNIT_RUN(tests);
}
