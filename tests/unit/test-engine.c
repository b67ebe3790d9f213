/*
 * The engine on a real sd_event, with a scripted pool of probers: what it starts and when, which observers it calls, what a reload keeps,
 * and that nothing wakes the process when nothing is due.
 */
#include "stage.h"

#include "scheduler/lease.h"

/* -- what is started -------------------------------------------------------------------------------------------------------------- */

static void none_is_none(void **state) {
        struct stage *s = stage_new(0);

        (void)state;
        stage_begin(s);
        nothing_happens(s);
        assert_int_equal(registry_count(engine_registry(s->engine)), 0);
        assert_int_equal(engine_overdue_usec(s->engine), 0);
        assert_int_equal(engine_sequence(s->engine), 0);
        stage_end(s);
}

static void every_database_is_asked_at_once(void **state) {
        struct stage *s = stage_new(3);

        (void)state;
        s->databases[1].expect = (struct expect){.max_lag_usec = SEC, .query = (char *)"q", .value = (char *)"v"};
        stage_begin(s);
        assert_int_equal(pool->n_started, 3);
        for (unsigned i = 0; i < 3; i++) {
                const struct probe_request *request = &pool->running[i];

                assert_int_equal(request->check, CHECK_LOGIN);
                assert_ptr_equal(request->conninfo, s->databases[i].conninfo);
                assert_int_equal(request->timeout_usec, 30 * SEC);
                assert_int_equal(request->want_lag, i == 1);
                assert_int_equal(request->expect_query != NULL, i == 1);
                assert_true(request->hold_session);
                for (unsigned k = 0; k < i; k++)
                        assert_int_not_equal(request->attempt, pool->running[k].attempt);
        }
        assert_int_equal(stats(s).in_flight, 3);
        stage_end(s);
}

static void no_more_run_than_are_allowed_and_who_waits_longest_comes_first(void **state) {
        struct stage *s = stage_new(40);
        unsigned done = 0;

        (void)state;
        s->config.attempts_in_flight = 4; /* one of them is reserved for demand */
        stage_begin(s);
        assert_int_equal(stats(s).in_flight, 3);
        assert_int_equal(stats(s).waiting, 37);
        nothing_happens(s); /* a database that waits for a slot does not keep the loop busy */
        while (pool->n_running > 0) {
                struct database *t = registry_by_id(engine_registry(s->engine), pool->started[done++]);

                assert_true(pool->n_running <= 3);
                report(s, t, REASON_NONE);
                assert_int_equal(stats(s).in_flight + stats(s).waiting, 40 - done);
        }
        assert_int_equal(done, 40);
        for (unsigned i = 0; i < 40; i++)
                assert_int_equal(pool->started[i], i + 1);
        assert_int_equal(stats(s).waiting, 0);
        assert_int_equal(registry_count_in_state(engine_registry(s->engine), STATE_AWAKE), 40);
        assert_int_equal(registry_not_ready(engine_registry(s->engine)), 0);
        stage_end(s);
}

static void who_has_just_had_a_place_does_not_come_before_who_waits(void **state) {
        struct stage *s = stage_new(3);

        (void)state;
        s->config.attempts_in_flight = 1;
        stage_begin(s);
        report(s, database_named(s, "db00"), REASON_NONE);
        cut_session(database_named(s, "db00")); /* wants a login at once */
        assert_int_equal(pool->started[pool->n_started - 1], database_named(s, "db01")->id);
        report(s, database_named(s, "db01"), REASON_NONE);
        assert_int_equal(pool->started[pool->n_started - 1], database_named(s, "db02")->id);
        report(s, database_named(s, "db02"), REASON_NONE);
        assert_int_equal(pool->started[pool->n_started - 1], database_named(s, "db00")->id);
        stage_end(s);
}

