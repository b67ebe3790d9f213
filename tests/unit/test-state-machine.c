/* The table of the state machine: complete, without a dead row, and true to the rules of the design. */
#include "unit.h"

#include "base/text.h"
#include "health/state-machine.h"

#define FOR_ALL_STATES(s) for (enum state s = 0; s < _STATE_MAX; s++)
#define FOR_ALL_EVENTS(e) for (enum machine_event e = 0; e < _MACHINE_EVENT_MAX; e++)

static enum state after(enum state state, enum machine_event event) {
        const struct machine_row *row = machine_step(state, event);

        return row->to == MACHINE_STAYS ? state : (enum state)row->to;
}

static unsigned actions(enum state state, enum machine_event event) {
        return machine_step(state, event)->actions;
}

static size_t row_number(const struct machine_row *wanted) {
        for (size_t i = 0; machine_row_at(i); i++)
                if (machine_row_at(i) == wanted)
                        return i;
        fail_msg("a step is no row of the table");
        return 0;
}

static void every_pair_is_decided_by_the_first_row_that_fits(void **state) {
        (void)state;
        FOR_ALL_STATES(s)
        FOR_ALL_EVENTS(e) {
                const struct machine_row *row = machine_step(s, e);

                assert_non_null(row);
                assert_int_equal(row->event, e);
                assert_true(row->from & 1u << s);
                assert_true(row->to == MACHINE_STAYS || (row->to >= 0 && row->to < _STATE_MAX));
                for (size_t i = 0; i < row_number(row); i++)
                        assert_false(machine_row_at(i)->event == e && machine_row_at(i)->from & 1u << s);
        }
}

static void every_row_decides_somewhere(void **state) {
        bool used[100] = {false};
        size_t n = 0;

        (void)state;
        FOR_ALL_STATES(s)
        FOR_ALL_EVENTS(e) used[row_number(machine_step(s, e))] = true;
        for (; machine_row_at(n); n++)
                if (!used[n])
                        fail_msg("no (state, event) leads to the row: %s", machine_row_at(n)->sentence);
        assert_in_range(n, _MACHINE_EVENT_MAX, ARRAY_LENGTH(used) - 1);
        assert_null(machine_row_at(n));
        assert_null(machine_row_at(SIZE_MAX));
}

static void every_sentence_and_name_is_there_once(void **state) {
        (void)state;
        for (size_t i = 0; machine_row_at(i); i++) {
                const char *sentence = machine_row_at(i)->sentence;

                assert_true(strlen(sentence) > 10);
                assert_int_equal(sentence[strlen(sentence) - 1], '.');
                assert_null(strpbrk(sentence, "\t\n"));
                for (size_t j = 0; j < i; j++)
                        assert_string_not_equal(sentence, machine_row_at(j)->sentence);
        }
        FOR_ALL_EVENTS(e) {
                assert_non_null(machine_event_name(e));
                for (enum machine_event other = 0; other < e; other++)
                        assert_string_not_equal(machine_event_name(e), machine_event_name(other));
        }
}

static void only_an_answer_makes_it_awake(void **state) {
        (void)state;
        FOR_ALL_STATES(s)
        FOR_ALL_EVENTS(e) {
                if (e == MACHINE_ANSWERED)
                        assert_int_equal(after(s, e), STATE_AWAKE);
                else if (e == MACHINE_SURVIVED)
                        assert_int_equal(after(s, e), s == STATE_UNKNOWN ? STATE_AWAKE : (int)s);
                else if (s != STATE_AWAKE)
                        assert_int_not_equal(after(s, e), STATE_AWAKE);
        }
}

static void only_a_cut_with_the_signature_and_a_good_door_makes_it_asleep(void **state) {
        (void)state;
        FOR_ALL_STATES(s)
        FOR_ALL_EVENTS(e)
        if (s != STATE_ASLEEP && after(s, e) == STATE_ASLEEP) {
                assert_true(s == STATE_UNKNOWN || s == STATE_FULL || s == STATE_DOWN);
                assert_int_equal(e, MACHINE_SLEPT);
        }
}

