/* Leases in the engine: who holds one, what ends it, and what survives a reload and a restart. */
#include "stage.h"

#include "scheduler/lease.h"

struct holder {
        unsigned ended;
        enum lease_end why;
};

static void on_ended(void *userdata, enum lease_end end) {
        struct holder *holder = userdata;

        holder->ended++;
        holder->why = end;
}

struct watcher {
        struct observer observer;
        unsigned touched;
};

static void on_event(void *userdata, const struct event *event, const struct database *database) {
        (void)userdata;
        (void)event;
        (void)database;
}

static void on_touched(void *userdata, const struct database *database) {
        struct watcher *watcher = userdata;

        assert_non_null(database);
        watcher->touched++;
}

/* A database of Neon that nothing asks yet. */
static struct stage *sleeping_stage(size_t n) {
        struct stage *s = stage_new(n);

        for (size_t i = 0; i < n; i++) {
                s->databases[i].provider = "neon";
                s->databases[i].wake_at_start = false;
                s->databases[i].door_interval_usec = 0;
                s->databases[i].linger_usec = 0;
        }
        return s;
}

static struct lease *take(struct stage *s, const char *name, uint64_t for_usec, struct holder *holder) {
        struct lease_request request = {.owner = "app.service", .for_usec = for_usec, .ended = holder ? on_ended : NULL, .userdata = holder};
        enum reason refusal = REASON_UNCLASSIFIED;
        struct lease *lease = NULL;

        assert_int_equal(lease_take(s->engine, database_named(s, name), &request, &refusal, &lease), 0);
        assert_int_equal(refusal, REASON_NONE);
        return lease;
}

static void a_lease_starts_a_login_and_its_end_lets_it_be(void **state) {
        struct stage *s = sleeping_stage(1);
        struct holder holder = {0};
        struct lease *lease;

        (void)state;
        stage_begin(s);
        assert_int_equal(pool->n_running, 0);
        lease = take(s, "db00", 0, &holder);
        assert_string_equal(lease->record.owner, "app.service");
        assert_string_equal(lease->record.database, "db00");
        assert_int_equal(lease->record.until_real_usec, 0);
        assert_int_equal(pool->n_running, 1);
        assert_int_equal(pool->running[0].check, CHECK_LOGIN);
        report(s, database_named(s, "db00"), REASON_NONE);
        assert_int_equal(database_named(s, "db00")->n_leases, 1);
        lease_release(s->engine, lease);
        assert_int_equal(holder.ended, 0);
        assert_null(TAILQ_FIRST(&database_named(s, "db00")->leases));
        assert_false(database_has_demand(database_named(s, "db00")));
        assert_true(turn(s, SEC)); /* what is left to ask is looked at once */
        nothing_happens(s);
        stage_end(s);
}

static void many_are_one_login_and_are_listed_in_their_order(void **state) {
        struct stage *s = sleeping_stage(2);
        struct lease *leases[1000];
        const struct lease *l;
        struct watcher watcher = {.observer = {.notify = on_event, .touched = on_touched, .userdata = &watcher}};

        (void)state;
        stage_begin(s);
        engine_observe(s->engine, &watcher.observer);
        for (size_t i = 0; i < ARRAY_LENGTH(leases); i++)
                leases[i] = take(s, "db00", 0, NULL);
        assert_int_equal(pool->n_started, 1);
        assert_int_equal(watcher.touched, ARRAY_LENGTH(leases));
        l = TAILQ_FIRST(&database_named(s, "db00")->leases);
        for (size_t i = 0; i < ARRAY_LENGTH(leases); i++, l = TAILQ_NEXT(l, link)) {
                assert_ptr_equal(l, leases[i]);
                assert_true(i == 0 || leases[i]->record.id > leases[i - 1]->record.id);
        }
        assert_null(l);
        /* From both ends and from the middle. */
        lease_release(s->engine, leases[0]);
        lease_release(s->engine, leases[999]);
        for (size_t i = 1; i < 999; i++)
                lease_release(s->engine, leases[i == 1 ? 500 : i <= 500 ? i - 1 : i]);
        assert_null(TAILQ_FIRST(&database_named(s, "db00")->leases));
        assert_int_equal(database_named(s, "db00")->n_leases, 0);
        engine_unobserve(s->engine, &watcher.observer);
        stage_end(s);
}