static void a_ping_needs_no_place(void **state) {
        struct stage *s = stage_new(3);

        (void)state;
        s->config.attempts_in_flight = 1;
        s->databases[0].ping_interval_usec = 20 * MSEC;
        s->databases[0].login_interval_usec = 50 * MSEC;
        s->databases[0].fresh_for_usec = USEC_PER_HOUR;
        stage_begin(s);
        report(s, database_named(s, "db00"), REASON_NONE);
        /* db01 hangs and has the only place. */
        for (unsigned i = 0; i < 5; i++) {
                while (pool->n_running < 2)
                        assert_true(turn(s, 10 * SEC));
                assert_int_equal(pool->running[1].check, CHECK_PING);
                assert_int_equal(pool->running[1].database, database_named(s, "db00")->id);
                assert_int_equal(stats(s).in_flight, 1);
                report(s, database_named(s, "db00"), REASON_NONE);
        }
        /* Its login, due for long, and db02's wait. */
        assert_int_equal(stats(s).waiting, 2);
        report(s, database_named(s, "db01"), REASON_NONE);
        assert_int_equal(pool->running[0].database, database_named(s, "db02")->id);
        report(s, database_named(s, "db02"), REASON_NONE);
        assert_int_equal(pool->running[0].database, database_named(s, "db00")->id);
        assert_int_equal(pool->running[0].check, CHECK_LOGIN);
        stage_end(s);
}

static void a_check_falls_due_by_the_timer(void **state) {
        struct stage *s = stage_new(2);
        uint64_t before;

        (void)state;
        s->databases[0].ping_interval_usec = 20 * MSEC;
        s->databases[0].fresh_for_usec = USEC_PER_HOUR;
        s->databases[1].ping_interval_usec = USEC_PER_HOUR;
        s->databases[1].login_interval_usec = USEC_PER_HOUR;
        stage_begin(s);
        report(s, database_named(s, "db00"), REASON_NONE);
        report(s, database_named(s, "db01"), REASON_NONE);
        before = clock_boot_usec();
        while (pool->n_running == 0)
                assert_true(turn(s, 10 * SEC));
        assert_true(clock_boot_usec() - before >= 15 * MSEC);
        assert_int_equal(pool->running[0].check, CHECK_PING);
        assert_int_equal(pool->running[0].database, database_named(s, "db00")->id);
        nothing_happens(s); /* in flight, and nothing else is due for an hour */
        stage_end(s);
}

static void no_timer_is_armed_when_nothing_is_due(void **state) {
        struct stage *s = stage_new(2);

        (void)state;
        for (size_t i = 0; i < 2; i++)
                s->databases[i].provider = "neon";
        s->databases[0].linger_usec = 0;
        s->databases[1].wake_at_start = false;
        s->databases[1].door_interval_usec = 0;
        stage_begin(s);
        report(s, database_named(s, "db00"), REASON_NONE);
        assert_int_equal(database_named(s, "db00")->demand_until_boot_usec, 0); /* the demand of the start ended with the answer */
        nothing_happens(s);
        /* Its time awake is counted now and then. */
        assert_true(database_due(database_named(s, "db00")) > clock_boot_usec() + 5 * SEC);
        assert_int_equal(engine_overdue_usec(s->engine), 0);
        assert_int_equal(database_named(s, "db00")->state, STATE_AWAKE);
        assert_int_equal(database_named(s, "db01")->due.place, 0);
        stage_end(s);
}

static void a_slow_login_is_seen_while_it_runs(void **state) {
        struct stage *s = stage_new(1);

        (void)state;
        s->databases[0].slow_usec = 20 * MSEC;
        s->databases[0].provider = "neon";
        stage_begin(s);
        pool->phase = PHASE_TLS;
        assert_true(turn(s, SEC));
        assert_int_equal(database_named(s, "db00")->state, STATE_UNKNOWN);
        pool->phase = PHASE_AUTH;
        while (database_named(s, "db00")->state != STATE_WAKING)
                assert_true(turn(s, SEC));
        nothing_happens(s);
        stage_end(s);
}

static void what_cannot_start_is_tried_later_and_not_in_a_circle(void **state) {
        struct stage *s = stage_new(2);

        (void)state;
        log_open(LOG_FORMAT_LOGFMT, LOG_EMERG);
        s->databases[0].retry_interval_usec = 20 * MSEC;
        s->databases[1].provider = "neon";
        s->databases[1].wake_at_start = false;
        s->databases[1].door_interval_usec = 20 * MSEC;
        /* The script's pool is made by engine_new(): the first checks run, the ones after them do not. */
        stage_begin(s);
        report(s, database_named(s, "db00"), REASON_TCP_REFUSED);
        report(s, database_named(s, "db01"), REASON_NONE);
        pool->error = -ENOMEM;
        for (unsigned i = 0; i < 6; i++)
                assert_true(turn(s, 10 * SEC)); /* comes back: the loop is not held */
        assert_int_equal(stats(s).in_flight, 0);
        assert_false(database_named(s, "db00")->in_flight.id);
        pool->error = 0;
        while (pool->n_running < 2)
                assert_true(turn(s, 10 * SEC));
        log_open(LOG_FORMAT_LOGFMT, LOG_INFO);
        stage_end(s);
}

