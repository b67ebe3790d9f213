/* Demand: who needs a database, what its being awake costs, whose cost that is, and what a budget ends. */
#include "scene.h"

#define PLAIN "db.example.org"
#define NEON "ep-cool-1.eu-central-1.aws.neon.tech"

static void scene_asleep(struct scene *s) {
        scene_sentinel(s);
        pass(s, 5 * MIN_);
        session_ends(s, REASON_SESSION_CUT, "57P01", false);
        became(s, STATE_UNKNOWN, REASON_SESSION_CUT);
        start(s, CHECK_DOOR);
        ends(s, MSEC, REASON_NONE);
        became(s, STATE_ASLEEP, s->t->budget_spent ? REASON_BUDGET_SPENT : REASON_SESSION_CUT);
        no_edge(s);
}

/* Checks come due and are answered, until GOAL. */
static void live_until(struct scene *s, uint64_t goal) {
        while (s->now.boot_usec < goal) {
                uint64_t due = MIN(MIN(database_due(s->t), policy_next(s->t).due_boot_usec), goal);

                pass(s, usec_sub(due, s->now.boot_usec));
                if (policy_next(s->t).due_boot_usec <= s->now.boot_usec && s->now.boot_usec < goal) {
                        scene_begun(s, policy_next(s->t).check);
                        finish_as(s, scene_attempt(s, REASON_NONE), false);
                }
        }
}

/* The daemon is gone so long. */
static void pass_without(struct scene *s, uint64_t usec) {
        scene_jump(s, s->now.boot_usec + usec);
}

static void wakes_in(struct scene *s, uint64_t usec, enum wake_cause cause) {
        start(s, CHECK_LOGIN);
        server_starts(s);
        ends(s, usec, REASON_NONE);
        if (usec >= s->config.slow_usec)
                became(s, STATE_WAKING, REASON_SERVER_STARTING);
        became(s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(edge(s)->cause, cause);
        assert_int_equal(s->t->counts.last_wake.latency_usec, usec);
}

/* -- leases ----------------------------------------------------------------------------------------------------------------------- */

static void a_lease_wakes_and_keeps_awake_until_its_end_and_the_linger(void **state) {
        struct scene s = scene(NEON);
        uint64_t ended;

        (void)state;
        scene_asleep(&s);
        assert_false(database_has_demand(s.t));
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        wakes_in(&s, 800 * MSEC, WAKE_LEASE);
        live_until(&s, s.now.boot_usec + USEC_PER_DAY);
        is(&s, STATE_AWAKE, REASON_NONE);
        assert_true(s.t->counts.attempts[CHECK_PING][CLASS_OK] > 7000);
        assert_true(database_has_demand(s.t));

        scene_input(&s, INPUT_LEASE_END);
        ended = s.now.boot_usec;
        assert_true(database_has_demand(s.t));
        live_until(&s, ended + s.config.linger_usec);
        assert_false(database_has_demand(s.t));
        nothing_planned(&s);
        assert_int_equal(database_fresh_until(s.t), USEC_INFINITY); /* the sentinel lives */
        is(&s, STATE_AWAKE, REASON_NONE);
        scene_end(&s);
}

static void the_last_of_many_leases_ends_the_demand(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.config.linger_usec = 0;
        scene_asleep(&s);
        for (unsigned i = 0; i < 1000; i++)
                assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        wakes_in(&s, 800 * MSEC, WAKE_LEASE);
        for (unsigned i = 0; i < 999; i++)
                scene_input(&s, INPUT_LEASE_END);
        assert_true(database_has_demand(s.t));
        next_is(&s, CHECK_PING, 10 * SEC);
        scene_input(&s, INPUT_LEASE_END);
        assert_false(database_has_demand(s.t));
        nothing_planned(&s);
        assert_int_equal(database_wakes(s.t), 2);
        scene_end(&s);
}

static void a_lease_of_one_that_is_about_to_sleep_asks_at_once(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        scene_sentinel(&s);
        pass(&s, 4 * MIN_);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        assert_int_equal(next_in(&s), 0);
        assert_int_not_equal(database_fresh_until(s.t), USEC_INFINITY);
        scene_end(&s);
}

static void a_holder_that_goes_during_the_wake_leaves_the_linger(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.config.linger_usec = 10 * SEC;
        scene_asleep(&s);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        start(&s, CHECK_LOGIN);
        pass(&s, SEC);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        scene_input(&s, INPUT_LEASE_END);
        pass(&s, 11 * SEC);
        assert_false(database_has_demand(s.t));
        server_starts(&s);
        ends(&s, SEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(edge(&s)->latency_usec, 13 * SEC);
        nothing_planned(&s);
        scene_end(&s);
}

static void what_is_blocked_is_asked_again_in_its_own_rhythm_and_not_sooner(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, 50 * MSEC, REASON_PROVIDER_QUOTA);
        became(&s, STATE_BLOCKED, REASON_PROVIDER_QUOTA);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_PROVIDER_QUOTA);
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_PROVIDER_QUOTA);
        assert_int_equal(s.t->n_leases, 0);
        next_is(&s, CHECK_LOGIN, 5 * MIN_);
        pass(&s, 5 * MIN_ - 1);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_PROVIDER_QUOTA);
        pass(&s, 1);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        start(&s, CHECK_LOGIN);
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE); /* joins the attempt in flight */
        ends(&s, 50 * MSEC, REASON_PROVIDER_QUOTA);
        is(&s, STATE_BLOCKED, REASON_PROVIDER_QUOTA);
        next_is(&s, CHECK_LOGIN, 5 * MIN_);
        scene_end(&s);
}

