/* The names of phases, checks, states, events and outcomes. */
#include "model/attempt.h"
#include "model/event.h"

#include "base/macro.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

static void phases_are_named_in_their_order(void **state) {
        static const char *const names[] = { "resolve", "connect", "tls", "auth", "query" };

        (void)state;
        assert_int_equal(ARRAY_LENGTH(names), _PHASE_MAX);
        for (size_t i = 0; i < _PHASE_MAX; i++)
                assert_string_equal(phase_name((enum phase)i), names[i]);
}

static void checks_are_named(void **state) {
        static const char *const names[] = { "door", "login", "ping" };

        (void)state;
        assert_int_equal(ARRAY_LENGTH(names), _CHECK_MAX);
        for (size_t i = 0; i < _CHECK_MAX; i++)
                assert_string_equal(check_name((enum check)i), names[i]);
}

static void states_are_named_and_found_by_name(void **state) {
        static const char *const names[] = { "unknown", "asleep", "waking", "awake", "degraded", "full", "down", "blocked" };

        (void)state;
        assert_int_equal(ARRAY_LENGTH(names), _STATE_MAX);
        for (size_t i = 0; i < _STATE_MAX; i++) {
                enum state found = STATE_UNKNOWN;

                assert_string_equal(state_name((enum state)i), names[i]);
                assert_int_equal(state_from_name(names[i], &found), 0);
                assert_int_equal(found, i);
        }
}

static void an_unknown_word_names_no_state(void **state) {
        enum state found = STATE_FULL;

        (void)state;
        assert_int_equal(state_from_name("Awake", &found), -EINVAL);
        assert_int_equal(state_from_name("", &found), -EINVAL);
        assert_int_equal(found, STATE_FULL);
}

static void every_state_has_a_sentence_of_its_own(void **state) {
        (void)state;
        for (size_t i = 0; i < _STATE_MAX; i++) {
                const char *sentence = state_sentence((enum state)i);

                assert_int_equal(sentence[strlen(sentence) - 1], '.');
                for (size_t j = 0; j < i; j++)
                        assert_string_not_equal(sentence, state_sentence((enum state)j));
        }
}

static void who_sleeps_needs_no_explanation_and_no_advice(void **state) {
        (void)state;
        assert_string_equal(state_explain(STATE_ASLEEP, REASON_SESSION_CUT), state_sentence(STATE_ASLEEP));
        assert_null(state_advice(STATE_ASLEEP, REASON_SESSION_CUT));
        assert_null(state_advice(STATE_AWAKE, REASON_NONE));
        assert_string_equal(state_explain(STATE_UNKNOWN, REASON_SESSION_CUT), reason_info(REASON_SESSION_CUT)->sentence);
        assert_string_equal(state_advice(STATE_UNKNOWN, REASON_SESSION_CUT), reason_info(REASON_SESSION_CUT)->advice);
        assert_string_equal(state_advice(STATE_ASLEEP, REASON_BUDGET_SPENT), reason_info(REASON_BUDGET_SPENT)->advice);
}

static void causes_and_kinds_of_events_are_named(void **state) {
        static const char *const causes[] = { "lease", "wake", "start", "interval", "other" };

        (void)state;
        assert_int_equal(ARRAY_LENGTH(causes), _WAKE_CAUSE_MAX);
        for (size_t i = 0; i < _WAKE_CAUSE_MAX; i++)
                assert_string_equal(wake_cause_name((enum wake_cause)i), causes[i]);
        assert_string_equal(event_kind_name(EVENT_STATE), "state");
        assert_string_equal(event_kind_name(EVENT_WAKE), "wake");
        assert_string_equal(event_kind_name(EVENT_ADDED), "added");
        assert_string_equal(event_kind_name(EVENT_REMOVED), "removed");
        assert_string_equal(event_kind_name(EVENT_BUDGET), "budget");
}

static void the_outcome_of_an_attempt_is_ok_or_the_class_of_its_failure(void **state) {
        struct attempt attempt = { .reason = REASON_NONE };

        (void)state;
        assert_string_equal(attempt_outcome(&attempt), "ok");
        attempt.reason = REASON_TCP_REFUSED;
        assert_string_equal(attempt_outcome(&attempt), "transient");
        attempt.reason = REASON_SERVER_FULL;
        assert_string_equal(attempt_outcome(&attempt), "full");
        attempt.reason = REASON_AUTH_PASSWORD;
        assert_string_equal(attempt_outcome(&attempt), "blocked");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(phases_are_named_in_their_order),
                cmocka_unit_test(checks_are_named),
                cmocka_unit_test(states_are_named_and_found_by_name),
                cmocka_unit_test(an_unknown_word_names_no_state),
                cmocka_unit_test(every_state_has_a_sentence_of_its_own),
                cmocka_unit_test(who_sleeps_needs_no_explanation_and_no_advice),
                cmocka_unit_test(causes_and_kinds_of_events_are_named),
                cmocka_unit_test(the_outcome_of_an_attempt_is_ok_or_the_class_of_its_failure),
        };

        return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