/* -- what is told ----------------------------------------------------------------------------------------------------------------- */

struct listener {
        struct observer observer;
        unsigned number;
        unsigned heard;
        uint64_t last_sequence;
        struct event last;
        char last_name[TEXT_NAME_MAX + 1];
        bool had_database;
        struct stage *stage;
};

static unsigned order[100], n_order;

static void hear(void *userdata, const struct event *event, const struct database *database) {
        struct listener *l = userdata;

        assert_int_equal(event->sequence, l->last_sequence + 1);
        l->last_sequence = event->sequence;
        l->last = *event;
        l->had_database = database != NULL;
        (void)text_copy(l->last_name, sizeof(l->last_name), event->database);
        l->heard++;
        assert_true(n_order < ARRAY_LENGTH(order));
        order[n_order++] = l->number;
        /* Reads in the observer return the present state. */
        if (database && event->kind == EVENT_STATE) {
                assert_int_equal(database->state, event->state);
                assert_true(registry_count_in_state(engine_registry(l->stage->engine), event->state) > 0);
        }
}

static void observers_are_told_in_their_order_with_sequence_numbers(void **state) {
        struct stage *s = stage_new(2);
        struct listener first = {.number = 1, .stage = s}, second = {.number = 2, .stage = s};

        (void)state;
        n_order = 0;
        first.observer = (struct observer){.notify = hear, .userdata = &first};
        second.observer = (struct observer){.notify = hear, .userdata = &second};
        stage_begin(s);
        engine_observe(s->engine, &first.observer);
        engine_observe(s->engine, &second.observer);
        report(s, database_named(s, "db00"), REASON_NONE);
        report(s, database_named(s, "db01"), REASON_AUTH_PASSWORD);
        assert_int_equal(engine_sequence(s->engine), 2);
        assert_int_equal(first.heard, 2);
        assert_int_equal(first.last.state, STATE_BLOCKED);
        assert_string_equal(first.last_name, "db01");
        for (unsigned i = 0; i < n_order; i++)
                assert_int_equal(order[i], i % 2 + 1);
        engine_unobserve(s->engine, &first.observer);
        engine_unobserve(s->engine, &first.observer);
        cut_session(database_named(s, "db00"));
        assert_int_equal(first.heard, 2);
        assert_int_equal(second.heard, 3);
        assert_int_equal(second.last.reason, REASON_SESSION_CUT);
        assert_int_equal(second.last.generation, 1);
        stage_end(s);
}

static void reports_of_what_is_gone_are_dropped(void **state) {
        struct stage *s = stage_new(2);
        struct probe_report late, other;
        struct config smaller;
        struct reload_summary summary;

        (void)state;
        stage_begin(s);
        late = report_of(database_named(s, "db01"), REASON_NONE);
        smaller = s->config;
        smaller.n_databases = 1;
        assert_int_equal(engine_reload(s->engine, &smaller, &summary), 0);
        assert_null(running(late.database));
        assert_int_equal(stats(s).in_flight, 1);
        pool->handler(pool->userdata, &late);
        late.kind = PROBE_REPORT_SESSION;
        pool->handler(pool->userdata, &late);
        other = report_of(database_named(s, "db00"), REASON_NONE);
        other.attempt.id += 100; /* of an attempt that was given up */
        pool->handler(pool->userdata, &other);
        assert_int_equal(stats(s).in_flight, 1);
        assert_int_equal(database_named(s, "db00")->state, STATE_UNKNOWN);
        report(s, database_named(s, "db00"), REASON_NONE);
        assert_int_equal(database_named(s, "db00")->state, STATE_AWAKE);
        stage_end(s);
}

/* -- reload, wake, pause ---------------------------------------------------------------------------------------------------------- */