static void there_is_a_limit(void **state) {
        struct stage *s = sleeping_stage(1);
        struct lease_request request = {.owner = "x"};
        enum reason refusal = REASON_NONE;
        struct lease *lease;

        (void)state;
        stage_begin(s);
        for (unsigned i = 0; i < LEASES_MAX; i++)
                (void)take(s, "db00", 0, NULL);
        assert_int_equal(lease_take(s->engine, database_named(s, "db00"), &request, &refusal, &lease), -ENOSPC);
        assert_int_equal(database_named(s, "db00")->n_leases, LEASES_MAX);
        assert_true(lease_delete(s->engine, TAILQ_FIRST(&database_named(s, "db00")->leases)->record.id));
        (void)take(s, "db00", 0, NULL);
        stage_end(s);
}

static void a_time_limit_ends_it_by_the_clock(void **state) {
        struct stage *s = sleeping_stage(1);
        struct holder first = {0}, second = {0};
        uint64_t before = clock_real_usec();
        struct lease *lease;

        (void)state;
        stage_begin(s);
        lease = take(s, "db00", 60 * MSEC, &first);
        (void)take(s, "db00", 20 * MSEC, &second);
        assert_true(lease->record.until_real_usec >= before + 60 * MSEC);
        report(s, database_named(s, "db00"), REASON_NONE);
        while (!first.ended)
                assert_true(turn(s, 10 * SEC));
        assert_true(clock_real_usec() >= before + 60 * MSEC);
        assert_int_equal(second.ended, 1);
        assert_int_equal(first.why, LEASE_END_EXPIRED);
        assert_null(TAILQ_FIRST(&database_named(s, "db00")->leases));
        assert_true(turn(s, SEC)); /* what is left to ask is looked at once */
        nothing_happens(s);
        stage_end(s);
}

static void an_id_ends_it_and_is_given_once(void **state) {
        struct stage *s = sleeping_stage(3);
        struct holder holder = {0};
        struct lease *lease;
        uint64_t id;

        (void)state;
        stage_begin(s);
        (void)take(s, "db00", 0, NULL);
        lease = take(s, "db02", 0, &holder);
        id = lease->record.id;
        assert_false(lease_delete(s->engine, id + 1));
        assert_int_equal(holder.ended, 0);
        assert_true(lease_delete(s->engine, id));
        assert_int_equal(holder.ended, 1);
        assert_int_equal(holder.why, LEASE_END_DELETED);
        assert_false(lease_delete(s->engine, id));
        assert_true(take(s, "db02", 0, NULL)->record.id > id);
        stage_end(s);
}

static void a_refused_one_leaves_nothing(void **state) {
        struct stage *s = sleeping_stage(1);
        struct lease_request request = {.owner = "x", .for_usec = SEC};
        enum reason refusal = REASON_NONE;
        struct lease *lease = NULL;

        (void)state;
        stage_begin(s);
        engine_pause(s->engine, database_named(s, "db00"), USEC_PER_HOUR);
        assert_int_equal(lease_take(s->engine, database_named(s, "db00"), &request, &refusal, &lease), -EPERM);
        assert_int_equal(refusal, REASON_PAUSED);
        assert_null(lease);
        assert_null(TAILQ_FIRST(&database_named(s, "db00")->leases));
        assert_int_equal(database_named(s, "db00")->n_leases, 0);
        stage_end(s);
}

