/* The description of a database in answers. */
#include "engine-stub.h"

#include "http/describe.h"

#include <jansson.h>

static json_t *status(const struct scene *s, bool detail) {
        _cleanup_(buffer_deinit) struct buffer text = {0};
        struct json_writer w = {.buffer = &text};
        json_t *json;

        describe_status(&w, s->t, s->now, detail);
        json = json_loads(text.data, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        return json;
}

static const char *text_at(json_t *json, const char *key) {
        return json_string_value(json_object_get(json, key));
}

static void has_exactly(json_t *json, const char *const *keys, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!json_object_get(json, keys[i]))
                        fail_msg("%s is missing", keys[i]);
        assert_int_equal(json_object_size(json), n);
}

#define HAS_EXACTLY(json, ...) has_exactly(json, (const char *const[]){__VA_ARGS__}, ARRAY_LENGTH(((const char *const[]){__VA_ARGS__})))

/* clang-format off */
#define KEYS \
        "name", "state", "ready", "reason", "message", "advice", "since", "age_seconds", "fresh_until", "generation", "policy", \
        "provider", "endpoint", "last_attempt", "session", "server", "wakes", "expected_ready_in_seconds", "failures", "awake_seconds", \
        "awake_on_our_demand_seconds", "budget", "demand", "leases", "next_check"
/* clang-format on */

static void all_that_is_promised_is_there_from_the_start(void **state) {
        struct scene s = scene("127.0.0.1");
        json_t *json;

        (void)state;
        scene_begin(&s);
        json = status(&s, false);
        HAS_EXACTLY(json, KEYS);
        assert_string_equal(text_at(json, "name"), "main");
        assert_string_equal(text_at(json, "state"), "unknown");
        assert_string_equal(text_at(json, "reason"), "not_checked");
        assert_string_equal(text_at(json, "endpoint"), "127.0.0.1:5432/app");
        assert_true(json_is_false(json_object_get(json, "ready")));
        assert_true(json_is_null(json_object_get(json, "age_seconds")));
        assert_true(json_is_null(json_object_get(json, "fresh_until")));
        assert_true(json_is_null(json_object_get(json, "last_attempt")));
        assert_true(json_is_null(json_object_get(json, "server")));
        assert_true(json_is_null(json_object_get(json_object_get(json, "wakes"), "last")));
        json_decref(json);
        scene_end(&s);
}

static void an_awake_one_is_told_with_its_evidence(void **state) {
        struct scene s = scene("127.0.0.1");
        json_t *json, *attempt, *server;

        (void)state;
        scene_awake(&s);
        pass(&s, 2 * SEC);
        json = status(&s, false);
        assert_string_equal(text_at(json, "state"), "awake");
        assert_true(json_is_true(json_object_get(json, "ready")));
        assert_true(json_is_null(json_object_get(json, "reason")));
        assert_true(json_is_null(json_object_get(json, "advice")));
        assert_true(json_real_value(json_object_get(json, "age_seconds")) > 1.99);
        assert_non_null(text_at(json, "fresh_until"));
        attempt = json_object_get(json, "last_attempt");
        HAS_EXACTLY(attempt, "kind", "at", "outcome", "sqlstate", "address", "phases", "total_seconds");
        HAS_EXACTLY(json_object_get(attempt, "phases"), "resolve", "connect", "tls", "auth", "query");
        assert_string_equal(text_at(attempt, "kind"), "login");
        assert_string_equal(text_at(attempt, "outcome"), "ok");
        assert_true(json_is_null(json_object_get(attempt, "sqlstate")));
        assert_true(json_is_true(json_object_get(json_object_get(json, "session"), "held")));
        server = json_object_get(json, "server");
        HAS_EXACTLY(server, "version", "started_at", "in_recovery");
        assert_string_equal(text_at(server, "version"), "15.18");
        assert_string_equal(text_at(json_object_get(json, "next_check"), "kind"), "ping");
        json_decref(json);
        scene_end(&s);
}

static void raw_text_is_for_the_control_socket_only(void **state) {
        struct scene s = scene("127.0.0.1");
        json_t *json, *counted;

        (void)state;
        s.config.fall = 1;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, 20 * MSEC, REASON_TCP_REFUSED);
        json = status(&s, false);
        HAS_EXACTLY(json, KEYS);
        assert_null(json_object_get(json_object_get(json, "last_attempt"), "detail"));
        assert_string_equal(text_at(json, "advice"), reason_info(REASON_TCP_REFUSED)->advice);
        counted = json_object_get(json_object_get(json, "failures"), "by_reason");
        assert_int_equal(json_integer_value(json_object_get(counted, "tcp.refused")), 1);
        json_decref(json);
        json = status(&s, true);
        HAS_EXACTLY(json, KEYS, "detail");
        assert_string_equal(text_at(json, "detail"), "tcp.refused"); /* the scene's raw text */
        assert_string_equal(text_at(json_object_get(json, "last_attempt"), "detail"), "tcp.refused");
        json_decref(json);
        scene_end(&s);
}

static void a_pause_is_told_while_it_lasts(void **state) {
        struct scene s = scene("127.0.0.1");
        json_t *json;

        (void)state;
        scene_awake(&s);
        pause_for(&s, 2 * USEC_PER_HOUR);
        json = status(&s, false);
        HAS_EXACTLY(json, KEYS, "paused_until");
        assert_string_equal(text_at(json, "reason"), "paused");
        assert_true(json_is_null(json_object_get(json, "next_check")));
        json_decref(json);
        scene_end(&s);
}