static void a_good_door_never_makes_it_awake_or_asleep_and_renews_only_sleep(void **state) {
        (void)state;
        FOR_ALL_STATES(s) {
                enum state next = after(s, MACHINE_DOOR_GOOD);

                assert_true(next == s || next == STATE_UNKNOWN);
                assert_int_equal(!!(actions(s, MACHINE_DOOR_GOOD) & ACTION_RENEW), s == STATE_ASLEEP);
        }
}

static void what_ends_evidence_ends_the_verdict(void **state) {
        (void)state;
        FOR_ALL_STATES(s) {
                assert_int_equal(after(s, MACHINE_EXPIRED), STATE_UNKNOWN);
                assert_int_equal(after(s, MACHINE_NO_NETWORK), STATE_UNKNOWN);
                assert_int_equal(after(s, MACHINE_PAUSED), STATE_UNKNOWN);
                assert_int_equal(after(s, MACHINE_RESUMED), STATE_UNKNOWN);
        }
}

static void nobody_is_awake_after_a_failure_or_a_cut(void **state) {
        static const enum machine_event bad[] = {
                MACHINE_UNMET, MACHINE_FULL, MACHINE_BLOCKED, MACHINE_FAILING, MACHINE_FAILED, MACHINE_STARTING, MACHINE_CUT,
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
                FOR_ALL_STATES(s) assert_int_not_equal(after(s, bad[i]), STATE_AWAKE);
        FOR_ALL_STATES(s) {
                assert_int_equal(after(s, MACHINE_UNMET), STATE_DEGRADED);
                assert_int_equal(after(s, MACHINE_FULL), STATE_FULL);
                assert_int_equal(after(s, MACHINE_BLOCKED), STATE_BLOCKED);
                assert_int_equal(after(s, MACHINE_FAILED), STATE_DOWN);
        }
}

static void one_failure_is_not_down(void **state) {
        (void)state;
        FOR_ALL_STATES(s)
        if (s != STATE_DOWN)
                assert_int_not_equal(after(s, MACHINE_FAILING), STATE_DOWN);
}

static void every_cut_grows_the_generation_and_nothing_else_does(void **state) {
        (void)state;
        FOR_ALL_STATES(s)
        FOR_ALL_EVENTS(e) assert_int_equal(!!(actions(s, e) & ACTION_GENERATION), e == MACHINE_CUT);
        assert_int_equal(after(STATE_AWAKE, MACHINE_CUT), STATE_UNKNOWN);
        assert_int_equal(after(STATE_BLOCKED, MACHINE_CUT), STATE_BLOCKED);
}

static void who_enters_waking_begins_a_wake_and_who_leaves_it_ends_or_fails_it(void **state) {
        (void)state;
        FOR_ALL_STATES(s)
        FOR_ALL_EVENTS(e) {
                bool enters = s != STATE_WAKING && after(s, e) == STATE_WAKING, leaves = s == STATE_WAKING && after(s, e) != STATE_WAKING;
                unsigned a = actions(s, e);

                assert_int_equal(!!(a & ACTION_WAKE_BEGINS), enters);
                /*
                 * Nothing can be resumed that is waking: a pause fails the wake. One that is late is not over, nor is one that we had no
                 * means to look after; and it is not the verdict's age that ends one (step.c).
                 */
                if (leaves && e != MACHINE_RESUMED && e != MACHINE_WAKE_TIMEOUT && e != MACHINE_NO_MEANS && e != MACHINE_EXPIRED)
                        assert_true(a & (ACTION_WAKE_ENDS | ACTION_WAKE_FAILS));
                assert_false(a & ACTION_WAKE_ENDS && a & ACTION_WAKE_FAILS);
                /* After failures the first answer ends it, though `rise` of them make a verdict. */
                if (a & ACTION_WAKE_ENDS && e != MACHINE_RISING)
                        assert_true(after(s, e) == STATE_AWAKE || after(s, e) == STATE_DEGRADED);
        }
        assert_int_equal(after(STATE_WAKING, MACHINE_WAKE_TIMEOUT), STATE_DOWN);
}

static void whoever_changes_state_says_why(void **state) {
        (void)state;
        FOR_ALL_STATES(s)
        FOR_ALL_EVENTS(e)
        if (after(s, e) != s && e != MACHINE_SLEPT)
                assert_true(actions(s, e) & ACTION_REASON);
}

static void a_new_verdict_that_can_expire_is_fresh(void **state) {
        (void)state;
        FOR_ALL_STATES(s)
        FOR_ALL_EVENTS(e) {
                enum state next = after(s, e);

                if (next != s && next != STATE_UNKNOWN && next != STATE_WAKING)
                        assert_true(actions(s, e) & ACTION_RENEW);
                /* Of the unknown verdicts, only our own trouble expires. */
                if (next == STATE_UNKNOWN && (e == MACHINE_NO_NETWORK || e == MACHINE_NO_MEANS))
                        assert_true(!(actions(s, e) & ACTION_REASON) || actions(s, e) & ACTION_RENEW);
                else if (next == STATE_UNKNOWN || next == STATE_WAKING)
                        assert_false(actions(s, e) & ACTION_RENEW);
        }
}

static void the_print_has_each_row_with_the_states_it_decides_for(void **state) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        char *rest, *line;
        size_t i = 0;

        (void)state;
        machine_print(&buffer);
        assert_int_equal(buffer_finish(&buffer), 0);
        rest = buffer.data;
        assert_string_equal(strsep(&rest, "\n"), "EVENT\tFROM\tTO\tACTIONS\tMEANING");
        while ((line = strsep(&rest, "\n")) && *line) {
                const struct machine_row *row = machine_row_at(i++);
                char *event = strsep(&line, "\t"), *from = strsep(&line, "\t"), *to = strsep(&line, "\t"), *doing = strsep(&line, "\t");
                bool any = strcmp(from, "any") == 0;

                assert_non_null(row);
                assert_string_equal(event, machine_event_name(row->event));
                assert_string_equal(to, row->to == MACHINE_STAYS ? "stays" : state_name((enum state)row->to));
                assert_string_equal(line, row->sentence);
                assert_int_equal(strcmp(doing, "-") == 0, row->actions == 0);
                FOR_ALL_STATES(s) {
                        bool named = false;
                        char *copy = strdup(from), *words = copy;

                        for (char *word; (word = strsep(&words, ","));)
                                named |= strcmp(word, state_name(s)) == 0;
                        free(copy);
                        assert_int_equal(any || named, machine_step(s, row->event) == row);
                }
        }
        assert_null(machine_row_at(i));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(every_pair_is_decided_by_the_first_row_that_fits),
                UNIT_TEST(every_row_decides_somewhere),
                UNIT_TEST(every_sentence_and_name_is_there_once),
                UNIT_TEST(only_an_answer_makes_it_awake),
                UNIT_TEST(only_a_cut_with_the_signature_and_a_good_door_makes_it_asleep),
                UNIT_TEST(a_good_door_never_makes_it_awake_or_asleep_and_renews_only_sleep),
                UNIT_TEST(what_ends_evidence_ends_the_verdict),
                UNIT_TEST(nobody_is_awake_after_a_failure_or_a_cut),
                UNIT_TEST(one_failure_is_not_down),
                UNIT_TEST(every_cut_grows_the_generation_and_nothing_else_does),
                UNIT_TEST(who_enters_waking_begins_a_wake_and_who_leaves_it_ends_or_fails_it),
                UNIT_TEST(whoever_changes_state_says_why),
                UNIT_TEST(a_new_verdict_that_can_expire_is_fresh),
                UNIT_TEST(the_print_has_each_row_with_the_states_it_decides_for),
        };

        return UNIT_RUN(tests);
}
