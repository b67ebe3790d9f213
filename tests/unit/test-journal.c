/* One entry per event, with everything that led to it. */
#include "engine-stub.h"

#include "base/log.h"
#include "base/message-id.h"
#include "notify/journal.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>

static struct engine *engine;
static struct journal *journal;

static int begin(void **state) {
        (void)state;
        engine = stub_new();
        assert_int_equal(journal_new(engine, &journal), 0);
        log_open(LOG_FORMAT_JSON, LOG_DEBUG);
        return 0;
}

static int end(void **state) {
        (void)state;
        journal = journal_free(journal);
        engine = stub_free(engine);
        return 0;
}

/* stderr goes into a file between these two. */
static int saved = -1, file = -1;

static void listen_to_stderr(void) {
        char path[] = "/tmp/pgwaked-journal-XXXXXX";

        file = mkstemp(path);
        assert_true(file >= 0);
        assert_int_equal(unlink(path), 0);
        saved = dup(STDERR_FILENO);
        assert_true(dup2(file, STDERR_FILENO) >= 0);
}

/* The only entry that was written. */
static json_t *the_entry(void) {
        char text[8192];
        ssize_t n = pread(file, text, sizeof(text) - 1, 0);
        json_t *json;

        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        close_fd(&saved);
        close_fd(&file);
        assert_true(n > 0);
        text[n] = '\0';
        if (strchr(text, '\n') != text + n - 1)
                fail_msg("more than one entry: %s", text);
        json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        return json;
}

static void has(json_t *json, const char *key, const char *value) {
        const char *found = json_string_value(json_object_get(json, key));

        if (!value && found)
                fail_msg("%s is there: %s", key, found);
        if (value && (!found || !streq(found, value)))
                fail_msg("%s is %s, expected %s", key, found ? found : "not there", value);
}

static void a_fall_is_told_with_its_evidence(void **state) {
        struct database *a = stub_add(engine, "main");
        json_t *json;

        (void)state;
        listen_to_stderr();
        stub_check(engine, a, REASON_TCP_REFUSED);
        json = the_entry();
        has(json, "message", "main is down (was unknown): The host is there, but nothing listens on that port or socket.");
        has(json, "level", log_level_name(reason_info(REASON_TCP_REFUSED)->level));
        has(json, "MESSAGE_ID", MESSAGE_ID_DATABASE_DOWN);
        has(json, "PGWAKE_DATABASE", "main");
        has(json, "PGWAKE_STATE", "down");
        has(json, "PGWAKE_PREVIOUS", "unknown");
        has(json, "PGWAKE_REASON", "tcp.refused");
        has(json, "PGWAKE_LATENCY_USEC", "20000");
        has(json, "PGWAKE_CONNECT_USEC", "1000");
        has(json, "PGWAKE_RESOLVE_USEC", NULL);
        has(json, "PGWAKE_ADDRESS", "127.0.0.1:5432");
        has(json, "PGWAKE_DETAIL", "raw words of the server");
        has(json, "PGWAKE_CAUSE", NULL);
        json_decref(json);
}

static void a_repeated_failure_is_told_once_and_counted(void **state) {
        struct database *a = stub_add(engine, "main");
        json_t *json;

        (void)state;
        listen_to_stderr();
        for (unsigned i = 0; i < 4; i++)
                stub_check(engine, a, REASON_TCP_REFUSED);
        json_decref(the_entry());
        listen_to_stderr();
        stub_check(engine, a, REASON_TCP_TIMEOUT);
        json = the_entry();
        has(json, "PGWAKE_REPEATED", "3");
        has(json, "PGWAKE_REASON", "tcp.timeout");
        assert_true(starts_with(json_string_value(json_object_get(json, "message")), "main is still down: "));
        json_decref(json);
}

static void a_return_is_a_notice(void **state) {
        struct database *a = stub_add(engine, "main");
        json_t *json;

        (void)state;
        listen_to_stderr();
        stub_check(engine, a, REASON_SERVER_FULL);
        json_decref(the_entry());
        listen_to_stderr();
        stub_check(engine, a, REASON_NONE);
        json = the_entry();
        has(json, "message", "main is awake (was full): login answered in 20 ms");
        has(json, "level", "notice");
        has(json, "MESSAGE_ID", MESSAGE_ID_DATABASE_AWAKE);
        has(json, "PGWAKE_REASON", NULL);
        json_decref(json);
}