static void a_reload_keeps_them_by_name_and_ends_those_of_what_is_gone(void **state) {
        struct stage *s = sleeping_stage(3), *next = calloc(1, sizeof(*next));
        struct holder kept = {0}, changed = {0}, removed = {0};
        struct lease *lease;
        struct reload_summary summary;

        (void)state;
        stage_begin(s);
        (void)take(s, "db00", 0, &kept);
        lease = take(s, "db01", 0, &changed);
        (void)take(s, "db01", USEC_PER_HOUR, NULL);
        (void)take(s, "db02", 0, &removed);
        stage_config(next, 2);
        for (size_t i = 0; i < 2; i++) {
                next->databases[i] = s->databases[i];
                next->databases[i].name = next->names[i];
        }
        next->databases[1].ping_interval_usec = 5 * SEC;
        assert_int_equal(engine_reload(s->engine, &next->config, &summary), 0);
        assert_int_equal(summary.unchanged, 1);
        assert_int_equal(summary.changed, 1);
        assert_int_equal(kept.ended + changed.ended, 0);
        assert_int_equal(removed.ended, 1);
        assert_int_equal(removed.why, LEASE_END_REMOVED);
        assert_ptr_equal(TAILQ_FIRST(&database_named(s, "db01")->leases), lease);
        assert_ptr_equal(lease->database, database_named(s, "db01"));
        assert_int_equal(database_named(s, "db01")->n_leases, 2);
        assert_int_equal(running(database_named(s, "db01")->id)->check, CHECK_LOGIN);
        lease_release(s->engine, lease);
        assert_int_equal(database_named(s, "db01")->n_leases, 1);
        stage_end(s);
        free(next);
}

struct past {
        struct memory memory;
        bool unread;
        unsigned asked;
};

static bool recall(void *userdata, const char *name, struct memory *ret_memory) {
        struct past *past = userdata;

        past->asked++;
        if (past->unread || !streq(name, "db00"))
                return false;
        *ret_memory = past->memory;
        return true;
}

static struct lease_record timed(const char *database, uint64_t until_real_usec) {
        struct lease_record record = {.id = 77, .owner = "backup", .since_real_usec = 1, .until_real_usec = until_real_usec};

        (void)text_copy(record.database, sizeof(record.database), database);
        return record;
}

static void a_restart_presumes_holders_and_restores_what_lives_by_the_clock(void **state) {
        struct stage *s = sleeping_stage(2);
        struct past past = {.memory = {.held = true, .counts.generation = 9, .saved_real_usec = clock_real_usec() - 5 * SEC}};
        const struct engine_past with = {.recall = recall, .userdata = &past};
        struct lease_record live = timed("db01", clock_real_usec() + USEC_PER_HOUR), late = timed("db01", clock_real_usec() - SEC),
                            unknown = timed("nobody", clock_real_usec() + USEC_PER_HOUR);

        (void)state;
        s->databases[0].lease_grace_usec = 30 * MSEC;
        assert_int_equal(engine_new(s->event, &s->config, &with, &s->engine), 0);
        assert_int_equal(past.asked, 2);
        assert_int_equal(database_named(s, "db00")->counts.generation, 9);
        assert_int_equal(database_named(s, "db00")->reason, REASON_STALE);
        assert_int_equal(database_named(s, "db01")->reason, REASON_NOT_CHECKED);
        assert_true(database_has_demand(database_named(s, "db00")));
        assert_int_equal(pool->n_running, 1);
        report(s, database_named(s, "db00"), REASON_NONE);
        while (database_has_demand(database_named(s, "db00")))
                assert_true(turn(s, 10 * SEC));

        assert_int_equal(lease_restore(s->engine, &late), 0);
        assert_int_equal(lease_restore(s->engine, &unknown), 0);
        assert_false(database_has_demand(database_named(s, "db01")));
        assert_int_equal(lease_restore(s->engine, &live), 0);
        assert_true(database_has_demand(database_named(s, "db01")));
        assert_int_equal(TAILQ_FIRST(&database_named(s, "db01")->leases)->record.id, 77);
        assert_string_equal(TAILQ_FIRST(&database_named(s, "db01")->leases)->record.owner, "backup");
        assert_int_equal(running(database_named(s, "db01")->id)->check, CHECK_LOGIN);
        assert_true(lease_delete(s->engine, 77));
        stage_end(s);
}

