/* Messages to the service manager, read from its socket. */
#include "engine-stub.h"

#include "notify/sd-notify.h"
#include "notify/watchdog.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PATIENCE_USEC USEC_PER_MINUTE

static char folder[64], path[96];
static int manager = -1;
static sd_event *event;
static struct engine *engine;
static struct notify *notify;
static struct config config;

static int begin(void **state) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        (void)state;
        (void)snprintf(folder, sizeof(folder), "/tmp/pgwaked-notify-XXXXXX");
        assert_non_null(mkdtemp(folder));
        (void)snprintf(path, sizeof(path), "%s/notify", folder);
        memcpy(address.sun_path, path, strlen(path) + 1);
        manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(manager, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
        engine = stub_new();
        assert_true(sd_event_new(&event) >= 0);
        config = (struct config){.ready_on = READY_ON_AWAKE, .ready_timeout_usec = USEC_INFINITY};
        return 0;
}

static int end(void **state) {
        (void)state;
        notify = notify_free(notify);
        event = sd_event_unref(event);
        engine = stub_free(engine);
        close_fd(&manager);
        assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
        (void)unlink(path);
        return rmdir(folder);
}

static void open_notify(void) {
        assert_int_equal(notify_new(event, engine, &config, -1, &notify), 0);
}

/* Reads the next message into TEXT; false if there is none while the loop runs for USEC. */
static bool hear(char *text, size_t size, uint64_t usec) {
        uint64_t until = clock_boot_usec() + usec;
        ssize_t n;

        do {
                n = recv(manager, text, size - 1, 0);
                if (n >= 0) {
                        text[n] = '\0';
                        return true;
                }
                assert_true(sd_event_run(event, MIN(usec, 10 * USEC_PER_MSEC)) >= 0);
        } while (clock_boot_usec() < until);
        return false;
}

static void hears(const char *expected) {
        char text[1024];

        if (!hear(text, sizeof(text), PATIENCE_USEC))
                fail_msg("nothing was told, expected: %s", expected);
        assert_string_equal(text, expected);
}

static void hears_nothing(void) {
        char text[1024];

        if (hear(text, sizeof(text), 150 * MSEC))
                fail_msg("told: %s", text);
}

static void without_databases_it_is_ready_at_once(void **state) {
        (void)state;
        open_notify();
        hears("READY=1\nSTATUS=no databases are configured, see pgwaked.conf(5)");
        assert_true(notify_is_ready(notify));
        hears_nothing();
}

static void ready_waits_for_each_that_is_to_be_awake(void **state) {
        struct database *a = stub_add(engine, "a"), *b = stub_add(engine, "b"), *c = stub_add(engine, "c");

        (void)state;
        engine->config[2].required = false;
        (void)c;
        open_notify();
        hears("EXTEND_TIMEOUT_USEC=15000000\nSTATUS=waiting for 2 of 3 databases: a (unknown, not_checked), b (unknown, not_checked)");
        hears_nothing();
        stub_check(engine, a, REASON_NONE);
        hears("STATUS=waiting for 1 of 3 databases: b (unknown, not_checked)");
        stub_check(engine, a, REASON_TCP_REFUSED);
        hears_nothing();
        stub_check(engine, b, REASON_NONE);
        hears("READY=1\nSTATUS=3 databases: 1 awake, 1 down, 1 unknown (a: tcp.refused, c: not_checked)");
}

static void with_verdict_any_first_one_will_do(void **state) {
        struct database *a = stub_add(engine, "a");

        (void)state;
        config.ready_on = READY_ON_VERDICT;
        open_notify();
        hears("EXTEND_TIMEOUT_USEC=15000000\nSTATUS=waiting for 1 of 1 database: a (unknown, not_checked)");
        stub_check(engine, a, REASON_AUTH_PASSWORD);
        hears("READY=1\nSTATUS=1 database: 1 blocked (a: auth.password)");
}