static void a_reload_keeps_what_is_unchanged_and_begins_the_changed_anew(void **state) {
        struct stage *s = stage_new(3), *next = calloc(1, sizeof(*next));
        struct listener l = {.number = 1, .stage = s};
        struct reload_summary summary;
        struct database *kept;
        uint64_t kept_id, changed_id;

        (void)state;
        n_order = 0;
        stage_begin(s);
        for (unsigned i = 0; i < 3; i++)
                report(s, database_named(s, s->names[i]), REASON_NONE);
        cut_session(database_named(s, "db01"));
        report(s, database_named(s, "db01"), REASON_NONE);
        l.last_sequence = engine_sequence(s->engine);
        l.observer = (struct observer){.notify = hear, .userdata = &l};
        engine_observe(s->engine, &l.observer);
        kept = database_named(s, "db00");
        kept_id = kept->id;
        changed_id = database_named(s, "db01")->id;

        /* db00 stays, db01 is another server, db02 goes, db03 comes. */
        stage_config(next, 4);
        next->databases[1].provider = "neon";
        next->databases[1].policy = POLICY_KEEP_AWAKE;
        next->databases[1].ping_interval_usec = 5 * SEC;
        next->databases[2] = next->databases[3];
        next->by_name[2] = &next->databases[2];
        next->config.n_databases = 3;
        assert_int_equal(engine_reload(s->engine, &next->config, &summary), 0);
        assert_int_equal(summary.unchanged, 1);
        assert_int_equal(summary.changed, 1);
        assert_int_equal(summary.removed, 1);
        assert_int_equal(summary.added, 1);
        assert_int_equal(l.heard, 3); /* removed, changed, added */

        assert_ptr_equal(database_named(s, "db00"), kept);
        assert_int_equal(kept->id, kept_id);
        assert_int_equal(kept->state, STATE_AWAKE);
        assert_true(kept->session_held);
        assert_int_equal(kept->counts.attempts[CHECK_LOGIN][CLASS_OK], 1);
        assert_ptr_equal(kept->config, &next->databases[0]);
        assert_null(running(kept_id));

        assert_int_not_equal(database_named(s, "db01")->id, changed_id);
        assert_int_equal(database_named(s, "db01")->counts.generation, 2);
        assert_int_equal(database_named(s, "db01")->state, STATE_UNKNOWN);
        assert_int_equal(database_named(s, "db01")->counts.attempts[CHECK_LOGIN][CLASS_OK], 2); /* counters stay */
        assert_non_null(running(database_named(s, "db01")->id));
        assert_null(registry_by_name(engine_registry(s->engine), "db02"));
        assert_non_null(running(database_named(s, "db03")->id));
        assert_int_equal(registry_count(engine_registry(s->engine)), 3);
        assert_int_equal(registry_not_ready(engine_registry(s->engine)), 2);
        assert_int_equal(pool->forgotten, 2);

        /* Nothing is borrowed from the old one any more. */
        memset(s->databases, 0xff, sizeof(s->databases));
        memset(s->conninfos, 0xff, sizeof(s->conninfos));
        memset(s->names, 0xff, sizeof(s->names));
        assert_int_equal(database_named(s, "db01")->config->ping_interval_usec, 5 * SEC);
        report(s, database_named(s, "db01"), REASON_NONE);
        report(s, database_named(s, "db03"), REASON_NONE);
        assert_int_equal(registry_not_ready(engine_registry(s->engine)), 0);
        stage_end(s);
        free(next);
}

/* New settings cast no doubt on what is known of the same server, and are no demand. */
static void a_reload_of_settings_keeps_state_session_and_sleep(void **state) {
        struct stage *s = stage_new(2), *next = calloc(1, sizeof(*next));
        struct reload_summary summary;
        struct database *awake, *idle;

        (void)state;
        for (size_t i = 0; i < 2; i++)
                s->databases[i].provider = "neon";
        s->databases[1].wake_at_start = false;
        stage_begin(s);
        awake = database_named(s, "db00");
        idle = database_named(s, "db01");
        report(s, awake, REASON_NONE);
        report(s, idle, REASON_NONE); /* the door */
        stage_config(next, 2);
        for (size_t i = 0; i < 2; i++) {
                next->databases[i].provider = "neon";
                next->databases[i].linger_usec = 7 * SEC;
        }
        assert_int_equal(engine_reload(s->engine, &next->config, &summary), 0);
        assert_int_equal(summary.changed, 2);
        assert_ptr_equal(database_named(s, "db00"), awake);
        assert_int_equal(awake->state, STATE_AWAKE);
        assert_true(awake->session_held);
        assert_int_equal(awake->counts.generation, 0);
        assert_ptr_equal(awake->config, &next->databases[0]);
        assert_ptr_equal(database_named(s, "db01"), idle);
        assert_false(database_has_demand(idle)); /* wake_at_start is for the daemon's start, and for new databases */
        assert_null(running(idle->id));
        assert_int_equal(pool->forgotten, 0);
        stage_end(s);
        free(next);
}

