/* What the recorder gives to the store, and when. */
#include "engine-stub.h"

#include "history/sqlite.h"
#include "history/store.h"
#include "notify/recorder.h"
#include "scheduler/lease.h"

#include <stdio.h>

static char top[64], path[96];
static sd_event *event;
static struct engine *engine;
static struct store *store;
static struct recorder *recorder;

static int begin(void **state) {
        (void)state;
        (void)snprintf(top, sizeof(top), "/tmp/pgwaked-recorder-XXXXXX");
        assert_non_null(mkdtemp(top));
        (void)snprintf(path, sizeof(path), "%s/history.db", top);
        assert_int_equal(sd_event_new(&event), 0);
        engine = stub_new();
        assert_int_equal(store_open(path, &(struct store_bounds){UINT64_C(100000000), USEC_INFINITY}, &store), 0);
        assert_int_equal(recorder_new(event, engine, store, &recorder), 0);
        return 0;
}

static void close_all(void) {
        recorder = recorder_free(recorder);
        store = store_close(store, 30 * SEC);
}

static int end(void **state) {
        char command[128];

        (void)state;
        close_all();
        engine = stub_free(engine);
        event = sd_event_unref(event);
        (void)snprintf(command, sizeof(command), "rm -rf %s", top);
        return system(command);
}

/* As another daemon would find it now: a copy, since this daemon locks the file itself. */
static struct store *open_copy(void) {
        char command[512], copy[128];
        struct store *other = NULL;

        (void)snprintf(command, sizeof(command), "rm -rf %s/copy && mkdir %s/copy && cp %s/history.db* %s/copy", top, top, top, top);
        assert_int_equal(system(command), 0);
        (void)snprintf(copy, sizeof(copy), "%s/copy/history.db", top);
        assert_int_equal(store_open(copy, &(struct store_bounds){UINT64_C(100000000), USEC_INFINITY}, &other), 0);
        return other;
}

static bool kept(const char *name, struct memory *ret_memory) {
        struct store *other = open_copy();
        bool answer = store_recall(other, name, ret_memory);

        assert_null(store_close(other, 30 * SEC));
        return answer;
}

/*
 * Runs the loop for so long, and for everything that was due by then, since we may not have had a processor. Returns the number of
 * iterations.
 */
static unsigned turn_for(uint64_t usec) {
        uint64_t until = clock_monotonic_usec() + usec, now;
        unsigned turns = 0;

        while ((now = clock_monotonic_usec()) < until) {
                int r = sd_event_run(event, until - now);

                assert_true(r >= 0);
                turns += r > 0;
        }
        while (sd_event_run(event, 0) > 0)
                turns++;
        return turns;
}

static void what_changed_is_written_within_a_second(void **state) {
        struct database *a = stub_add(engine, "a");
        uint64_t began = clock_monotonic_usec();
        struct memory memory;

        (void)state;
        stub_check(engine, a, REASON_NONE);
        assert_true(sd_event_run(event, 30 * SEC) > 0);
        assert_in_range(clock_monotonic_usec() - began, 800 * MSEC, 1000 * MSEC + 5 * SEC);
        assert_int_equal(store_flush(store, 30 * SEC), 0);
        assert_true(kept("a", &memory));
        assert_int_equal(memory.state, STATE_AWAKE);
        assert_int_equal(memory.counts.attempts[CHECK_LOGIN][CLASS_OK], 1);
}

static void many_changes_are_one_turn_and_none_is_none(void **state) {
        struct database *a = stub_add(engine, "a");

        (void)state;
        for (unsigned i = 0; i < 1000; i++)
                stub_touch(engine, a);
        assert_int_equal(turn_for(1500 * MSEC), 1);
        assert_int_equal(turn_for(1500 * MSEC), 0);
        stub_touch(engine, a);
        assert_int_equal(turn_for(1500 * MSEC), 1);
}

