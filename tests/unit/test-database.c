/* The life of one database: its checks, its verdicts and its events. */
#include "scene.h"

#define NEON "ep-cool-1.eu-central-1.aws.neon.tech"
#define POOLED "ep-cool-1-pooler.eu-central-1.aws.neon.tech"
#define AURORA "db.cluster-abc.eu-central-1.rds.amazonaws.com"
#define PLAIN "db.example.org"

/* -- keep-awake ------------------------------------------------------------------------------------------------------------------- */

static void it_starts_unknown_and_asks_at_once(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_begin(&s);
        is(&s, STATE_UNKNOWN, REASON_NOT_CHECKED);
        assert_int_equal(policy_of(s.t), POLICY_KEEP_AWAKE);
        assert_false(database_ready(s.t));
        assert_int_equal(database_due(s.t), USEC_INFINITY);
        start(&s, CHECK_LOGIN);
        ends(&s, 20 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_true(s.log[0].event.by_attempt);
        assert_int_equal(s.log[0].event.previous, STATE_UNKNOWN);
        is(&s, STATE_AWAKE, REASON_NONE);
        assert_true(database_ready(s.t));
        assert_int_equal(s.t->since_real_usec, s.now.real_usec);
        assert_int_equal(database_wakes(s.t), 0);
        sums_agree(s.t);
        scene_end(&s);
}

static void a_quiet_day_is_pings_and_logins_and_one_edge(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_awake(&s);
        for (uint64_t end = s.now.boot_usec + USEC_PER_DAY; s.now.boot_usec < end;) {
                enum check check = policy_next(s.t).check;

                check_after_wait(&s, next_in(&s), check, 2 * MSEC, REASON_NONE);
                is(&s, STATE_AWAKE, REASON_NONE);
        }
        assert_int_equal(s.logged, 1);
        assert_in_range(s.t->counts.attempts[CHECK_LOGIN][CLASS_OK], 24 * 60 - 5, 24 * 60 + 1);
        assert_in_range(s.t->counts.attempts[CHECK_PING][CLASS_OK], 24 * 60 * 5 - 20, 24 * 60 * 6);
        assert_int_equal(s.t->counts.attempts[CHECK_DOOR][CLASS_OK], 0);
        assert_int_equal(s.t->repeated, s.t->counts.attempts[CHECK_LOGIN][CLASS_OK] + s.t->counts.attempts[CHECK_PING][CLASS_OK] - 1);
        assert_int_equal(s.t->counts.generation, 0);
        assert_int_equal(database_wakes(s.t), 0);
        scene_end(&s);
}

static void intervals_are_jittered_by_their_share(void **state) {
        struct scene s = scene(PLAIN);
        uint64_t least = USEC_INFINITY, most = 0;

        (void)state;
        s.config.jitter_permille = 100;
        s.config.login_interval_usec = USEC_PER_DAY;
        scene_awake(&s);
        for (unsigned i = 0; i < 2000; i++) {
                uint64_t wait = next_in(&s);

                least = MIN(least, wait);
                most = MAX(most, wait);
                check_after_wait(&s, wait, CHECK_PING, 0, REASON_NONE);
        }
        assert_in_range(least, 9 * SEC, 9 * SEC + SEC / 10);
        assert_in_range(most, 11 * SEC - SEC / 10, 11 * SEC);
        scene_end(&s);
}

static void it_falls_after_fall_failures_and_rises_at_the_first_answer(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_TCP_REFUSED);
        became(&s, STATE_UNKNOWN, REASON_TCP_REFUSED);
        check_after_wait(&s, 1 * SEC, CHECK_LOGIN, MSEC, REASON_TCP_REFUSED);
        is(&s, STATE_UNKNOWN, REASON_TCP_REFUSED);
        check_after_wait(&s, 2 * SEC, CHECK_LOGIN, MSEC, REASON_TCP_REFUSED);
        became(&s, STATE_DOWN, REASON_TCP_REFUSED);
        assert_int_equal(s.log[s.read - 1].event.repeated, 1);
        check_after_wait(&s, 4 * SEC, CHECK_LOGIN, MSEC, REASON_TCP_REFUSED);
        check_after_wait(&s, 8 * SEC, CHECK_LOGIN, MSEC, REASON_TCP_REFUSED);
        for (unsigned i = 0; i < 10; i++)
                check_after_wait(&s, 15 * SEC, CHECK_LOGIN, MSEC, REASON_TCP_REFUSED);
        is(&s, STATE_DOWN, REASON_TCP_REFUSED);
        /* Another reason is another event. */
        check_after_wait(&s, 15 * SEC, CHECK_LOGIN, MSEC, REASON_TCP_TIMEOUT);
        became(&s, STATE_DOWN, REASON_TCP_TIMEOUT);
        assert_int_equal(s.log[s.read - 1].event.repeated, 12);
        assert_string_equal(s.t->detail, "tcp.timeout");
        check_after_wait(&s, 15 * SEC, CHECK_LOGIN, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_null(s.t->detail);
        is(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(s.t->failures_in_row, 0);
        assert_int_equal(database_failures(s.t), 16);
        assert_int_equal(s.t->counts.failures_by_reason[REASON_TCP_REFUSED], 15);
        assert_int_equal(database_wakes(s.t), 0);
        sums_agree(s.t);
        scene_end(&s);
}

static void rise_wants_its_answers_in_a_row(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        s.config.rise = 3;
        s.config.fall = 1;
        /* The very first answer after nothing needs no company: there was no failure. */
        scene_awake(&s);
        check_after_wait(&s, 10 * SEC, CHECK_PING, MSEC, REASON_QUERY_FAILED);
        became(&s, s.t->state, s.t->reason);
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_TCP_REFUSED);
        became(&s, STATE_DOWN, REASON_TCP_REFUSED);
        check_after_wait(&s, next_in(&s), CHECK_LOGIN, MSEC, REASON_NONE);
        check_after_wait(&s, 1 * SEC, CHECK_LOGIN, MSEC, REASON_NONE);
        is(&s, STATE_DOWN, REASON_TCP_REFUSED);
        check_after_wait(&s, 1 * SEC, CHECK_LOGIN, MSEC, REASON_TCP_REFUSED);
        for (unsigned i = 0; i < 2; i++) {
                check_after_wait(&s, 1 * SEC, CHECK_LOGIN, MSEC, REASON_NONE);
                is(&s, STATE_DOWN, REASON_TCP_REFUSED);
        }
        check_after_wait(&s, 1 * SEC, CHECK_LOGIN, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        scene_end(&s);
}

static void retries_are_jittered_too(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        s.config.jitter_permille = 100;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        for (unsigned i = 0; i < 500; i++) {
                uint64_t middle = MIN(15u, 1u << MIN(i, 4u)) * SEC, wait;

                ends(&s, MSEC, REASON_TCP_REFUSED);
                wait = next_in(&s);
                assert_in_range(wait, middle * 9 / 10, middle * 11 / 10);
                pass(&s, wait);
                start(&s, CHECK_LOGIN);
        }
        scene_end(&s);
}

static void who_is_throttled_asks_ever_more_slowly(void **state) {
        static const uint64_t waits[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300};
        struct scene s = scene(PLAIN);

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        for (unsigned i = 0; i < ARRAY_LENGTH(waits); i++) {
                ends(&s, MSEC, REASON_PROVIDER_THROTTLED);
                next_is(&s, CHECK_LOGIN, waits[i] * SEC);
                /* A caller does not make it faster. */
                assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
                next_is(&s, CHECK_LOGIN, waits[i] * SEC);
                pass(&s, waits[i] * SEC);
                start(&s, CHECK_LOGIN);
        }
        became(&s, STATE_UNKNOWN, REASON_PROVIDER_THROTTLED);
        became(&s, STATE_DOWN, REASON_PROVIDER_THROTTLED);
        is(&s, STATE_DOWN, REASON_PROVIDER_THROTTLED);
        scene_end(&s);
}

static void what_a_person_must_mend_is_asked_rarely_and_needs_no_fall(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_awake(&s);
        pass(&s, 9 * SEC);
        check_after_wait(&s, next_in(&s), CHECK_PING, MSEC, REASON_NONE);
        while (policy_next(s.t).check == CHECK_PING)
                check_after_wait(&s, next_in(&s), CHECK_PING, MSEC, REASON_NONE);
        check_after_wait(&s, next_in(&s), CHECK_LOGIN, MSEC, REASON_AUTH_PASSWORD);
        became(&s, STATE_BLOCKED, REASON_AUTH_PASSWORD);
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_AUTH_PASSWORD);
        for (unsigned i = 0; i < 300; i++)
                check_after_wait(&s, 5 * MIN_, CHECK_LOGIN, MSEC, REASON_AUTH_PASSWORD);
        is(&s, STATE_BLOCKED, REASON_AUTH_PASSWORD);
        /* One failure of another kind does not disprove it, and the retry comes soon. */
        check_after_wait(&s, 5 * MIN_, CHECK_LOGIN, MSEC, REASON_TCP_RESET);
        is(&s, STATE_BLOCKED, REASON_AUTH_PASSWORD);
        check_after_wait(&s, 1 * SEC, CHECK_LOGIN, MSEC, REASON_TCP_RESET);
        is(&s, STATE_BLOCKED, REASON_AUTH_PASSWORD);
        check_after_wait(&s, 2 * SEC, CHECK_LOGIN, MSEC, REASON_TCP_RESET);
        became(&s, STATE_DOWN, REASON_TCP_RESET);
        check_after_wait(&s, 4 * SEC, CHECK_LOGIN, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        scene_end(&s);
}

static void full_is_awake_without_a_slot_and_no_wake(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_SERVER_FULL);
        became(&s, STATE_FULL, REASON_SERVER_FULL);
        assert_false(database_ready(s.t));
        check_after_wait(&s, 1 * SEC, CHECK_LOGIN, MSEC, REASON_SERVER_FULL);
        for (unsigned i = 0; i < 20; i++)
                check_after_wait(&s, next_in(&s), CHECK_LOGIN, MSEC, REASON_SERVER_FULL);
        assert_in_range(next_in(&s), 15 * SEC, 15 * SEC);
        is(&s, STATE_FULL, REASON_SERVER_FULL);
        check_after_wait(&s, 15 * SEC, CHECK_LOGIN, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(database_wakes(s.t), 0);
        scene_end(&s);
}

static void a_ping_cannot_clear_what_a_login_found(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_awake(&s);
        while (policy_next(s.t).check == CHECK_PING)
                check_after_wait(&s, next_in(&s), CHECK_PING, MSEC, REASON_NONE);
        check_after_wait(&s, next_in(&s), CHECK_LOGIN, MSEC, REASON_AUTH_PASSWORD);
        became(&s, STATE_BLOCKED, REASON_AUTH_PASSWORD);
        assert_true(s.t->session_held);
        /* Even one that was on its way. */
        scene_begun(&s, CHECK_PING);
        ends(&s, MSEC, REASON_NONE);
        is(&s, STATE_BLOCKED, REASON_AUTH_PASSWORD);
        next_is(&s, CHECK_LOGIN, policy_next(s.t).due_boot_usec - s.now.boot_usec);
        scene_end(&s);
}

static void a_verdict_expires_after_two_and_a_half_intervals(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_awake(&s);
        pass(&s, 25 * SEC - 1);
        is(&s, STATE_AWAKE, REASON_NONE);
        pass(&s, 1);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        next_is(&s, CHECK_LOGIN, 0);
        /* Said once. */
        pass(&s, USEC_PER_DAY);
        is(&s, STATE_UNKNOWN, REASON_STALE);
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        scene_end(&s);
}

static void without_a_session_the_login_interval_renews(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        s.never_holds = true;
        scene_awake(&s);
        next_is(&s, CHECK_LOGIN, 60 * SEC);
        pass(&s, 150 * SEC - 1);
        is(&s, STATE_AWAKE, REASON_NONE);
        pass(&s, 1);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        scene_end(&s);
}

static void fresh_for_replaces_the_two_and_a_half_intervals(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        s.config.fresh_for_usec = 12 * SEC;
        scene_awake(&s);
        assert_int_equal(database_fresh_until(s.t), s.now.boot_usec + 12 * SEC);
        pass(&s, 12 * SEC);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        scene_end(&s);
}

static void down_and_full_expire_when_nobody_asks_any_more_and_blocked_does_not(void **state) {
        static const enum reason reasons[] = {REASON_TCP_REFUSED, REASON_AUTH_PASSWORD, REASON_SERVER_FULL};

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++) {
                struct scene s = scene(PLAIN);

                s.config.fall = 1;
                scene_begin(&s);
                start(&s, CHECK_LOGIN);
                ends(&s, MSEC, reasons[i]);
                became(&s, s.t->state, reasons[i]);
                pass(&s, USEC_PER_HOUR);
                if (reasons[i] == REASON_AUTH_PASSWORD)
                        is(&s, STATE_BLOCKED, REASON_AUTH_PASSWORD);
                else
                        became(&s, STATE_UNKNOWN, REASON_STALE);
                scene_end(&s);
        }
}

static void after_a_suspend_of_the_host_all_evidence_is_old(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_awake(&s);
        host_sleeps(&s, 8 * USEC_PER_HOUR);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        is(&s, STATE_UNKNOWN, REASON_STALE);
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(database_wakes(s.t), 0);
        scene_end(&s);
}

static void the_time_that_the_host_slept_is_no_slow_login_and_no_late_wake(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        pass(&s, 100 * MSEC);
        host_sleeps(&s, USEC_PER_HOUR);
        is(&s, STATE_UNKNOWN, REASON_NOT_CHECKED);
        ends(&s, 100 * MSEC, REASON_TCP_RESET);
        became(&s, STATE_UNKNOWN, REASON_TCP_RESET);
        /* The connection died with the suspend: the next login does not wait. */
        start(&s, CHECK_LOGIN);
        pass(&s, SEC);
        is(&s, STATE_UNKNOWN, REASON_TCP_RESET);
        host_sleeps(&s, USEC_PER_HOUR);
        is(&s, STATE_UNKNOWN, REASON_TCP_RESET);
        scene_end(&s);

        s = scene(NEON);
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        pass(&s, SEC);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        host_sleeps(&s, USEC_PER_HOUR);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        assert_int_equal(s.t->wake.began_boot_usec, 0);
        is(&s, STATE_UNKNOWN, REASON_STALE);
        scene_end(&s);
}

/* -- the session ------------------------------------------------------------------------------------------------------------------ */

static void a_cut_session_is_unknown_at_once_and_asked_in_the_same_instant(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_awake(&s);
        pass(&s, 3 * SEC);
        session_ends(&s, REASON_SESSION_CUT, "57P01", false);
        became(&s, STATE_UNKNOWN, REASON_SESSION_CUT);
        assert_int_equal(s.log[s.read - 1].event.generation, 1);
        assert_string_equal(s.t->sqlstate, "57P01");
        assert_false(s.t->session_held);
        /* Its second line is the same end. */
        session_ends(&s, REASON_SESSION_LOST, "", true);
        is(&s, STATE_UNKNOWN, REASON_SESSION_CUT);
        assert_int_equal(s.t->counts.generation, 1);
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(s.t->counts.generation, 1);
        assert_int_equal(database_failures(s.t), 1);
        next_is(&s, CHECK_PING, 10 * SEC);
        sums_agree(s.t);
        scene_end(&s);
}

static void a_server_that_lets_in_and_cuts_is_asked_in_the_rhythm_of_retries(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_awake(&s);
        pass(&s, 3 * SEC);
        session_ends(&s, REASON_SESSION_LOST, "", true);
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_NONE);
        pass(&s, MSEC);
        /* Once more at once: a restart may well cut two in a row. */
        session_ends(&s, REASON_SESSION_LOST, "", true);
        for (unsigned i = 0; i < 3; i++) {
                start(&s, CHECK_LOGIN);
                ends(&s, MSEC, REASON_NONE);
                pass(&s, MSEC);
                session_ends(&s, REASON_SESSION_LOST, "", true);
                next_is(&s, CHECK_LOGIN, SEC - MSEC);
                pass(&s, SEC - MSEC);
        }
        /* A session that lasted for a while is not one of these. */
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_NONE);
        pass(&s, 3 * SEC);
        session_ends(&s, REASON_SESSION_LOST, "", true);
        next_is(&s, CHECK_LOGIN, 0);
        scene_end(&s);
}