static void a_lease_is_refused_while_paused_and_goes_on_over_a_pause(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        scene_asleep(&s);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        wakes_in(&s, 300 * MSEC, WAKE_LEASE);
        pause_for(&s, MIN_);
        became(&s, STATE_UNKNOWN, REASON_PAUSED);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_PAUSED);
        nothing_planned(&s);
        pass(&s, MIN_);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        start(&s, CHECK_LOGIN);
        ends(&s, 20 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        no_edge(&s);
        scene_end(&s);
}

static void presumed_demand_ends_by_itself(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.config.wake_at_start = false;
        s.config.linger_usec = 0;
        scene_begin(&s);
        (void)scene_step(&s, &(struct input){.kind = INPUT_PRESUME, .for_usec = 10 * SEC});
        start(&s, CHECK_LOGIN);
        ends(&s, 20 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        others_woke(&s);
        live_until(&s, s.now.boot_usec + 10 * SEC);
        assert_false(database_has_demand(s.t));
        scene_end(&s);
}

/* -- wakes by others -------------------------------------------------------------------------------------------------------------- */

static void what_others_woke_is_counted_when_it_is_next_seen_and_once(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        scene_asleep(&s);
        pass(&s, 20 * SEC);
        server_starts(&s); /* no event reports it */
        pass(&s, 9 * SEC);
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
        start(&s, CHECK_LOGIN);
        ends(&s, 20 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        others_woke(&s);
        no_edge(&s);
        assert_int_equal(s.t->counts.wakes_by_cause[WAKE_OTHER], 1);
        assert_int_equal(s.t->counts.wakes_by_cause[WAKE_CALL], 0);
        assert_int_equal(s.t->wake_latency->count, 1); /* of the start */
        live_until(&s, s.now.boot_usec + 10 * MIN_);
        assert_int_equal(database_wakes(s.t), 2);
        scene_end(&s);
}

static void a_cut_without_a_new_start_is_no_wake_even_within_the_slack(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        server_starts(&s);
        ends(&s, 300 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(edge(&s)->cause, WAKE_START);
        pass(&s, SEC);
        session_ends(&s, REASON_SESSION_CUT, "57P01", false);
        became(&s, STATE_UNKNOWN, REASON_SESSION_CUT);
        pass(&s, next_in(&s));
        start(&s, CHECK_LOGIN);
        ends(&s, 20 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        no_edge(&s);
        assert_int_equal(database_wakes(s.t), 1);
        scene_end(&s);
}

static void after_rising_the_wake_is_still_one(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.config.rise = 2;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, 20 * MSEC, REASON_TCP_REFUSED);
        became(&s, STATE_UNKNOWN, REASON_TCP_REFUSED);
        pass(&s, next_in(&s));
        start(&s, CHECK_LOGIN);
        server_starts(&s);
        ends(&s, 300 * MSEC, REASON_NONE);
        s.read = s.logged;
        while (s.t->state != STATE_AWAKE) {
                pass(&s, next_in(&s));
                start(&s, CHECK_LOGIN);
                ends(&s, 20 * MSEC, REASON_NONE);
        }
        assert_int_equal(database_wakes(s.t), 1);
        assert_int_equal(s.t->counts.wakes_by_cause[WAKE_OTHER], 0);
        scene_end(&s);
}

/* -- accounts --------------------------------------------------------------------------------------------------------------------- */

static void accounts_are(const struct scene *s, uint64_t awake_usec, uint64_t ours_usec) {
        struct account account = database_account(s->t, s->now);

        if (account.awake_usec != awake_usec || account.ours_usec != ours_usec)
                fail_msg("awake %llu, ours %llu; expected %llu and %llu", (unsigned long long)account.awake_usec,
                         (unsigned long long)account.ours_usec, (unsigned long long)awake_usec, (unsigned long long)ours_usec);
}

static void awake_is_counted_from_the_servers_start_to_the_cut(void **state) {
        struct scene s = scene(NEON);
        uint64_t started;

        (void)state;
        scene_begin(&s);
        accounts_are(&s, 0, 0);
        start(&s, CHECK_LOGIN);
        pass(&s, 400 * MSEC);
        server_starts(&s);
        started = s.now.boot_usec;
        ends(&s, 50 * MSEC, REASON_NONE);
        s.read = s.logged;
        live_until(&s, s.now.boot_usec + 10 * MIN_);
        /* All of it is ours: the demand of the start, and the idle time that the last ping began. */
        accounts_are(&s, s.now.boot_usec - started, s.t->asked_boot_usec + 5 * MIN_ - started);
        session_ends(&s, REASON_SESSION_CUT, "57P01", false);
        accounts_are(&s, 10 * MIN_ + 50 * MSEC, s.t->asked_boot_usec + 5 * MIN_ - started);
        pass(&s, USEC_PER_HOUR);
        accounts_are(&s, 10 * MIN_ + 50 * MSEC, s.t->asked_boot_usec + 5 * MIN_ - started);
        scene_end(&s);
}

static void what_others_kept_awake_is_theirs(void **state) {
        struct scene s = scene(NEON);
        struct account before;
        uint64_t asked;

        (void)state;
        scene_asleep(&s);
        before = database_account(s.t, s.now);
        pass(&s, 10 * SEC);
        server_starts(&s);
        pass(&s, 15 * SEC); /* others */
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        asked = s.now.boot_usec;
        start(&s, CHECK_LOGIN);
        ends(&s, 20 * MSEC, REASON_NONE);
        s.read = s.logged;
        live_until(&s, asked + MIN_);
        accounts_are(&s, before.awake_usec + 15 * SEC + MIN_, before.ours_usec + MIN_);
        scene_end(&s);
}

static void a_gap_is_filled_by_the_servers_uptime(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_awake(&s);
        live_until(&s, 1000 * SEC + 10 * SEC);
        accounts_are(&s, 10 * SEC, 10 * SEC); /* not from before we looked, though the server is older */
        session_ends(&s, REASON_SESSION_LOST, "", false);
        became(&s, STATE_UNKNOWN, REASON_SESSION_LOST);
        start(&s, CHECK_LOGIN);
        ends(&s, 5 * SEC, REASON_TCP_TIMEOUT);
        accounts_are(&s, 10 * SEC, 10 * SEC);
        pass(&s, next_in(&s));
        start(&s, CHECK_LOGIN);
        ends(&s, 20 * MSEC, REASON_NONE);
        accounts_are(&s, s.now.boot_usec - 1000 * SEC, s.now.boot_usec - 1000 * SEC);
        scene_end(&s);
}

static void a_suspend_of_the_host_is_filled_or_not_by_the_uptime(void **state) {
        struct scene s = scene(NEON);
        struct account before;

        (void)state;
        scene_sentinel(&s);
        before = database_account(s.t, s.now);
        pass(&s, MIN_);
        host_sleeps(&s, USEC_PER_HOUR);
        assert_int_equal(database_account(s.t, s.now).awake_usec, before.awake_usec + MIN_);
        session_ends(&s, REASON_SESSION_CUT, "57P01", false);
        s.read = s.logged;
        /* It slept and was woken by somebody else, unobserved. */
        s.server_started_at = s.now.boot_usec - 10 * MIN_;
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
        start(&s, CHECK_LOGIN);
        ends(&s, 0, REASON_NONE);
        assert_int_equal(database_account(s.t, s.now).awake_usec, before.awake_usec + 11 * MIN_);
        assert_int_equal(s.t->counts.wakes_by_cause[WAKE_OTHER], 1);
        scene_end(&s);
}

static void memory_goes_on_over_a_restart(void **state) {
        struct scene s = scene(NEON);
        struct memory memory;
        struct database *old;
        struct account before;

        (void)state;
        scene_sentinel(&s);
        database_remember(s.t, s.now, &memory);
        before = memory.account;
        old = s.t;
        pass(&s, 30 * SEC); /* the daemon is gone so long; the database stays awake */

        s.config.wake_at_start = false;
        assert_int_equal(database_new(8, &s.config, s.now, &s.t), 0);
        database_restore(s.t, &memory, REASON_STALE, s.now);
        is(&s, STATE_UNKNOWN, REASON_STALE);
        assert_int_equal(s.t->counts.wakes_by_cause[WAKE_START], 1);
        assert_int_equal(s.t->counts.generation, old->counts.generation);
        assert_int_equal(s.t->counts.attempts[CHECK_LOGIN][CLASS_OK], old->counts.attempts[CHECK_LOGIN][CLASS_OK]);
        assert_int_equal(histogram_quantile(s.t->wake_latency, 500), histogram_quantile(old->wake_latency, 500));
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
        start(&s, CHECK_LOGIN);
        ends(&s, 0, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        no_edge(&s); /* the same start of the server: no wake, no new generation */
        assert_int_equal(s.t->counts.generation, old->counts.generation);
        assert_int_equal(database_account(s.t, s.now).awake_usec, before.awake_usec + 30 * SEC);
        old = database_free(old);
        scene_end(&s);
}

static void a_pause_goes_on_over_a_restart_and_ends_at_its_time(void **state) {
        struct scene s = scene(NEON);
        struct memory memory;

        (void)state;
        scene_sentinel(&s);
        pause_for(&s, USEC_PER_HOUR);
        database_remember(s.t, s.now, &memory);
        s.t = database_free(s.t);
        pass_without(&s, 10 * MIN_);
        assert_int_equal(database_new(8, &s.config, s.now, &s.t), 0);
        database_restore(s.t, &memory, REASON_STALE, s.now);
        s.read = s.logged;
        is(&s, STATE_UNKNOWN, REASON_PAUSED);
        nothing_planned(&s); /* though the start is a demand */
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_PAUSED);
        pass(&s, 50 * MIN_ - 1);
        is(&s, STATE_UNKNOWN, REASON_PAUSED);
        pass(&s, 1);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        s.t = database_free(s.t);

        /* Demand that ended meanwhile is over. */
        pass_without(&s, SEC);
        assert_int_equal(database_new(9, &s.config, s.now, &s.t), 0);
        database_restore(s.t, &memory, REASON_STALE, s.now);
        is(&s, STATE_UNKNOWN, REASON_STALE);
        assert_int_equal(s.t->paused_until_boot_usec, 0);
        scene_end(&s);
}

/* -- the budget ------------------------------------------------------------------------------------------------------------------- */

static void a_spent_budget_ends_demand_says_so_and_begins_anew_with_the_month(void **state) {
        struct scene s = scene(NEON);
        const struct event *e;
        uint64_t month;

        (void)state;
        s.config.budget_awake_usec = USEC_PER_HOUR;
        scene_begin(&s);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        start(&s, CHECK_LOGIN);
        server_starts(&s);
        ends(&s, 300 * MSEC, REASON_NONE);
        s.read = s.logged;
        live_until(&s, s.server_started_at + USEC_PER_HOUR);
        e = edge(&s);
        assert_int_equal(e->kind, EVENT_BUDGET);
        assert_int_equal(e->reason, REASON_BUDGET_SPENT);
        no_edge(&s);
        assert_true(s.t->budget_spent);
        scene_input(&s, INPUT_LEASE_END); /* the engine's doing */
        assert_false(database_has_demand(s.t));
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_BUDGET_SPENT);
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_BUDGET_SPENT);
        nothing_planned(&s);
        is(&s, STATE_AWAKE, REASON_NONE); /* it is, as long as the sentinel lives */
        pass(&s, 5 * MIN_);
        session_ends(&s, REASON_SESSION_CUT, "57P01", false);
        became(&s, STATE_UNKNOWN, REASON_SESSION_CUT);
        start(&s, CHECK_DOOR);
        ends(&s, MSEC, REASON_NONE);
        became(&s, STATE_ASLEEP, REASON_BUDGET_SPENT);

        /* 2027-01-15 is the scene's day. */
        month = UINT64_C(1801440000) * SEC; /* 2027-02-01T00:00:00Z */
        live_until(&s, s.now.boot_usec + (month - s.now.real_usec) - MIN_);
        assert_true(s.t->budget_spent);
        live_until(&s, s.now.boot_usec + 2 * MIN_);
        assert_false(s.t->budget_spent);
        became(&s, STATE_ASLEEP, REASON_SESSION_CUT);
        assert_int_equal(edge(&s)->kind, EVENT_BUDGET);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        scene_end(&s);
}

static void a_budget_stays_spent_over_a_restart(void **state) {
        struct scene s = scene(NEON);
        struct memory memory;
        struct database *old;

        (void)state;
        s.config.budget_awake_usec = USEC_PER_HOUR;
        s.config.policy = POLICY_KEEP_AWAKE;
        scene_begin(&s);
        live_until(&s, s.now.boot_usec + 2 * USEC_PER_HOUR);
        database_remember(s.t, s.now, &memory);
        old = s.t;
        assert_int_equal(database_new(8, &s.config, s.now, &s.t), 0);
        database_restore(s.t, &memory, REASON_STALE, s.now);
        old = database_free(old);
        s.read = s.logged;
        is(&s, STATE_UNKNOWN, REASON_BUDGET_SPENT);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_BUDGET_SPENT);
        start(&s, CHECK_DOOR); /* a check that costs nothing goes on */
        ends(&s, MSEC, REASON_NONE);
        is(&s, STATE_UNKNOWN, REASON_BUDGET_SPENT);
        live_until(&s, s.now.boot_usec + 20 * USEC_PER_DAY);
        /* An hour of logins in the new month, and not one before. */
        assert_in_range(s.t->counts.attempts[CHECK_LOGIN][CLASS_OK], memory.counts.attempts[CHECK_LOGIN][CLASS_OK] + 55,
                        memory.counts.attempts[CHECK_LOGIN][CLASS_OK] + 65);
        scene_end(&s);
}