static void the_end_writes_what_is_left_as_it_is_then(void **state) {
        struct database *a = stub_add(engine, "a"), *b = stub_add(engine, "b");
        struct memory memory;

        (void)state;
        stub_check(engine, a, REASON_NONE);
        stub_check(engine, a, REASON_TCP_REFUSED);
        stub_check(engine, b, REASON_NONE);
        close_all();
        assert_true(kept("a", &memory));
        assert_int_equal(memory.state, STATE_DOWN);
        assert_int_equal(memory.counts.failures_by_reason[REASON_TCP_REFUSED], 1);
        assert_true(kept("b", &memory));
        assert_int_equal(memory.state, STATE_AWAKE);
}

static void hundreds_are_written_and_none_is_forgotten(void **state) {
        struct store *other;
        struct memory memory;
        char name[32];

        (void)state;
        for (unsigned i = 0; i < STUB_TARGETS_MAX; i++) {
                (void)snprintf(name, sizeof(name), "db-%u", i);
                (void)stub_add(engine, name);
        }
        /* In several iterations, between which the first ones change again. */
        assert_true(sd_event_run(event, 30 * SEC) > 0);
        for (unsigned i = 0; i < STUB_TARGETS_MAX; i++) {
                (void)snprintf(name, sizeof(name), "db-%u", i);
                stub_check(engine, registry_by_name(engine->registry, name), REASON_NONE);
        }
        while (turn_for(1200 * MSEC) > 0)
                ;
        assert_int_equal(store_flush(store, 30 * SEC), 0);
        other = open_copy();
        for (unsigned i = 0; i < STUB_TARGETS_MAX; i++) {
                (void)snprintf(name, sizeof(name), "db-%u", i);
                assert_true(store_recall(other, name, &memory));
                assert_int_equal(memory.state, STATE_AWAKE);
        }
        assert_null(store_close(other, 30 * SEC));
}

static void who_goes_is_put_away_and_comes_back(void **state) {
        struct database *a = stub_add(engine, "a");
        struct memory memory;

        (void)state;
        stub_check(engine, a, REASON_NONE);
        stub_remove(engine, a);
        assert_true(store_recall(store, "a", &memory));
        assert_int_equal(memory.counts.attempts[CHECK_LOGIN][CLASS_OK], 1);
        (void)turn_for(1200 * MSEC);
        close_all();
        assert_true(kept("a", &memory));
        assert_int_equal(memory.counts.attempts[CHECK_LOGIN][CLASS_OK], 1);
}

static int take_lease(void *userdata, const struct lease_record *lease) {
        struct lease_record *found = userdata;

        assert_int_equal(found->id, 0);
        *found = *lease;
        return 0;
}

static void leases_with_a_time_limit_are_kept_and_no_others(void **state) {
        struct lease_request held = {.owner = "shell"}, timed = {.owner = "cron", .for_usec = 60 * SEC};
        struct database *a = stub_add(engine, "a");
        struct lease *first = NULL, *second = NULL;
        struct lease_record found = {0}, wanted;
        struct memory memory;
        enum reason refusal;

        (void)state;
        assert_int_equal(lease_take(engine, a, &held, &refusal, &first), 0);
        assert_int_equal(lease_take(engine, a, &timed, &refusal, &second), 0);
        wanted = second->record;
        close_all();
        assert_int_equal(store_open(path, &(struct store_bounds){UINT64_C(100000000), USEC_INFINITY}, &store), 0);
        assert_int_equal(store_each_lease(store, take_lease, &found), 0);
        assert_int_equal(found.id, wanted.id);
        assert_string_equal(found.owner, "cron");
        assert_string_equal(found.database, "a");
        assert_int_equal(found.until_real_usec, wanted.until_real_usec);
        assert_true(store_recall(store, "a", &memory));
        assert_true(memory.held);
        lease_release(engine, first);
        lease_release(engine, second);
}