/* A lease is answered at once while servers that hang hold every place that is theirs, and before those that came earlier. */
static void demand_comes_before_what_only_falls_due(void **state) {
        struct stage *s = stage_new(12);
        enum reason refusal;
        struct lease *lease;

        (void)state;
        s->config.attempts_in_flight = 4;
        for (size_t i = 9; i < 12; i++) {
                s->databases[i].provider = "neon";
                s->databases[i].wake_at_start = false;
                s->databases[i].door_interval_usec = i == 11 ? 30 * SEC : 0;
        }
        stage_begin(s);
        assert_int_equal(stats(s).in_flight, 3);
        for (size_t i = 9; i < 12; i++)
                assert_int_equal(lease_take(s->engine, database_named(s, s->names[i]), &(struct lease_request){.owner = "test"}, &refusal, &lease), 0);
        assert_non_null(running(database_named(s, "db09")->id));
        assert_int_equal(stats(s).in_flight, 4);
        report(s, database_named(s, "db00"), REASON_NONE);
        assert_non_null(running(database_named(s, "db11")->id)); /* its door check waited, and became a login */
        assert_int_equal(running(database_named(s, "db11")->id)->check, CHECK_LOGIN);
        report(s, database_named(s, "db01"), REASON_NONE);
        assert_non_null(running(database_named(s, "db10")->id)); /* before db03 to db08, which wait for longer */
        stage_end(s);
}

/* A door check may hang as long as any attempt: a login that is needed does not wait for it. */
static void a_login_overtakes_the_door_check_of_its_database(void **state) {
        struct stage *s = stage_new(1);

        (void)state;
        s->databases[0].provider = "neon";
        s->databases[0].wake_at_start = false;
        stage_begin(s);
        assert_int_equal(running(1)->check, CHECK_DOOR);
        assert_int_equal(engine_wake(s->engine, database_named(s, "db00"), WAKE_CALL), REASON_NONE);
        assert_int_equal(running(1)->check, CHECK_LOGIN);
        assert_int_equal(pool->forgotten, 1);
        assert_int_equal(stats(s).in_flight, 1);
        stage_end(s);
}

static void a_reload_to_more_places_starts_who_waits(void **state) {
        struct stage *s = stage_new(5);
        struct reload_summary summary;
        struct config wider;

        (void)state;
        s->config.attempts_in_flight = 1;
        stage_begin(s);
        assert_int_equal(stats(s).waiting, 4);
        wider = s->config;
        wider.attempts_in_flight = 4;
        assert_int_equal(engine_reload(s->engine, &wider, &summary), 0);
        assert_int_equal(summary.unchanged, 5);
        assert_int_equal(stats(s).in_flight, 3);
        assert_int_equal(stats(s).waiting, 2);
        wider.n_databases = 0;
        assert_int_equal(engine_reload(s->engine, &wider, &summary), 0);
        assert_int_equal(summary.removed, 5);
        assert_int_equal(stats(s).in_flight, 0);
        assert_int_equal(stats(s).waiting, 0);
        nothing_happens(s);
        stage_end(s);
}

static void a_hundred_wakes_are_one(void **state) {
        struct stage *s = stage_new(1);

        (void)state;
        s->databases[0].provider = "neon";
        s->databases[0].policy = POLICY_OBSERVE;
        s->databases[0].door_interval_usec = 0;
        stage_begin(s);
        assert_int_equal(pool->n_started, 0);
        nothing_happens(s);
        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(engine_wake(s->engine, database_named(s, "db00"), WAKE_CALL), REASON_NONE);
        assert_int_equal(pool->n_started, 1);
        assert_int_equal(pool->running[0].check, CHECK_LOGIN);
        report(s, database_named(s, "db00"), REASON_NONE);
        assert_int_equal(database_named(s, "db00")->state, STATE_AWAKE);
        assert_int_equal(pool->n_started, 1);
        stage_end(s);
}