static void a_wake_and_its_edge_are_one_entry(void **state) {
        struct database *a = stub_add(engine, "main");
        const char *message;
        json_t *json;

        (void)state;
        listen_to_stderr();
        stub_slow(engine, a);
        json = the_entry();
        has(json, "PGWAKE_STATE", "waking");
        has(json, "PGWAKE_CAUSE", NULL);
        json_decref(json);
        listen_to_stderr();
        engine->uptime_usec = 10 * MSEC;
        stub_check(engine, a, REASON_NONE);
        json = the_entry();
        assert_int_equal(database_wakes(a), 1);
        has(json, "PGWAKE_STATE", "awake");
        has(json, "PGWAKE_PREVIOUS", "waking");
        has(json, "PGWAKE_CAUSE", wake_cause_name(a->counts.last_wake.cause));
        has(json, "PGWAKE_COLD", "yes");
        message = json_string_value(json_object_get(json, "message"));
        assert_true(starts_with(message, "main is awake (was waking): login answered in "));
        assert_non_null(strstr(message, ", cold start proven"));
        json_decref(json);
}

static void a_wake_by_somebody_else_says_so(void **state) {
        struct database *a = stub_add(engine, "main");
        json_t *json;

        (void)state;
        listen_to_stderr();
        stub_check(engine, a, REASON_NONE);
        json_decref(the_entry());
        listen_to_stderr();
        /* With a provider that suspends: it was asleep, and a login finds another server that has been up for longer than the attempt. */
        a->provider = provider_by_name("neon");
        a->state = STATE_ASLEEP;
        a->reason = REASON_SESSION_CUT;
        engine->uptime_usec = 10 * SEC;
        stub_check(engine, a, REASON_NONE);
        json = the_entry();
        has(json, "message", "main is awake (was asleep): login answered in 20 ms; it was found awake, somebody else woke it");
        has(json, "PGWAKE_CAUSE", "other");
        has(json, "PGWAKE_LATENCY_USEC", "20000"); /* the login's: the wake's is not known */
        json_decref(json);
}

static void a_budget_is_an_entry_of_its_own(void **state) {
        struct database *a = stub_add(engine, "main");
        json_t *json;

        (void)state;
        listen_to_stderr();
        stub_tell(engine, &(struct event){.kind = EVENT_BUDGET, .database = "main", .state = STATE_AWAKE, .previous = STATE_AWAKE,
                                          .reason = REASON_BUDGET_SPENT},
                  a);
        json = the_entry();
        has(json, "level", "warning");
        has(json, "MESSAGE_ID", MESSAGE_ID_BUDGET_SPENT);
        has(json, "PGWAKE_DATABASE", "main");
        has(json, "PGWAKE_REASON", "budget.spent");
        assert_true(starts_with(json_string_value(json_object_get(json, "message")), "main: The month's budget of awake hours is spent"));
        json_decref(json);
        listen_to_stderr();
        stub_tell(engine, &(struct event){.kind = EVENT_BUDGET, .database = "main", .state = STATE_ASLEEP, .previous = STATE_ASLEEP}, a);
        json = the_entry();
        has(json, "level", "notice");
        has(json, "MESSAGE_ID", MESSAGE_ID_BUDGET_RENEWED);
        has(json, "PGWAKE_REASON", NULL);
        json_decref(json);
}

#define JOURNAL_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
        static const struct CMUnitTest tests[] = {
                JOURNAL_TEST(a_fall_is_told_with_its_evidence),
                JOURNAL_TEST(a_repeated_failure_is_told_once_and_counted),
                JOURNAL_TEST(a_return_is_a_notice),
                JOURNAL_TEST(a_wake_and_its_edge_are_one_entry),
                JOURNAL_TEST(a_wake_by_somebody_else_says_so),
                JOURNAL_TEST(a_budget_is_an_entry_of_its_own),
        };

        return UNIT_RUN(tests);
}