static void holders_of_long_ago_are_not_presumed(void **state) {
        struct stage *s = sleeping_stage(1);
        struct past past = {.memory = {.held = true, .saved_real_usec = clock_real_usec() - USEC_PER_HOUR}};
        const struct engine_past with = {.recall = recall, .userdata = &past};

        (void)state;
        s->databases[0].lease_grace_usec = 10 * SEC;
        assert_int_equal(engine_new(s->event, &s->config, &with, &s->engine), 0);
        assert_false(database_has_demand(database_named(s, "db00")));
        assert_int_equal(pool->n_running, 0);
        stage_end(s);
}

static void what_is_recalled_late_is_added_to_what_was_seen_since(void **state) {
        struct stage *s = sleeping_stage(2);
        uint64_t now = clock_real_usec();
        struct past past = {.unread = true, .memory = {
                .held = true, .counts.generation = 9, .saved_real_usec = now - 5 * SEC, .counts.attempts[CHECK_LOGIN][CLASS_OK] = 40,
                .counts.failures_by_reason[REASON_TCP_REFUSED] = 3, .counts.wakes_by_cause[WAKE_LEASE] = 2,
                .counts.last_wake = {.at_real_usec = 7, .cause = WAKE_LEASE}, .counts.server_started_real_usec = 6,
                .wake_latency = {.count = 1, .buckets[100] = 1}, .account = {.awake_usec = USEC_PER_HOUR},
        }};
        const struct engine_past with = {.recall = recall, .userdata = &past};
        struct database *database;
        uint64_t wakes;

        (void)state;
        s->databases[0].lease_grace_usec = 10 * SEC;
        assert_int_equal(engine_new(s->event, &s->config, &with, &s->engine), 0);
        database = database_named(s, "db00");
        assert_false(database_has_demand(database));
        assert_int_equal(engine_wake(s->engine, database, WAKE_CALL), REASON_NONE);
        report(s, database, REASON_NONE);
        assert_int_equal(database->counts.attempts[CHECK_LOGIN][CLASS_OK], 1);
        wakes = database_wakes(database);
        past.unread = false;
        engine_recall(s->engine);
        assert_int_equal(database->counts.attempts[CHECK_LOGIN][CLASS_OK], 41);
        assert_int_equal(database->counts.generation, 9);
        assert_int_equal(database_failures(database), 3);
        assert_int_equal(database_wakes(database), wakes + 2);
        assert_int_equal(database->counts.wakes_by_cause[WAKE_LEASE], 2);
        assert_true(database_account(database, clock_now()).awake_usec >= USEC_PER_HOUR);
        assert_int_equal(database->state, STATE_AWAKE);
        assert_true(database_has_demand(database));
        /* It was paused too, and is from now on: the check in flight is dropped. */
        past.memory.paused_until_real_usec = now + USEC_PER_HOUR;
        engine_recall(s->engine);
        assert_int_equal(database->reason, REASON_PAUSED);
        assert_in_range(database_paused_until_real(database, clock_now()), now + USEC_PER_HOUR - SEC, now + USEC_PER_HOUR + SEC);
        assert_false(database->session_held);
        /* A pause that was asked for since stays as it is. */
        engine_pause(s->engine, database, USEC_PER_MINUTE);
        engine_recall(s->engine);
        assert_in_range(database_paused_until_real(database, clock_now()), now, now + 10 * USEC_PER_MINUTE);
        assert_int_equal(database_named(s, "db01")->counts.generation, 0);
        stage_end(s);
}