static uint64_t number_in_file(const char *sql) {
        struct sqlite *sqlite;
        uint64_t number = 0;

        assert_int_equal(sqlite_open(path, SQLITE_SHARED, &sqlite), 0);
        assert_int_equal(sqlite_read_number(sqlite, sql, &number), 0);
        assert_null(sqlite_close(sqlite));
        return number;
}

static void events_are_told_at_once(void **state) {
        struct database *a = stub_add(engine, "a");

        (void)state;
        stub_check(engine, a, REASON_NONE);
        /* Without a turn of the loop. */
        assert_int_equal(store_flush(store, 30 * SEC), 0);
        assert_int_equal(number_in_file("SELECT count(*) FROM state WHERE state = 'awake' AND previous = 'unknown' AND detail IS NULL"), 1);
        stub_check(engine, a, REASON_AUTH_PASSWORD);
        stub_check(engine, a, REASON_AUTH_PASSWORD);
        stub_remove(engine, a);
        close_all();
        assert_int_equal(number_in_file("SELECT count(*) FROM state WHERE state = 'blocked' AND reason = 'auth.password'"
                                        " AND detail = 'raw words of the server'"), 1);
        assert_int_equal(number_in_file("SELECT count(*) FROM state WHERE state = 'unknown' AND previous = 'blocked'"), 1);
        assert_int_equal(number_in_file("SELECT count(*) FROM outage WHERE ended IS NOT NULL"), 1);
        assert_int_equal(number_in_file("SELECT count(*) FROM state"), 3);
}

static void wakes_are_told_with_their_attempts(void **state) {
        struct database *a = stub_add(engine, "a");

        (void)state;
        engine->uptime_usec = 1;
        stub_slow(engine, a);
        stub_check(engine, a, REASON_SERVER_STARTING);
        stub_check(engine, a, REASON_SERVER_STARTING);
        stub_check(engine, a, REASON_NONE);
        close_all();
        assert_int_equal(number_in_file("SELECT count(*) FROM wake"), 1);
        assert_int_equal(number_in_file("SELECT attempts FROM wake WHERE cold = 1 AND connect_usec = 1000 AND resolve_usec IS NULL"), 3);
}

/* Of hundreds of attempts of hundreds of databases between two iterations, none is lost or attributed to another database. */
static void timings_are_those_of_their_database(void **state) {
        char name[32];

        (void)state;
        for (unsigned i = 0; i < 300; i++) {
                (void)snprintf(name, sizeof(name), "db-%u", i);
                (void)stub_add(engine, name);
        }
        for (unsigned round = 0; round < 3; round++)
                for (unsigned i = round; i < 300; i += round + 1) {
                        (void)snprintf(name, sizeof(name), "db-%u", i);
                        stub_check(engine, registry_by_name(engine->registry, name), REASON_NONE);
                }
        close_all();
        assert_int_equal(number_in_file("SELECT count(*) FROM hour WHERE counts LIKE 'attempts.login.ok=1 phases.connect=%:1'"), 100);
        assert_int_equal(number_in_file("SELECT count(*) FROM hour WHERE counts LIKE 'attempts.login.ok=2 phases.connect=%:2'"), 150);
        assert_int_equal(number_in_file("SELECT count(*) FROM hour WHERE counts LIKE 'attempts.login.ok=3 phases.connect=%:3'"), 50);
}

#define RECORDER_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
        static const struct CMUnitTest tests[] = {
                RECORDER_TEST(what_changed_is_written_within_a_second),
                RECORDER_TEST(many_changes_are_one_turn_and_none_is_none),
                RECORDER_TEST(the_end_writes_what_is_left_as_it_is_then),
                RECORDER_TEST(hundreds_are_written_and_none_is_forgotten),
                RECORDER_TEST(who_goes_is_put_away_and_comes_back),
                RECORDER_TEST(events_are_told_at_once),
                RECORDER_TEST(wakes_are_told_with_their_attempts),
                RECORDER_TEST(timings_are_those_of_their_database),
                RECORDER_TEST(leases_with_a_time_limit_are_kept_and_no_others),
        };

        return UNIT_RUN(tests);
}