static void a_pause_cancels_what_runs_and_what_waits(void **state) {
        struct stage *s = stage_new(3);

        (void)state;
        s->config.attempts_in_flight = 1;
        stage_begin(s);
        engine_pause(s->engine, database_named(s, "db01"), USEC_PER_HOUR); /* it waits */
        assert_int_equal(stats(s).waiting, 1);
        engine_pause(s->engine, database_named(s, "db00"), USEC_PER_HOUR); /* it runs: its place goes to the next */
        assert_int_equal(pool->forgotten, 2);
        assert_int_equal(stats(s).waiting, 0);
        assert_int_equal(stats(s).in_flight, 1);
        assert_int_equal(pool->running[0].database, database_named(s, "db02")->id);
        assert_int_equal(database_named(s, "db00")->reason, REASON_PAUSED);
        assert_int_equal(engine_wake(s->engine, database_named(s, "db00"), WAKE_CALL), REASON_PAUSED);
        report(s, database_named(s, "db02"), REASON_NONE);
        nothing_happens(s);
        engine_pause(s->engine, database_named(s, "db00"), 0);
        assert_int_equal(pool->running[0].database, database_named(s, "db00")->id);
        report(s, database_named(s, "db00"), REASON_NONE);
        assert_int_equal(database_named(s, "db00")->state, STATE_AWAKE);
        stage_end(s);
}

static void a_pause_ends_by_the_timer(void **state) {
        struct stage *s = stage_new(1);

        (void)state;
        stage_begin(s);
        engine_pause(s->engine, database_named(s, "db00"), 20 * MSEC);
        assert_int_equal(pool->n_running, 0);
        while (pool->n_running == 0)
                assert_true(turn(s, 10 * SEC));
        stage_end(s);
}

static void our_own_network_is_told_of_every_database_that_meets_it(void **state) {
        struct stage *s = stage_new(2);
        struct probe_report r;

        (void)state;
        stage_begin(s);
        for (unsigned i = 0; i < 2; i++) {
                struct database *t = database_named(s, s->names[i]);

                r = report_of(t, REASON_DNS_FAILED);
                r.attempt.own_network_suspect = true;
                stop_running(t->id);
                pool->handler(pool->userdata, &r);
                assert_int_equal(t->reason, i ? REASON_HOST_NETWORK : REASON_DNS_FAILED);
                assert_int_equal(t->state, STATE_UNKNOWN);
        }
        stage_end(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(none_is_none),
                UNIT_TEST(every_database_is_asked_at_once),
                UNIT_TEST(no_more_run_than_are_allowed_and_who_waits_longest_comes_first),
                UNIT_TEST(who_has_just_had_a_place_does_not_come_before_who_waits),
                UNIT_TEST(a_ping_needs_no_place),
                UNIT_TEST(a_check_falls_due_by_the_timer),
                UNIT_TEST(no_timer_is_armed_when_nothing_is_due),
                UNIT_TEST(a_slow_login_is_seen_while_it_runs),
                UNIT_TEST(what_cannot_start_is_tried_later_and_not_in_a_circle),
                UNIT_TEST(observers_are_told_in_their_order_with_sequence_numbers),
                UNIT_TEST(reports_of_what_is_gone_are_dropped),
                UNIT_TEST(a_reload_keeps_what_is_unchanged_and_begins_the_changed_anew),
                UNIT_TEST(a_reload_of_settings_keeps_state_session_and_sleep),
                UNIT_TEST(demand_comes_before_what_only_falls_due),
                UNIT_TEST(a_login_overtakes_the_door_check_of_its_database),
                UNIT_TEST(a_reload_to_more_places_starts_who_waits),
                UNIT_TEST(a_hundred_wakes_are_one),
                UNIT_TEST(a_pause_cancels_what_runs_and_what_waits),
                UNIT_TEST(a_pause_ends_by_the_timer),
                UNIT_TEST(our_own_network_is_told_of_every_database_that_meets_it),
        };

        return UNIT_RUN(tests);
}