/* Without demand, and behind a good door, no verdict will come: it is not waited for. */
static void with_verdict_what_nothing_will_tell_is_not_waited_for(void **state) {
        struct database *a = stub_add(engine, "a"), *quiet = stub_add(engine, "quiet"), *door = stub_add(engine, "door");
        struct attempt good = {.id = 77, .check = CHECK_DOOR};

        (void)state;
        quiet->provider = door->provider = provider_by_name("neon");
        engine->config[1].policy = engine->config[2].policy = POLICY_OBSERVE;
        engine->config[1].door_interval_usec = 0;
        config.ready_on = READY_ON_VERDICT;
        open_notify();
        hears("EXTEND_TIMEOUT_USEC=15000000\nSTATUS=waiting for 2 of 3 databases: a (unknown, not_checked), door (unknown, not_checked)");
        stub_check(engine, a, REASON_NONE);
        hears("STATUS=waiting for 1 of 3 databases: door (unknown, not_checked)");
        (void)stub_step(engine, door, &(struct input){.kind = INPUT_BEGUN, .check = CHECK_DOOR, .attempt_id = good.id}, clock_now());
        (void)stub_step(engine, door, &(struct input){.kind = INPUT_ATTEMPT, .attempt = &good}, clock_now());
        hears("READY=1\nSTATUS=3 databases: 1 awake, 2 unknown (door: not_checked, quiet: not_checked)");
}

static void with_start_nothing_is_waited_for(void **state) {
        (void)state;
        (void)stub_add(engine, "a");
        config.ready_on = READY_ON_START;
        open_notify();
        hears("READY=1\nSTATUS=1 database: 1 unknown (a: not_checked)");
}

static void when_the_time_is_over_the_missing_are_named(void **state) {
        struct database *a = stub_add(engine, "a");

        (void)state;
        config.ready_timeout_usec = 500 * MSEC;
        open_notify();
        hears("EXTEND_TIMEOUT_USEC=15000000\nSTATUS=waiting for 1 of 1 database: a (unknown, not_checked)");
        hears("READY=1\nSTATUS=waiting for 1 of 1 database: a (unknown, not_checked)");
        stub_check(engine, a, REASON_NONE);
        hears("STATUS=1 database: 1 awake");
}

static void what_to_do_about_a_blocked_one_is_told(void **state) {
        struct database *b;

        (void)state;
        (void)stub_add(engine, "a");
        b = stub_add(engine, "b");
        open_notify();
        hears("EXTEND_TIMEOUT_USEC=15000000\nSTATUS=waiting for 2 of 2 databases: a (unknown, not_checked), b (unknown, not_checked)");
        stub_check(engine, b, REASON_AUTH_PASSWORD);
        hears("STATUS=waiting for 2 of 2 databases: a (unknown, not_checked), b (blocked, auth.password). Check the user and the password that "
              "this database is configured with, then reload pgwaked.");
}

static void a_database_that_a_reload_takes_away_is_not_waited_for(void **state) {
        struct database *a = stub_add(engine, "a"), *b = stub_add(engine, "b");

        (void)state;
        open_notify();
        hears("EXTEND_TIMEOUT_USEC=15000000\nSTATUS=waiting for 2 of 2 databases: a (unknown, not_checked), b (unknown, not_checked)");
        stub_check(engine, a, REASON_NONE);
        stub_remove(engine, b);
        hears("READY=1\nSTATUS=1 database: 1 awake");
}

static void one_that_is_paused_is_not_waited_for(void **state) {
        struct database *a = stub_add(engine, "a"), *b = stub_add(engine, "b");

        (void)state;
        stub_pause(engine, a, USEC_PER_HOUR);
        open_notify();
        hears("EXTEND_TIMEOUT_USEC=15000000\nSTATUS=waiting for 1 of 2 databases: b (unknown, not_checked)");
        stub_check(engine, b, REASON_TCP_REFUSED);
        hears("STATUS=waiting for 1 of 2 databases: b (down, tcp.refused)");
        stub_pause(engine, b, USEC_PER_HOUR);
        hears("READY=1\nSTATUS=2 databases: 2 unknown (a: paused, b: paused)");
}

static void with_verdict_one_that_is_paused_has_one(void **state) {
        (void)state;
        stub_pause(engine, stub_add(engine, "a"), USEC_PER_HOUR);
        config.ready_on = READY_ON_VERDICT;
        open_notify();
        hears("READY=1\nSTATUS=1 database: 1 unknown (a: paused)");
}

static void many_changes_are_few_messages(void **state) {
        struct database *a = stub_add(engine, "a");
        char text[1024];
        unsigned n = 0;

        (void)state;
        stub_check(engine, a, REASON_NONE);
        open_notify();
        hears("READY=1\nSTATUS=1 database: 1 awake");
        for (unsigned i = 0; i < 500; i++) {
                stub_check(engine, a, i % 2 ? REASON_NONE : REASON_TCP_REFUSED);
                assert_true(sd_event_run(event, 0) >= 0);
        }
        stub_check(engine, a, REASON_SERVER_FULL);
        while (hear(text, sizeof(text), 250 * MSEC))
                n++;
        assert_string_equal(text, "STATUS=1 database: 1 full (a: server.full)");
        assert_true(n < 100);
}