static void a_budget_stops_keep_awake_too(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.config.policy = POLICY_KEEP_AWAKE;
        s.config.budget_awake_usec = USEC_PER_HOUR;
        scene_begin(&s);
        live_until(&s, s.now.boot_usec + 2 * USEC_PER_HOUR);
        assert_true(s.t->budget_spent);
        nothing_planned(&s);
        s.read = s.logged;
        live_until(&s, s.now.boot_usec + 40 * USEC_PER_DAY);
        assert_true(s.t->budget_spent || database_account(s.t, s.now).month_awake_usec < USEC_PER_HOUR);
        scene_end(&s);
}

static void a_month_that_begins_while_it_is_awake_is_split(void **state) {
        struct scene s = scene(PLAIN);
        uint64_t month = UINT64_C(1801440000) * SEC, left;

        (void)state;
        s.config.budget_awake_usec = 700 * USEC_PER_HOUR;
        s.now.real_usec = month - 10 * MIN_;
        scene_awake(&s);
        left = month - s.now.real_usec;
        live_until(&s, s.now.boot_usec + left + 3 * MIN_);
        assert_int_equal(database_account(s.t, s.now).month_awake_usec, 3 * MIN_);
        assert_int_equal(database_account(s.t, s.now).awake_usec, 13 * MIN_);
        scene_end(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(a_lease_wakes_and_keeps_awake_until_its_end_and_the_linger),
                UNIT_TEST(the_last_of_many_leases_ends_the_demand),
                UNIT_TEST(a_lease_of_one_that_is_about_to_sleep_asks_at_once),
                UNIT_TEST(a_holder_that_goes_during_the_wake_leaves_the_linger),
                UNIT_TEST(what_is_blocked_is_asked_again_in_its_own_rhythm_and_not_sooner),
                UNIT_TEST(a_lease_is_refused_while_paused_and_goes_on_over_a_pause),
                UNIT_TEST(presumed_demand_ends_by_itself),
                UNIT_TEST(what_others_woke_is_counted_when_it_is_next_seen_and_once),
                UNIT_TEST(a_cut_without_a_new_start_is_no_wake_even_within_the_slack),
                UNIT_TEST(after_rising_the_wake_is_still_one),
                UNIT_TEST(awake_is_counted_from_the_servers_start_to_the_cut),
                UNIT_TEST(what_others_kept_awake_is_theirs),
                UNIT_TEST(a_gap_is_filled_by_the_servers_uptime),
                UNIT_TEST(a_suspend_of_the_host_is_filled_or_not_by_the_uptime),
                UNIT_TEST(memory_goes_on_over_a_restart),
                UNIT_TEST(a_pause_goes_on_over_a_restart_and_ends_at_its_time),
                UNIT_TEST(a_spent_budget_ends_demand_says_so_and_begins_anew_with_the_month),
                UNIT_TEST(a_budget_stays_spent_over_a_restart),
                UNIT_TEST(a_budget_stops_keep_awake_too),
                UNIT_TEST(a_month_that_begins_while_it_is_awake_is_split),
        };

        return UNIT_RUN(tests);
}