static void a_ping_that_meets_the_end_of_the_session_is_that_end(void **state) {
        static const enum reason reasons[] = {REASON_SESSION_CUT, REASON_SESSION_LOST, REASON_SERVER_CRASHED, REASON_TCP_RESET};

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++) {
                struct scene s = scene(PLAIN);

                s.config.fall = 1;
                scene_awake(&s);
                check_after_wait(&s, 10 * SEC, CHECK_PING, MSEC, reasons[i]);
                became(&s, STATE_UNKNOWN, reasons[i]);
                assert_int_equal(s.t->counts.generation, 1);
                start(&s, CHECK_LOGIN);
                ends(&s, MSEC, REASON_NONE);
                became(&s, STATE_AWAKE, REASON_NONE);
                sums_agree(s.t);
                scene_end(&s);
        }
}

static void a_ping_that_was_asked_before_the_end_was_known_is_the_same_event(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_awake(&s);
        pass(&s, 10 * SEC);
        start(&s, CHECK_PING);
        session_ends(&s, REASON_SESSION_LOST, "", true);
        became(&s, STATE_UNKNOWN, REASON_SESSION_LOST);
        nothing_planned(&s);
        ends(&s, 0, REASON_SESSION_LOST);
        is(&s, STATE_UNKNOWN, REASON_SESSION_LOST);
        assert_int_equal(s.t->counts.failures_by_reason[REASON_SESSION_LOST], 1);
        assert_int_equal(s.t->failures_in_row, 0);
        assert_int_equal(s.t->counts.generation, 1);
        start(&s, CHECK_LOGIN); /* in the same instant */
        ends(&s, 20 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        scene_end(&s);
}

static void a_ping_without_an_answer_ends_only_our_own_session(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_awake(&s);
        check_after_wait(&s, 10 * SEC, CHECK_PING, 10 * SEC, REASON_QUERY_TIMEOUT);
        became(&s, STATE_UNKNOWN, REASON_QUERY_TIMEOUT);
        assert_int_equal(s.t->counts.generation, 0);
        next_is(&s, CHECK_LOGIN, 1 * SEC);
        scene_end(&s);
}

static void a_cut_while_a_login_is_under_way_is_followed_by_another_only_if_it_failed(void **state) {
        (void)state;
        for (unsigned answered = 0; answered < 2; answered++) {
                struct scene s = scene(PLAIN);

                scene_awake(&s);
                while (policy_next(s.t).check == CHECK_PING)
                        check_after_wait(&s, next_in(&s), CHECK_PING, MSEC, REASON_NONE);
                pass(&s, next_in(&s));
                start(&s, CHECK_LOGIN);
                session_ends(&s, REASON_SESSION_CUT, "57P01", false);
                became(&s, STATE_UNKNOWN, REASON_SESSION_CUT);
                ends(&s, MSEC, answered ? REASON_NONE : REASON_SERVER_STOPPING);
                became(&s, answered ? STATE_AWAKE : STATE_UNKNOWN, answered ? REASON_NONE : REASON_SERVER_STOPPING);
                next_is(&s, answered ? CHECK_PING : CHECK_LOGIN, answered ? 10 * SEC : 0);
                scene_end(&s);
        }
}

static void a_new_start_time_of_the_server_is_a_new_generation(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        s.never_holds = true;
        scene_awake(&s);
        pass(&s, 10 * SEC);
        server_starts(&s);
        check_after_wait(&s, 50 * SEC, CHECK_LOGIN, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        is(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(s.t->counts.generation, 1);
        check_after_wait(&s, 60 * SEC, CHECK_LOGIN, MSEC, REASON_NONE);
        assert_int_equal(s.t->counts.generation, 1);
        assert_int_equal(database_wakes(s.t), 0); /* somebody else restarted it */
        scene_end(&s);
}

/* -- waking ----------------------------------------------------------------------------------------------------------------------- */

static void a_slow_login_wakes_only_in_the_phase_of_waking(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        s.phase = PHASE_CONNECT;
        pass(&s, 4 * SEC);
        is(&s, STATE_UNKNOWN, REASON_NOT_CHECKED);
        s.phase = PHASE_TLS;
        pass(&s, 4 * SEC);
        is(&s, STATE_UNKNOWN, REASON_NOT_CHECKED);
        s.phase = PHASE_AUTH;
        pass(&s, 500 * MSEC);
        is(&s, STATE_UNKNOWN, REASON_NOT_CHECKED); /* for all that the look can tell, the login has just begun */
        pass(&s, 500 * MSEC);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        assert_int_equal(database_due(s.t), s.t->since_boot_usec + 3 * MIN_);
        scene_end(&s);

        s = scene(NEON);
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        s.phase = PHASE_QUERY;
        pass(&s, 10 * SEC);
        is(&s, STATE_UNKNOWN, REASON_NOT_CHECKED); /* it let us in: that is no sleep */
        assert_int_equal(database_due(s.t), s.t->demand_until_boot_usec);
        scene_end(&s);

        s = scene(AURORA);
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        s.phase = PHASE_CONNECT;
        pass(&s, SEC);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING); /* there any connect wakes, and hangs */
        scene_end(&s);
}

static void a_slow_login_to_one_that_is_awake_is_only_slow(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        s.never_holds = true;
        scene_awake(&s);
        pass(&s, 60 * SEC);
        start(&s, CHECK_LOGIN);
        ends(&s, 20 * SEC, REASON_NONE);
        is(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(s.t->repeated, 1); /* by the answer; the slowness confirmed nothing */
        assert_int_equal(database_wakes(s.t), 0);
        scene_end(&s);
}

static void a_server_that_says_starting_is_waking_until_it_answers(void **state) {
        struct scene s = scene(PLAIN);
        uint64_t began;

        (void)state;
        scene_begin(&s);
        began = s.now.boot_usec;
        pass(&s, 0);
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_SERVER_STARTING);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        server_starts(&s);
        for (unsigned i = 0; i < 20; i++)
                check_after_wait(&s, 1 * SEC, CHECK_LOGIN, MSEC, i < 10 ? REASON_SERVER_STARTING : REASON_SERVER_RECOVERING);
        became(&s, STATE_WAKING, REASON_SERVER_RECOVERING); /* the last message is the reason */
        is(&s, STATE_WAKING, REASON_SERVER_RECOVERING);
        assert_int_equal(s.t->repeated, 9);
        check_after_wait(&s, 1 * SEC, CHECK_LOGIN, 10 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(edge(&s)->kind, EVENT_WAKE);
        assert_int_equal(s.log[s.read - 1].event.latency_usec, s.now.boot_usec - began);
        assert_int_equal(s.log[s.read - 1].event.cause, WAKE_START);
        assert_true(s.log[s.read - 1].event.cold);
        is(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(database_wakes(s.t), 1);
        assert_int_equal(s.t->counts.last_wake.latency_usec, 21 * SEC + 31 * MSEC);
        sums_agree(s.t);
        scene_end(&s);
}

static void a_slow_but_warm_login_is_no_wake_of_ours(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        scene_begin(&s); /* the server runs since long before */
        start(&s, CHECK_LOGIN);
        ends(&s, 2 * SEC, REASON_NONE);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        became(&s, STATE_AWAKE, REASON_NONE);
        others_woke(&s);
        is(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(s.t->counts.wakes_by_cause[WAKE_OTHER], 1);
        assert_null(s.t->wake_latency); /* the duration is unknown */
        /* Slow once more: the same start of the server is not counted twice. */
        session_ends(&s, REASON_SESSION_CUT, "57P01", false);
        became(&s, STATE_UNKNOWN, REASON_SESSION_CUT);
        pass(&s, next_in(&s));
        start(&s, CHECK_LOGIN);
        ends(&s, 2 * SEC, REASON_NONE);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        became(&s, STATE_AWAKE, REASON_NONE);
        is(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(database_wakes(s.t), 1);
        scene_end(&s);

        s = scene(PLAIN); /* a server that does not sleep is not woken either */
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, 2 * SEC, REASON_NONE);
        became(&s, STATE_UNKNOWN, REASON_SERVER_SLOW);
        became(&s, STATE_AWAKE, REASON_NONE);
        is(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(database_wakes(s.t), 0);
        scene_end(&s);
}

static void a_cold_start_proves_a_wake_that_was_too_quick_to_be_seen(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        pass(&s, 100 * MSEC);
        server_starts(&s);
        ends(&s, 200 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(edge(&s)->kind, EVENT_WAKE);
        assert_true(s.t->counts.last_wake.cold);
        assert_int_equal(s.t->counts.last_wake.latency_usec, 300 * MSEC);
        assert_int_equal(s.t->counts.last_wake.cause, WAKE_START);
        scene_end(&s);

        /* Without demand, the first wake of a database is the start's too. */
        s = scene(PLAIN);
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        pass(&s, 10 * MSEC);
        server_starts(&s);
        ends(&s, 200 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(edge(&s)->cause, WAKE_START);
        scene_end(&s);
}

static void a_provider_may_have_started_it_a_moment_before_a_plain_server_not(void **state) {
        static const char *const hosts[] = {NEON, PLAIN};

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
                struct scene s = scene(hosts[i]);

                scene_begin(&s);
                server_starts(&s);
                pass(&s, SEC);
                start(&s, CHECK_LOGIN);
                ends(&s, 100 * MSEC, REASON_NONE);
                assert_int_equal(database_wakes(s.t), i == 0);
                scene_end(&s);
        }
}

static void a_wake_that_fails_its_time_is_down_and_does_not_flap(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_SERVER_STARTING);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        while (s.t->state == STATE_WAKING)
                check_after_wait(&s, next_in(&s), CHECK_LOGIN, MSEC, REASON_SERVER_STARTING);
        became(&s, STATE_DOWN, REASON_WAKE_TIMEOUT);
        for (unsigned i = 0; i < 100; i++)
                check_after_wait(&s, next_in(&s), CHECK_LOGIN, i % 3 ? MSEC : 2 * SEC, REASON_SERVER_STARTING);
        is(&s, STATE_DOWN, REASON_WAKE_TIMEOUT);
        assert_int_equal(next_in(&s), 15 * SEC);
        assert_int_equal(database_wakes(s.t), 0);
        /* A different message is news, and a start after that is another start. */
        check_after_wait(&s, 15 * SEC, CHECK_LOGIN, MSEC, REASON_TCP_REFUSED);
        became(&s, STATE_DOWN, REASON_TCP_REFUSED);
        check_after_wait(&s, 15 * SEC, CHECK_LOGIN, MSEC, REASON_SERVER_STARTING);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        check_after_wait(&s, 1 * SEC, CHECK_LOGIN, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        scene_end(&s);
}

static void a_hanging_wake_of_a_provider_ends_by_its_own_limit(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, 30 * SEC, REASON_AUTH_TIMEOUT);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        became(&s, STATE_WAKING, REASON_AUTH_TIMEOUT);
        while (s.t->state == STATE_WAKING) {
                pass(&s, next_in(&s));
                start(&s, CHECK_LOGIN);
                ends(&s, 30 * SEC, REASON_AUTH_TIMEOUT);
        }
        became(&s, STATE_DOWN, REASON_WAKE_TIMEOUT);
        is(&s, STATE_DOWN, REASON_WAKE_TIMEOUT);
        for (unsigned i = 0; i < 20 && s.t->demand_until_boot_usec; i++) {
                pass(&s, next_in(&s));
                if (!s.t->demand_until_boot_usec)
                        break;
                start(&s, CHECK_LOGIN);
                ends(&s, 30 * SEC, REASON_AUTH_TIMEOUT);
        }
        is(&s, STATE_DOWN, REASON_WAKE_TIMEOUT);
        scene_end(&s);
}

static void a_late_success_past_the_wakes_limit_is_a_success(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.config.attempt_timeout_usec = 10 * MIN_;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        pass(&s, 4 * MIN_);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        became(&s, STATE_DOWN, REASON_WAKE_TIMEOUT);
        server_starts(&s);
        ends(&s, SEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(edge(&s)->kind, EVENT_WAKE);
        assert_int_equal(s.t->counts.last_wake.latency_usec, 4 * MIN_ + SEC);
        scene_end(&s);
}

static void a_hung_plain_server_is_down_and_does_not_flap(void **state) {
        struct scene s = scene(PLAIN);
        unsigned told;

        (void)state;
        scene_awake(&s);
        pass(&s, 10 * SEC);
        start(&s, CHECK_PING);
        ends(&s, 30 * SEC, REASON_QUERY_TIMEOUT);
        while (s.t->state != STATE_DOWN)
                check_after_wait(&s, next_in(&s), CHECK_LOGIN, 30 * SEC, REASON_AUTH_TIMEOUT);
        assert_int_equal(s.t->reason, REASON_AUTH_TIMEOUT);
        told = s.logged;
        assert_true(told <= 5);
        for (unsigned i = 0; i < 50; i++)
                check_after_wait(&s, next_in(&s), CHECK_LOGIN, 30 * SEC, REASON_AUTH_TIMEOUT);
        assert_int_equal(s.logged, told);
        scene_end(&s);
}

static void a_slow_refusal_does_not_flap_either(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, 400 * MSEC, REASON_AUTH_PASSWORD);
        became(&s, STATE_BLOCKED, REASON_AUTH_PASSWORD);
        for (unsigned i = 0; i < 10; i++)
                check_after_wait(&s, 5 * MIN_, CHECK_LOGIN, 2 * SEC, REASON_AUTH_PASSWORD);
        is(&s, STATE_BLOCKED, REASON_AUTH_PASSWORD);
        scene_end(&s);
}

static void the_expected_time_comes_from_its_own_wakes(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        scene_begin(&s);
        assert_int_equal(database_expected_ready_usec(s.t, s.now), USEC_INFINITY);
        start(&s, CHECK_LOGIN);
        assert_int_equal(database_expected_ready_usec(s.t, s.now), s.t->provider->usual_wake_usec); /* there was none yet */
        pass(&s, 500 * MSEC);
        server_starts(&s);
        ends(&s, 1500 * MSEC, REASON_NONE);
        assert_int_equal(database_expected_ready_usec(s.t, s.now), 0);
        s.read = s.logged;
        pass(&s, 400 * SEC - next_in(&s)); /* its demand ends meanwhile */
        s.read = s.logged;
        if (s.t->session_held)
                session_ends(&s, REASON_SESSION_CUT, "57P01", false);
        start(&s, CHECK_DOOR);
        assert_int_equal(database_expected_ready_usec(s.t, s.now), USEC_INFINITY); /* a door wakes nothing */
        ends(&s, MSEC, REASON_NONE);
        s.read = s.logged;
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
        start(&s, CHECK_LOGIN);
        assert_in_range(database_expected_ready_usec(s.t, s.now), 1900 * MSEC, 2100 * MSEC);
        pass(&s, SEC);
        assert_in_range(database_expected_ready_usec(s.t, s.now), 900 * MSEC, 1100 * MSEC);
        pass(&s, 5 * SEC);
        assert_int_equal(database_expected_ready_usec(s.t, s.now), 6 * SEC); /* later than ever: as long again, perhaps */
        s.read = s.logged;
        pass(&s, 3 * MIN_ - 7 * SEC);
        assert_int_equal(database_expected_ready_usec(s.t, s.now), 1500 * MSEC); /* then it is given up */
        scene_end(&s);
}

/* -- pause, our own network, expectations ----------------------------------------------------------------------------------------- */

static void a_pause_asks_nothing_and_ends_by_itself(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_awake(&s);
        pause_for(&s, 2 * USEC_PER_HOUR);
        became(&s, STATE_UNKNOWN, REASON_PAUSED);
        nothing_planned(&s);
        assert_false(s.t->session_held);
        assert_false(database_ready_or_asleep(s.t));
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_PAUSED);
        session_ends(&s, REASON_SESSION_CUT, "57P01", false);
        host_sleeps(&s, MIN_);
        is(&s, STATE_UNKNOWN, REASON_PAUSED);
        pass(&s, 2 * USEC_PER_HOUR - MIN_ - 1);
        is(&s, STATE_UNKNOWN, REASON_PAUSED);
        nothing_planned(&s);
        pass(&s, 1);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(database_failures(s.t), 0);
        scene_end(&s);
}

static void a_pause_is_longer_shorter_or_over_when_somebody_says_so(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        scene_awake(&s);
        pause_for(&s, 0);
        is(&s, STATE_AWAKE, REASON_NONE); /* there was none */
        pause_for(&s, USEC_INFINITY);
        became(&s, STATE_UNKNOWN, REASON_PAUSED);
        assert_int_equal(database_due(s.t), USEC_INFINITY);
        pause_for(&s, MIN_);
        is(&s, STATE_UNKNOWN, REASON_PAUSED);
        assert_int_equal(database_due(s.t), s.now.boot_usec + MIN_);
        pause_for(&s, 0);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        next_is(&s, CHECK_LOGIN, 0);
        scene_end(&s);
}

static void a_pause_while_an_attempt_runs_forgets_it(void **state) {
        struct scene s = scene(NEON);
        struct attempt late;

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        pass(&s, SEC);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        late = scene_attempt(&s, REASON_NONE);
        pause_for(&s, MIN_);
        became(&s, STATE_UNKNOWN, REASON_PAUSED);
        assert_int_equal(s.t->wake.began_boot_usec, 0);
        finish_as(&s, late, false);
        is(&s, STATE_UNKNOWN, REASON_PAUSED);
        assert_int_equal(s.t->last_attempt.id, 0);
        scene_end(&s);
}

static void our_own_network_is_not_the_databases_fault(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        s.config.fall = 2;
        scene_awake(&s);
        pass(&s, 10 * SEC);
        start(&s, CHECK_PING);
        ends(&s, MSEC, REASON_SESSION_LOST);
        became(&s, STATE_UNKNOWN, REASON_SESSION_LOST);
        for (unsigned i = 0; i < 20; i++) {
                pass(&s, next_in(&s));
                start(&s, CHECK_LOGIN);
                pass(&s, MSEC);
                finish_as(&s, scene_attempt(&s, REASON_DNS_FAILED), true);
        }
        became(&s, STATE_UNKNOWN, REASON_HOST_NETWORK);
        is(&s, STATE_UNKNOWN, REASON_HOST_NETWORK);
        assert_int_equal(next_in(&s), 15 * SEC);
        assert_int_equal(s.t->counts.failures_by_reason[REASON_HOST_NETWORK], 20);
        /* With the network back, its failures count from the first. */
        check_after_wait(&s, 15 * SEC, CHECK_LOGIN, MSEC, REASON_TCP_REFUSED);
        became(&s, STATE_UNKNOWN, REASON_TCP_REFUSED);
        check_after_wait(&s, 1 * SEC, CHECK_LOGIN, MSEC, REASON_TCP_REFUSED);
        became(&s, STATE_DOWN, REASON_TCP_REFUSED);
        sums_agree(s.t);
        scene_end(&s);
}

static void expectations_make_it_degraded_and_a_ping_may_clear_them(void **state) {
        static const struct {
                struct expect expect;
                struct server_info bad, good;
                enum reason reason;
        } rows[] = {
                {{.has_primary = true, .primary = true}, {.in_recovery = true}, {.in_recovery = false}, REASON_EXPECT_PRIMARY},
                {{.has_primary = true, .primary = false}, {.in_recovery = false}, {.in_recovery = true}, REASON_EXPECT_PRIMARY},
                {{.has_read_only = true, .read_only = false}, {.read_only = true}, {.read_only = false}, REASON_EXPECT_READ_ONLY},
                {{.has_read_only = true, .read_only = true}, {.read_only = false}, {.read_only = true}, REASON_EXPECT_READ_ONLY},
                {{.max_lag_usec = SEC}, {.in_recovery = true, .lag_usec = SEC + 1},
                 {.in_recovery = true, .lag_usec = SEC}, REASON_EXPECT_LAG},
                {{.max_lag_usec = SEC}, {.in_recovery = true, .lag_usec = USEC_INFINITY}, {.lag_usec = USEC_INFINITY}, REASON_EXPECT_LAG},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
                struct scene s = scene(PLAIN);

                s.config.expect = rows[i].expect;
                s.server = rows[i].bad;
                scene_begin(&s);
                start(&s, CHECK_LOGIN);
                ends(&s, MSEC, REASON_NONE);
                became(&s, STATE_DEGRADED, rows[i].reason);
                assert_false(database_ready(s.t));
                assert_true(s.t->session_held);
                check_after_wait(&s, 10 * SEC, CHECK_PING, MSEC, REASON_NONE);
                is(&s, STATE_DEGRADED, rows[i].reason);
                s.server = rows[i].good;
                check_after_wait(&s, 10 * SEC, CHECK_PING, MSEC, REASON_NONE);
                became(&s, STATE_AWAKE, REASON_NONE);
                s.server = rows[i].bad;
                check_after_wait(&s, 10 * SEC, CHECK_PING, MSEC, REASON_NONE);
                became(&s, STATE_DEGRADED, rows[i].reason);
                s.server = rows[i].good;
                check_after_wait(&s, 10 * SEC, CHECK_PING, MSEC, REASON_NONE);
                became(&s, STATE_AWAKE, REASON_NONE);
                sums_agree(s.t);
                scene_end(&s);
        }
}

static void a_quiet_primary_that_writes_again_makes_no_lag(void **state) {
        struct scene s = scene(PLAIN);

        (void)state;
        s.config.expect.max_lag_usec = 25 * SEC;
        s.server = (struct server_info){.in_recovery = true, .lag_usec = 0};
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        /* The last transaction is an hour old, and the next one was received but not yet replayed: ten seconds behind at the most. */
        s.server.lag_usec = USEC_PER_HOUR;
        check_after_wait(&s, 10 * SEC, CHECK_PING, MSEC, REASON_NONE);
        is(&s, STATE_AWAKE, REASON_NONE);
        check_after_wait(&s, 10 * SEC, CHECK_PING, MSEC, REASON_NONE);
        is(&s, STATE_AWAKE, REASON_NONE);
        check_after_wait(&s, 10 * SEC, CHECK_PING, MSEC, REASON_NONE);
        became(&s, STATE_DEGRADED, REASON_EXPECT_LAG);
        s.server.lag_usec = 0;
        check_after_wait(&s, 10 * SEC, CHECK_PING, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        scene_end(&s);
}

static void a_wrong_value_is_degraded_and_holds_the_session(void **state) {
        struct scene s = scene(PLAIN);
        struct attempt a;

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        pass(&s, MSEC);
        a = scene_attempt(&s, REASON_NONE);
        a.reason = REASON_EXPECT_VALUE;
        finish_as(&s, a, false);
        became(&s, STATE_DEGRADED, REASON_EXPECT_VALUE);
        assert_int_not_equal(s.t->server.version, 0);
        assert_true(s.t->session_held);
        next_is(&s, CHECK_PING, 10 * SEC);
        pass(&s, 25 * SEC);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        scene_end(&s);
}

/* -- on demand, observe ----------------------------------------------------------------------------------------------------------- */

static void the_start_is_a_demand_that_lingers_and_ends(void **state) {
        struct scene s = scene(NEON);
        uint64_t began = s.now.boot_usec;

        (void)state;
        scene_sentinel(&s);
        assert_int_equal(s.now.boot_usec, began + 300 * MSEC + 60 * SEC);
        assert_int_equal(s.t->counts.attempts[CHECK_PING][CLASS_OK], 5);
        scene_end(&s);
}

static void the_sentinel_renews_for_days_and_asks_nothing(void **state) {
        struct scene s = scene(NEON);
        uint64_t before;

        (void)state;
        s.config.fresh_for_usec = 20 * SEC;
        scene_sentinel(&s);
        before = s.t->account.awake_usec;
        nothing_planned(&s);
        /* The account is settled and reported regularly, so that a crash does not lose days of it. */
        assert_int_equal(database_due(s.t), s.now.boot_usec + 10 * SEC);
        pass(&s, 10 * SEC);
        assert_int_equal(s.t->account.awake_usec, before + 10 * SEC);
        assert_int_equal(database_due(s.t), s.now.boot_usec + 10 * SEC);
        nothing_planned(&s);
        pass(&s, 30 * USEC_PER_DAY);
        is(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(s.t->counts.attempts[CHECK_LOGIN][CLASS_OK], 1);
        scene_end(&s);
}

static void cut(struct scene *s, bool pooled) {
        if (pooled)
                session_ends(s, REASON_SESSION_LOST, "", true);
        else
                session_ends(s, REASON_SESSION_CUT, "57P01", false);
        became(s, STATE_UNKNOWN, pooled ? REASON_SESSION_LOST : REASON_SESSION_CUT);
}

/* There is no demand for long enough, and the door is good after the cut. */
static void falls_asleep(struct scene *s) {
        scene_sentinel(s);
        pass(s, 5 * MIN_);
        cut(s, false);
        start(s, CHECK_DOOR);
        ends(s, MSEC, REASON_NONE);
        became(s, STATE_ASLEEP, REASON_SESSION_CUT);
}

static void cut_at_its_time_and_a_good_door_is_asleep(void **state) {
        (void)state;
        for (unsigned pooled = 0; pooled < 2; pooled++) {
                struct scene s = scene(pooled ? POOLED : NEON);

                scene_sentinel(&s);
                pass(&s, 5 * MIN_);
                cut(&s, pooled);
                start(&s, CHECK_DOOR);
                ends(&s, 50 * MSEC, REASON_NONE);
                became(&s, STATE_ASLEEP, pooled ? REASON_SESSION_LOST : REASON_SESSION_CUT);
                assert_false(database_ready(s.t));
                assert_true(database_ready_or_asleep(s.t));
                assert_int_equal(s.t->counts.generation, 1);
                /* The door renews it, and no login ever wakes it. */
                for (unsigned i = 0; i < 3000; i++)
                        check_after_wait(&s, 30 * SEC, CHECK_DOOR, 50 * MSEC, REASON_NONE);
                is(&s, STATE_ASLEEP, pooled ? REASON_SESSION_LOST : REASON_SESSION_CUT);
                assert_int_equal(s.t->counts.attempts[CHECK_LOGIN][CLASS_OK], 1);
                assert_int_equal(database_wakes(s.t), 1);
                scene_end(&s);
        }
}

static void a_cut_that_is_no_suspend_stays_unknown(void **state) {
        static const struct {
                const char *host;
                uint64_t idle;
                enum reason reason;
                const char *sqlstate;
                bool bare_eof;
        } rows[] = {
                {NEON, 4 * MIN_, REASON_SESSION_CUT, "57P01", false},     /* too soon: somebody terminated it */
                {NEON, 10 * MIN_, REASON_SESSION_LOST, "", true},         /* a proxy's restart */
                {NEON, 10 * MIN_, REASON_SERVER_CRASHED, "57P02", false}, /* a crash */
                {POOLED, 10 * MIN_, REASON_SESSION_CUT, "57P01", false},  /* not how a pooler's end looks */
                {POOLED, 4 * MIN_, REASON_SESSION_LOST, "", true},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
                struct scene s = scene(rows[i].host);

                scene_sentinel(&s);
                pass(&s, rows[i].idle);
                session_ends(&s, rows[i].reason, rows[i].sqlstate, rows[i].bare_eof);
                became(&s, STATE_UNKNOWN, rows[i].reason);
                start(&s, CHECK_DOOR);
                ends(&s, MSEC, REASON_NONE);
                for (unsigned k = 0; k < 10; k++)
                        check_after_wait(&s, 30 * SEC, CHECK_DOOR, MSEC, REASON_NONE);
                assert_int_equal(s.t->state, STATE_UNKNOWN);
                assert_true(database_ready_or_asleep(s.t));
                scene_end(&s);
        }
}

static void suspend_after_of_the_operator_counts_from_the_sending_of_the_last_query(void **state) {
        struct scene s = scene(NEON);
        struct attempt a;

        (void)state;
        s.config.suspend_after_usec = 2 * SEC;
        s.config.linger_usec = 0;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        pass(&s, 600 * MSEC);
        a = scene_attempt(&s, REASON_NONE);
        a.phase_usec[PHASE_QUERY] = 100 * MSEC; /* the answer was that long on its way */
        finish_as(&s, a, false);
        s.read = s.logged;
        assert_int_equal(s.t->demand_until_boot_usec, 0);
        pass(&s, 1900 * MSEC);
        cut(&s, false);
        assert_true(s.t->evidence.cut_like_suspend);
        scene_end(&s);
}

static void a_door_that_is_good_at_the_second_try_still_tells_sleep(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        scene_sentinel(&s);
        pass(&s, 5 * MIN_);
        cut(&s, false);
        start(&s, CHECK_DOOR);
        ends(&s, MSEC, REASON_DNS_TIMEOUT);
        became(&s, STATE_UNKNOWN, REASON_DNS_TIMEOUT);
        assert_false(database_ready_or_asleep(s.t));
        check_after_wait(&s, 1 * SEC, CHECK_DOOR, MSEC, REASON_NONE);
        became(&s, STATE_ASLEEP, REASON_SESSION_CUT);
        scene_end(&s);
}

static void door_failures_are_down_within_fall_and_then_unknown_not_asleep(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        falls_asleep(&s);
        check_after_wait(&s, 30 * SEC, CHECK_DOOR, MSEC, REASON_TCP_TIMEOUT);
        is(&s, STATE_ASLEEP, REASON_SESSION_CUT); /* one failure does not disprove it */
        check_after_wait(&s, 1 * SEC, CHECK_DOOR, MSEC, REASON_TCP_TIMEOUT);
        is(&s, STATE_ASLEEP, REASON_SESSION_CUT);
        check_after_wait(&s, 2 * SEC, CHECK_DOOR, MSEC, REASON_TCP_TIMEOUT);
        became(&s, STATE_DOWN, REASON_TCP_TIMEOUT);
        for (unsigned i = 0; i < 100; i++)
                check_after_wait(&s, next_in(&s), CHECK_DOOR, MSEC, REASON_TCP_TIMEOUT);
        is(&s, STATE_DOWN, REASON_TCP_TIMEOUT);
        check_after_wait(&s, 15 * SEC, CHECK_DOOR, MSEC, REASON_NONE);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        check_after_wait(&s, 30 * SEC, CHECK_DOOR, MSEC, REASON_NONE);
        is(&s, STATE_UNKNOWN, REASON_STALE);
        assert_true(database_ready_or_asleep(s.t));
        sums_agree(s.t);
        scene_end(&s);
}

static void a_wake_call_is_one_login_then_linger_then_the_sentinel_again(void **state) {
        struct scene s = scene(NEON);
        uint64_t answered;

        (void)state;
        falls_asleep(&s);
        pass(&s, 10 * SEC);
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
        is(&s, STATE_ASLEEP, REASON_SESSION_CUT);
        start(&s, CHECK_LOGIN);
        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
        nothing_planned(&s);
        pass(&s, 600 * MSEC);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        assert_true(database_ready_or_asleep(s.t));
        server_starts(&s);
        ends(&s, 600 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(edge(&s)->kind, EVENT_WAKE);
        assert_int_equal(s.t->counts.last_wake.latency_usec, 1200 * MSEC);
        assert_int_equal(s.t->counts.last_wake.cause, WAKE_CALL);
        assert_int_equal(s.t->counts.wakes_by_cause[WAKE_CALL], 1);
        assert_int_equal(s.t->counts.generation, 2); /* the cut, and another server start */
        answered = s.now.boot_usec;
        assert_int_equal(s.t->demand_until_boot_usec, answered + 60 * SEC);
        while (s.t->demand_until_boot_usec)
                if (database_due(s.t) <= policy_next(s.t).due_boot_usec)
                        pass(&s, database_due(s.t) - s.now.boot_usec);
                else
                        check_after_wait(&s, next_in(&s), CHECK_PING, MSEC, REASON_NONE);
        assert_int_equal(s.now.boot_usec, answered + 60 * SEC);
        nothing_planned(&s);
        is(&s, STATE_AWAKE, REASON_NONE);
        sums_agree(s.t);
        scene_end(&s);
}

static void a_wake_call_to_one_that_is_awake_is_a_linger_from_now(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        scene_sentinel(&s);
        pass(&s, MIN_);
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
        assert_int_equal(s.t->demand_until_boot_usec, s.now.boot_usec + 60 * SEC);
        /* From here on answers renew it, and a check that hangs lets it expire. (The last login is old, so this is one.) */
        start(&s, CHECK_LOGIN);
        pass(&s, 25 * SEC);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        ends(&s, SEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(database_wakes(s.t), 1);
        scene_end(&s);
}

static void a_wake_call_while_a_door_is_asked_does_not_wait_for_the_rhythm(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.config.wake_at_start = false;
        scene_begin(&s);
        start(&s, CHECK_DOOR);
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
        start(&s, CHECK_LOGIN); /* the door is not waited for, either */
        scene_end(&s);
}

static void trouble_of_the_proxy_when_it_is_asleep_is_the_beginning_of_the_wake(void **state) {
        struct scene s = scene(NEON);
        uint64_t began;

        (void)state;
        falls_asleep(&s);
        assert_int_equal(scene_wake(&s, WAKE_LEASE), REASON_NONE);
        began = s.now.boot_usec;
        start(&s, CHECK_LOGIN);
        ends(&s, 300 * MSEC, REASON_PROVIDER_TRANSIENT);
        became(&s, STATE_WAKING, REASON_PROVIDER_TRANSIENT);
        server_starts(&s);
        check_after_wait(&s, 1 * SEC, CHECK_LOGIN, 100 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(edge(&s)->latency_usec, s.now.boot_usec - began);
        assert_int_equal(s.t->counts.last_wake.cause, WAKE_LEASE);
        scene_end(&s);
}

static void without_demand_no_login_ever(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.config.wake_at_start = false;
        scene_begin(&s);
        for (unsigned i = 0; i < 5000; i++) {
                check_after_wait(&s, i ? (i % 7 == 1 ? 1 * SEC : 30 * SEC) : 0, CHECK_DOOR, MSEC, i % 7 ? REASON_NONE : REASON_DNS_TIMEOUT);
                s.logged = 0;
        }
        assert_int_equal(s.t->state, STATE_UNKNOWN);
        scene_end(&s);

        /* If a door check would wake it, no check is sent. */
        s = scene(AURORA);
        s.config.wake_at_start = false;
        scene_begin(&s);
        nothing_planned(&s);
        scene_end(&s);
}

/* Logins were refused: a good door check does not shorten their delay. */
static void a_good_door_does_not_hurry_who_is_blocked_or_throttled(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.config.linger_usec = 0;
        s.config.blocked_interval_usec = USEC_PER_HOUR;
        s.config.wake_at_start = false;
        scene_begin(&s);
        start(&s, CHECK_DOOR);
        ends(&s, MSEC, REASON_NONE);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        start(&s, CHECK_LOGIN);
        ends(&s, 10 * MSEC, REASON_AUTH_PASSWORD);
        became(&s, STATE_BLOCKED, REASON_AUTH_PASSWORD);
        scene_input(&s, INPUT_LEASE_END);
        for (unsigned i = 0; i < 100; i++) {
                check_after_wait(&s, next_in(&s), CHECK_DOOR, MSEC, REASON_NONE);
                assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_AUTH_PASSWORD);
        }
        pass(&s, next_in(&s));
        start(&s, CHECK_DOOR);
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_AUTH_PASSWORD);
        ends(&s, MSEC, REASON_NONE);
        scene_end(&s);
}

/* Demand ended unnoticed: it must not wake the database. */
static void demand_that_is_over_after_a_pause_or_a_suspend_wakes_nobody(void **state) {
        (void)state;
        for (unsigned way = 0; way < 2; way++) {
                struct scene s = scene(NEON);

                s.config.wake_at_start = false;
                scene_begin(&s);
                start(&s, CHECK_DOOR);
                ends(&s, MSEC, REASON_NONE);
                assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
                if (way == 0) {
                        pause_for(&s, USEC_PER_DAY);
                        scene_jump(&s, s.now.boot_usec + 8 * USEC_PER_HOUR);
                        pause_for(&s, 0);
                } else
                        host_sleeps(&s, 8 * USEC_PER_HOUR);
                assert_int_equal(s.t->demand_until_boot_usec, 0);
                start(&s, CHECK_DOOR);
                s.logged = 0;
                scene_end(&s);
        }
}

static void a_wake_that_nobody_needs_any_longer_is_no_outage(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.config.linger_usec = 0;
        falls_asleep(&s);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        start(&s, CHECK_LOGIN);
        pass(&s, 600 * MSEC);
        became(&s, STATE_WAKING, REASON_SERVER_STARTING);
        scene_input(&s, INPUT_LEASE_END);
        pass(&s, 10 * SEC);
        is(&s, STATE_WAKING, REASON_SERVER_STARTING); /* the login under way will tell */
        ends(&s, 19 * SEC, REASON_AUTH_TIMEOUT);
        became(&s, STATE_WAKING, REASON_AUTH_TIMEOUT);
        became(&s, STATE_UNKNOWN, REASON_STALE); /* in the same step, and before a door check could be planned */
        for (unsigned i = 0; i < 20; i++)
                check_after_wait(&s, next_in(&s), CHECK_DOOR, MSEC, REASON_NONE);
        assert_int_equal(s.t->state, STATE_UNKNOWN);
        no_edge(&s);
        scene_end(&s);
}

static void what_a_login_found_is_not_asked_of_the_door_every_second(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.never_holds = true;
        scene_begin(&s);
        while (s.t->demand_until_boot_usec) {
                pass(&s, MIN(next_in(&s), database_due(s.t) - s.now.boot_usec));
                if (s.t->demand_until_boot_usec && next_in(&s) == 0) {
                        start(&s, CHECK_LOGIN);
                        ends(&s, MSEC, REASON_PROVIDER_QUOTA);
                }
        }
        became(&s, STATE_BLOCKED, REASON_PROVIDER_QUOTA);
        is(&s, STATE_BLOCKED, REASON_PROVIDER_QUOTA);
        start(&s, CHECK_DOOR);
        ends(&s, MSEC, REASON_NONE);
        is(&s, STATE_BLOCKED, REASON_PROVIDER_QUOTA); /* the door is the proxy's: it knows of no quota */
        check_after_wait(&s, 30 * SEC, CHECK_DOOR, MSEC, REASON_NONE);
        check_after_wait(&s, 30 * SEC, CHECK_DOOR, MSEC, REASON_NONE);
        is(&s, STATE_BLOCKED, REASON_PROVIDER_QUOTA);
        scene_end(&s);
}

static void what_a_door_found_a_door_clears(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.config.wake_at_start = false;
        scene_begin(&s);
        start(&s, CHECK_DOOR);
        ends(&s, MSEC, REASON_TLS_VERIFY);
        became(&s, STATE_BLOCKED, REASON_TLS_VERIFY);
        check_after_wait(&s, 30 * SEC, CHECK_DOOR, MSEC, REASON_NONE);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        pass(&s, 30 * SEC);
        start(&s, CHECK_DOOR);
        finish_as(&s, scene_attempt(&s, REASON_DNS_FAILED), true);
        became(&s, STATE_UNKNOWN, REASON_HOST_NETWORK);
        check_after_wait(&s, next_in(&s), CHECK_DOOR, MSEC, REASON_NONE);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        scene_end(&s);
}

static void a_door_that_lets_us_in_is_no_door(void **state) {
        struct scene s = scene(NEON);
        struct attempt a;

        (void)state;
        s.config.wake_at_start = false;
        scene_begin(&s);
        start(&s, CHECK_DOOR);
        a = scene_attempt(&s, REASON_NONE);
        a.door_let_in = true;
        finish_as(&s, a, false);
        nothing_planned(&s);
        assert_int_equal(s.t->state, STATE_UNKNOWN);
        scene_end(&s);
}

static void aurora_is_held_by_no_session_and_never_called_asleep(void **state) {
        struct scene s = scene(AURORA);

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, 100 * MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        others_woke(&s);
        assert_false(s.t->session_held);
        pass(&s, USEC_PER_HOUR);
        became(&s, STATE_UNKNOWN, REASON_STALE);
        nothing_planned(&s);
        /* No check could tell more, and any request would wake it. */
        assert_true(database_ready_or_asleep(s.t));
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
        assert_false(database_ready_or_asleep(s.t));
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_TCP_REFUSED);
        became(&s, STATE_UNKNOWN, REASON_TCP_REFUSED);
        assert_false(database_ready_or_asleep(s.t));
        scene_end(&s);

        /* The last finding was bad, even if it is old by now. */
        s = scene(AURORA);
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, 100 * MSEC, REASON_AUTH_PASSWORD);
        became(&s, STATE_BLOCKED, REASON_AUTH_PASSWORD);
        pause_for(&s, USEC_PER_HOUR);
        pass(&s, 2 * USEC_PER_HOUR);
        assert_int_equal(s.t->state, STATE_BLOCKED);
        assert_false(database_ready_or_asleep(s.t));
        s.logged = 0;
        scene_end(&s);
}

static void observe_asks_only_after_a_call(void **state) {
        struct scene s = scene(NEON);

        (void)state;
        s.config.policy = POLICY_OBSERVE;
        scene_begin(&s);
        assert_int_equal(s.t->demand_until_boot_usec, 0);
        start(&s, CHECK_DOOR);
        ends(&s, MSEC, REASON_NONE);
        next_is(&s, CHECK_DOOR, 30 * SEC);
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
        start(&s, CHECK_LOGIN);
        ends(&s, MSEC, REASON_NONE);
        became(&s, STATE_AWAKE, REASON_NONE);
        next_is(&s, CHECK_PING, 10 * SEC);
        scene_end(&s);
}

static void a_check_that_could_not_start_is_not_tried_in_a_circle(void **state) {
        static const char *const hosts[] = {PLAIN, NEON};

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
                struct scene s = scene(hosts[i]);
                enum check check;

                s.config.wake_at_start = false;
                scene_begin(&s);
                check = policy_next(s.t).check;
                scene_begun(&s, check);
                scene_not_begun(&s, check);
                assert_in_range(next_in(&s), 1 * SEC, 30 * SEC);
                scene_end(&s);
        }
}

static void a_report_of_another_attempt_changes_nothing(void **state) {
        struct scene s = scene(PLAIN);
        struct attempt a;

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        a = scene_attempt(&s, REASON_NONE);
        a.id++;
        finish_as(&s, a, false);
        is(&s, STATE_UNKNOWN, REASON_NOT_CHECKED);
        assert_true(s.t->in_flight.id);
        scene_end(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(it_starts_unknown_and_asks_at_once),
                UNIT_TEST(a_quiet_day_is_pings_and_logins_and_one_edge),
                UNIT_TEST(intervals_are_jittered_by_their_share),
                UNIT_TEST(it_falls_after_fall_failures_and_rises_at_the_first_answer),
                UNIT_TEST(rise_wants_its_answers_in_a_row),
                UNIT_TEST(retries_are_jittered_too),
                UNIT_TEST(who_is_throttled_asks_ever_more_slowly),
                UNIT_TEST(what_a_person_must_mend_is_asked_rarely_and_needs_no_fall),
                UNIT_TEST(full_is_awake_without_a_slot_and_no_wake),
                UNIT_TEST(a_ping_cannot_clear_what_a_login_found),
                UNIT_TEST(a_verdict_expires_after_two_and_a_half_intervals),
                UNIT_TEST(without_a_session_the_login_interval_renews),
                UNIT_TEST(fresh_for_replaces_the_two_and_a_half_intervals),
                UNIT_TEST(down_and_full_expire_when_nobody_asks_any_more_and_blocked_does_not),
                UNIT_TEST(after_a_suspend_of_the_host_all_evidence_is_old),
                UNIT_TEST(the_time_that_the_host_slept_is_no_slow_login_and_no_late_wake),
                UNIT_TEST(a_cut_session_is_unknown_at_once_and_asked_in_the_same_instant),
                UNIT_TEST(a_server_that_lets_in_and_cuts_is_asked_in_the_rhythm_of_retries),
                UNIT_TEST(a_ping_that_meets_the_end_of_the_session_is_that_end),
                UNIT_TEST(a_ping_that_was_asked_before_the_end_was_known_is_the_same_event),
                UNIT_TEST(a_ping_without_an_answer_ends_only_our_own_session),
                UNIT_TEST(a_cut_while_a_login_is_under_way_is_followed_by_another_only_if_it_failed),
                UNIT_TEST(a_new_start_time_of_the_server_is_a_new_generation),
                UNIT_TEST(a_slow_login_wakes_only_in_the_phase_of_waking),
                UNIT_TEST(a_slow_login_to_one_that_is_awake_is_only_slow),
                UNIT_TEST(a_server_that_says_starting_is_waking_until_it_answers),
                UNIT_TEST(a_slow_but_warm_login_is_no_wake_of_ours),
                UNIT_TEST(a_cold_start_proves_a_wake_that_was_too_quick_to_be_seen),
                UNIT_TEST(a_provider_may_have_started_it_a_moment_before_a_plain_server_not),
                UNIT_TEST(a_wake_that_fails_its_time_is_down_and_does_not_flap),
                UNIT_TEST(a_hanging_wake_of_a_provider_ends_by_its_own_limit),
                UNIT_TEST(a_late_success_past_the_wakes_limit_is_a_success),
                UNIT_TEST(a_hung_plain_server_is_down_and_does_not_flap),
                UNIT_TEST(a_slow_refusal_does_not_flap_either),
                UNIT_TEST(the_expected_time_comes_from_its_own_wakes),
                UNIT_TEST(a_pause_asks_nothing_and_ends_by_itself),
                UNIT_TEST(a_pause_is_longer_shorter_or_over_when_somebody_says_so),
                UNIT_TEST(a_pause_while_an_attempt_runs_forgets_it),
                UNIT_TEST(our_own_network_is_not_the_databases_fault),
                UNIT_TEST(expectations_make_it_degraded_and_a_ping_may_clear_them),
                UNIT_TEST(a_quiet_primary_that_writes_again_makes_no_lag),
                UNIT_TEST(a_wrong_value_is_degraded_and_holds_the_session),
                UNIT_TEST(the_start_is_a_demand_that_lingers_and_ends),
                UNIT_TEST(the_sentinel_renews_for_days_and_asks_nothing),
                UNIT_TEST(cut_at_its_time_and_a_good_door_is_asleep),
                UNIT_TEST(a_cut_that_is_no_suspend_stays_unknown),
                UNIT_TEST(suspend_after_of_the_operator_counts_from_the_sending_of_the_last_query),
                UNIT_TEST(a_door_that_is_good_at_the_second_try_still_tells_sleep),
                UNIT_TEST(door_failures_are_down_within_fall_and_then_unknown_not_asleep),
                UNIT_TEST(a_wake_call_is_one_login_then_linger_then_the_sentinel_again),
                UNIT_TEST(a_wake_call_to_one_that_is_awake_is_a_linger_from_now),
                UNIT_TEST(a_wake_call_while_a_door_is_asked_does_not_wait_for_the_rhythm),
                UNIT_TEST(trouble_of_the_proxy_when_it_is_asleep_is_the_beginning_of_the_wake),
                UNIT_TEST(without_demand_no_login_ever),
                UNIT_TEST(a_good_door_does_not_hurry_who_is_blocked_or_throttled),
                UNIT_TEST(demand_that_is_over_after_a_pause_or_a_suspend_wakes_nobody),
                UNIT_TEST(a_wake_that_nobody_needs_any_longer_is_no_outage),
                UNIT_TEST(what_a_login_found_is_not_asked_of_the_door_every_second),
                UNIT_TEST(what_a_door_found_a_door_clears),
                UNIT_TEST(a_door_that_lets_us_in_is_no_door),
                UNIT_TEST(aurora_is_held_by_no_session_and_never_called_asleep),
                UNIT_TEST(observe_asks_only_after_a_call),
                UNIT_TEST(a_check_that_could_not_start_is_not_tried_in_a_circle),
                UNIT_TEST(a_report_of_another_attempt_changes_nothing),
        };

        return UNIT_RUN(tests);
}