static void a_reload_is_told_around(void **state) {
        char text[1024];

        (void)state;
        open_notify();
        hears("READY=1\nSTATUS=no databases are configured, see pgwaked.conf(5)");
        notify_reloading(notify);
        assert_true(hear(text, sizeof(text), PATIENCE_USEC));
        assert_true(starts_with(text, "RELOADING=1\nMONOTONIC_USEC="));
        (void)stub_add(engine, "a");
        hears_nothing();
        notify_reloaded(notify);
        hears("READY=1\nSTATUS=1 database: 1 unknown (a: not_checked)");
}

static void a_reload_before_ready_is_not_told(void **state) {
        (void)state;
        (void)stub_add(engine, "a");
        open_notify();
        hears("EXTEND_TIMEOUT_USEC=15000000\nSTATUS=waiting for 1 of 1 database: a (unknown, not_checked)");
        notify_reloading(notify);
        notify_reloaded(notify);
        hears_nothing();
}

static void after_stopping_nothing_is_told(void **state) {
        struct database *a = stub_add(engine, "a");

        (void)state;
        open_notify();
        hears("EXTEND_TIMEOUT_USEC=15000000\nSTATUS=waiting for 1 of 1 database: a (unknown, not_checked)");
        notify_stopping(notify);
        hears("STOPPING=1\nSTATUS=stopping");
        stub_check(engine, a, REASON_NONE);
        hears_nothing();
}

static void the_watchdog_is_fed_while_there_is_progress(void **state) {
        struct watchdog *watchdog;
        char text[1024];

        (void)state;
        assert_int_equal(watchdog_new(event, engine, &watchdog), 0);
        assert_null(watchdog);
        assert_int_equal(setenv("WATCHDOG_USEC", "100000", 1), 0);
        assert_int_equal(watchdog_new(event, engine, &watchdog), 0);
        assert_non_null(watchdog);
        hears("WATCHDOG=1");
        hears("WATCHDOG=1");
        engine->overdue_usec = 5 * USEC_PER_SEC;
        /* On a busy machine earlier messages are received late. */
        for (unsigned i = 0; i < 10 && hear(text, sizeof(text), 60 * MSEC); i++)
                assert_string_equal(text, "WATCHDOG=1");
        hears_nothing();
        engine->overdue_usec = 0;
        hears("WATCHDOG=1");
        assert_null(watchdog_free(watchdog));
        assert_int_equal(unsetenv("WATCHDOG_USEC"), 0);
}

static void without_a_manager_ready_is_still_known(void **state) {
        struct database *a = stub_add(engine, "a");

        (void)state;
        assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
        open_notify();
        stub_check(engine, a, REASON_NONE);
        assert_true(sd_event_run(event, PATIENCE_USEC) > 0);
        assert_true(notify_is_ready(notify));
        stub_check(engine, a, REASON_TCP_REFUSED);
        assert_int_equal(sd_event_run(event, 10 * USEC_PER_MSEC), 0);
}

#define NOTIFY_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
        static const struct CMUnitTest tests[] = {
                NOTIFY_TEST(without_databases_it_is_ready_at_once),
                NOTIFY_TEST(ready_waits_for_each_that_is_to_be_awake),
                NOTIFY_TEST(with_verdict_any_first_one_will_do),
                NOTIFY_TEST(with_verdict_what_nothing_will_tell_is_not_waited_for),
                NOTIFY_TEST(with_start_nothing_is_waited_for),
                NOTIFY_TEST(when_the_time_is_over_the_missing_are_named),
                NOTIFY_TEST(what_to_do_about_a_blocked_one_is_told),
                NOTIFY_TEST(a_database_that_a_reload_takes_away_is_not_waited_for),
                NOTIFY_TEST(one_that_is_paused_is_not_waited_for),
                NOTIFY_TEST(with_verdict_one_that_is_paused_has_one),
                NOTIFY_TEST(many_changes_are_few_messages),
                NOTIFY_TEST(a_reload_is_told_around),
                NOTIFY_TEST(a_reload_before_ready_is_not_told),
                NOTIFY_TEST(after_stopping_nothing_is_told),
                NOTIFY_TEST(the_watchdog_is_fed_while_there_is_progress),
                NOTIFY_TEST(without_a_manager_ready_is_still_known),
        };

        return UNIT_RUN(tests);
}