static void a_reload_that_changes_a_database_keeps_who_waits_for_it(void **state) {
        struct stage *s = sleeping_stage(1), *next = calloc(1, sizeof(*next));
        struct reload_summary summary;
        uint64_t until;

        (void)state;
        stage_begin(s);
        assert_int_equal(engine_wake(s->engine, database_named(s, "db00"), WAKE_CALL), REASON_NONE);
        until = database_named(s, "db00")->demand_until_boot_usec;
        stage_config(next, 1);
        next->databases[0] = s->databases[0];
        next->databases[0].name = next->names[0];
        next->databases[0].ping_interval_usec = 5 * SEC;
        assert_int_equal(engine_reload(s->engine, &next->config, &summary), 0);
        assert_int_equal(summary.changed, 1);
        assert_int_equal(database_named(s, "db00")->demand_until_boot_usec, until);
        assert_int_equal(database_named(s, "db00")->demand_cause, WAKE_CALL);
        assert_int_equal(running(database_named(s, "db00")->id)->check, CHECK_LOGIN);
        stage_end(s);
        free(next);
}

static void a_reload_that_finds_the_budget_spent_ends_them(void **state) {
        struct stage *s = sleeping_stage(1), *next = calloc(1, sizeof(*next));
        struct holder holder = {0};
        struct reload_summary summary;

        (void)state;
        stage_begin(s);
        (void)take(s, "db00", 0, &holder);
        report(s, database_named(s, "db00"), REASON_NONE);
        while (database_account(database_named(s, "db00"), clock_now()).month_awake_usec < 5 * MSEC)
                (void)turn(s, 2 * MSEC);
        stage_config(next, 1);
        next->databases[0] = s->databases[0];
        next->databases[0].name = next->names[0];
        next->databases[0].budget_awake_usec = MSEC;
        assert_int_equal(engine_reload(s->engine, &next->config, &summary), 0);
        assert_int_equal(summary.changed, 1);
        assert_true(database_named(s, "db00")->budget_spent);
        assert_int_equal(holder.ended, 1);
        assert_int_equal(holder.why, LEASE_END_BUDGET);
        assert_null(TAILQ_FIRST(&database_named(s, "db00")->leases));
        stage_end(s);
        free(next);
}

static void a_spent_budget_ends_all_of_them(void **state) {
        struct stage *s = sleeping_stage(1);
        struct holder holders[3] = {0};

        (void)state;
        s->databases[0].budget_awake_usec = 20 * MSEC;
        stage_begin(s);
        for (unsigned i = 0; i < 3; i++)
                (void)take(s, "db00", i ? 0 : USEC_PER_HOUR, &holders[i]);
        report(s, database_named(s, "db00"), REASON_NONE);
        while (!database_named(s, "db00")->budget_spent)
                assert_true(turn(s, 10 * SEC));
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(holders[i].ended, 1);
                assert_int_equal(holders[i].why, LEASE_END_BUDGET);
        }
        assert_null(TAILQ_FIRST(&database_named(s, "db00")->leases));
        nothing_happens(s);
        stage_end(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(a_lease_starts_a_login_and_its_end_lets_it_be),
                UNIT_TEST(many_are_one_login_and_are_listed_in_their_order),
                UNIT_TEST(there_is_a_limit),
                UNIT_TEST(a_time_limit_ends_it_by_the_clock),
                UNIT_TEST(an_id_ends_it_and_is_given_once),
                UNIT_TEST(a_refused_one_leaves_nothing),
                UNIT_TEST(a_reload_keeps_them_by_name_and_ends_those_of_what_is_gone),
                UNIT_TEST(a_restart_presumes_holders_and_restores_what_lives_by_the_clock),
                UNIT_TEST(holders_of_long_ago_are_not_presumed),
                UNIT_TEST(what_is_recalled_late_is_added_to_what_was_seen_since),
                UNIT_TEST(a_reload_that_changes_a_database_keeps_who_waits_for_it),
                UNIT_TEST(a_reload_that_finds_the_budget_spent_ends_them),
                UNIT_TEST(a_spent_budget_ends_all_of_them),
        };

        return UNIT_RUN(tests);
}