static void a_wake_is_told_with_its_latency(void **state) {
        struct scene s = scene("127.0.0.1");
        json_t *json, *last;

        (void)state;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        pass(&s, 40 * MSEC);
        server_starts(&s);
        ends(&s, 1200 * MSEC, REASON_NONE);
        json = status(&s, false);
        last = json_object_get(json_object_get(json, "wakes"), "last");
        HAS_EXACTLY(last, "at", "latency_seconds", "cause", "cold");
        assert_true(json_real_value(json_object_get(last, "latency_seconds")) > 1.23);
        assert_true(json_is_true(json_object_get(last, "cold")));
        assert_true(json_real_value(json_object_get(json_object_get(json, "wakes"), "p50_seconds")) > 1.1);
        json_decref(json);
        scene_end(&s);
}

static double seconds_at(json_t *json, const char *key) {
        json_t *value = json_object_get(json, key);

        assert_true(json_is_real(value));
        return json_real_value(value);
}

static void what_it_cost_is_told_with_the_budget(void **state) {
        struct scene s = scene("127.0.0.1");
        json_t *json, *budget, *causes;

        (void)state;
        /* 2027-01-15 by the clock of the scene. */
        s.config.budget_awake_usec = 100 * USEC_PER_HOUR;
        scene_begin(&s);
        start(&s, CHECK_LOGIN);
        ends(&s, 20 * MSEC, REASON_NONE);
        pass(&s, 5 * SEC);
        json = status(&s, false);
        HAS_EXACTLY(json, KEYS);
        assert_true(seconds_at(json, "awake_seconds") > 4.9);
        assert_true(seconds_at(json, "awake_on_our_demand_seconds") > 4.9);
        assert_true(seconds_at(json, "awake_on_our_demand_seconds") <= seconds_at(json, "awake_seconds"));
        budget = json_object_get(json, "budget");
        HAS_EXACTLY(budget, "awake_seconds", "used_seconds", "spent", "month");
        assert_true(seconds_at(budget, "awake_seconds") == 360000);
        assert_true(seconds_at(budget, "used_seconds") > 4.9);
        assert_true(json_is_false(json_object_get(budget, "spent")));
        assert_string_equal(text_at(budget, "month"), "2027-01");
        causes = json_object_get(json_object_get(json, "wakes"), "by_cause");
        HAS_EXACTLY(causes, "lease", "wake", "start", "interval", "other");
        json_decref(json);
        scene_end(&s);
}

static void demand_is_told_with_its_cause_and_its_end(void **state) {
        struct scene s = scene("127.0.0.1");
        struct lease first = {.record = {.id = 7, .owner = "a.service", .since_real_usec = 1}};
        struct lease second = {.record = {.id = 8, .owner = "cron", .since_real_usec = 2, .until_real_usec = 3}};
        json_t *json, *demand, *listed;

        (void)state;
        s.config.wake_at_start = false;
        s.config.policy = POLICY_ON_DEMAND;
        scene_begin(&s);
        json = status(&s, false);
        assert_true(json_is_null(json_object_get(json, "demand")));
        assert_true(json_is_null(json_object_get(json, "budget")));
        json_decref(json);
        assert_int_equal(scene_wake(&s, WAKE_CALL), REASON_NONE);
        json = status(&s, false);
        demand = json_object_get(json, "demand");
        HAS_EXACTLY(demand, "cause", "until");
        assert_string_equal(text_at(demand, "cause"), "wake");
        assert_non_null(text_at(demand, "until"));
        json_decref(json);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        assert_int_equal(scene_input(&s, INPUT_LEASE), REASON_NONE);
        stub_lease_link(&first, s.t);
        stub_lease_link(&second, s.t);
        json = status(&s, false);
        demand = json_object_get(json, "demand");
        assert_string_equal(text_at(demand, "cause"), "lease");
        assert_true(json_is_null(json_object_get(demand, "until")));
        listed = json_object_get(json, "leases");
        assert_int_equal(json_array_size(listed), 2);
        HAS_EXACTLY(json_array_get(listed, 0), "id", "owner", "since", "until");
        assert_int_equal(json_integer_value(json_object_get(json_array_get(listed, 0), "id")), 7);
        assert_true(json_is_null(json_object_get(json_array_get(listed, 0), "until")));
        assert_string_equal(text_at(json_array_get(listed, 1), "owner"), "cron");
        assert_non_null(text_at(json_array_get(listed, 1), "until"));
        json_decref(json);
        TAILQ_INIT(&s.t->leases);
        scene_end(&s);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                UNIT_TEST(all_that_is_promised_is_there_from_the_start),
                UNIT_TEST(an_awake_one_is_told_with_its_evidence),
                UNIT_TEST(raw_text_is_for_the_control_socket_only),
                UNIT_TEST(a_pause_is_told_while_it_lasts),
                UNIT_TEST(a_wake_is_told_with_its_latency),
                UNIT_TEST(what_it_cost_is_told_with_the_budget),
                UNIT_TEST(demand_is_told_with_its_cause_and_its_end),
        };

        return UNIT_RUN(tests);
}
