/* The arguments of a request. */
#include "unit.h"

#include "serve/query.h"

#include "base/clock.h"

#define ALL (ARGUMENT_WAIT | ARGUMENT_ACCEPT | ARGUMENT_FOR | ARGUMENT_DB | ARGUMENT_FOLLOW)

static void good_ones_are_read(void **state) {
        struct query query = {.allowed = ALL};

        (void)state;
        assert_true(query_take(&query, "wait", "30s"));
        assert_true(query_take(&query, "accept", "asleep"));
        assert_true(query_take(&query, "for", "1h 30min"));
        assert_true(query_take(&query, "db", "main"));
        assert_true(query_take(&query, "follow", "0"));
        assert_int_equal(query.given, ALL);
        assert_int_equal(query.wait_usec, 30 * USEC_PER_SEC);
        assert_true(query.accept_asleep);
        assert_int_equal(query.for_usec, 90 * USEC_PER_MINUTE);
        assert_string_equal(query.db, "main");
        assert_true(query.no_follow);
        assert_string_equal(query.problem, "");
}

static void bounds_are_inclusive(void **state) {
        struct query query = {.allowed = ALL};

        (void)state;
        assert_true(query_take(&query, "wait", "1h"));
        assert_true(query_take(&query, "for", "90d"));
        query = (struct query){.allowed = ALL};
        assert_true(query_take(&query, "wait", "0"));
        assert_true(query_take(&query, "for", "0s"));
        assert_true(query_take(&query, "follow", "1"));
        assert_false(query.no_follow);
}

static void doubtful_ones_are_refused_by_name(void **state) {
        static const struct {
                const char *name, *value;
        } bad[] = {
                {"wait", NULL}, {"wait", ""}, {"wait", "30"}, {"wait", "-1s"}, {"wait", "3601s"}, {"wait", "infinity"}, {"for", "91d"},
                {"accept", "awake"}, {"accept", "ASLEEP"}, {"accept", NULL}, {"db", ""}, {"db", "Main"}, {"db", "a/b"}, {"db", NULL},
                {"follow", "no"}, {"follow", "00"}, {"Wait", "1s"}, {"", "1"}, {"nothing", NULL},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
                struct query query = {.allowed = ALL};

                if (query_take(&query, bad[i].name, bad[i].value))
                        fail_msg("row %zu was taken", i);
                assert_non_null(strstr(query.problem, bad[i].name));
        }
}

static void one_given_twice_is_refused(void **state) {
        struct query query = {.allowed = ALL};

        (void)state;
        assert_true(query_take(&query, "wait", "1s"));
        assert_false(query_take(&query, "wait", "2s"));
        assert_string_equal(query.problem, "wait is given twice");
}

static void one_of_another_endpoint_is_unknown(void **state) {
        struct query query = {.allowed = ARGUMENT_DB | ARGUMENT_FOLLOW};

        (void)state;
        assert_false(query_take(&query, "wait", "1s"));
        assert_string_equal(query.problem, "there is no argument \"wait\" here; known: db, follow");
        query = (struct query){0};
        assert_false(query_take(&query, "wait", "1s"));
        assert_string_equal(query.problem, "there is no argument \"wait\" here; this takes none");
}

static void a_long_one_does_not_overflow(void **state) {
        struct query query = {.allowed = ALL};
        char text[4096];

        (void)state;
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        assert_false(query_take(&query, text, text));
        assert_false(query_take(&query, "wait", text));
        assert_false(query_take(&query, "db", text));
        assert_true(strlen(query.problem) < sizeof(query.problem));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                UNIT_TEST(good_ones_are_read),
                UNIT_TEST(bounds_are_inclusive),
                UNIT_TEST(doubtful_ones_are_refused_by_name),
                UNIT_TEST(one_given_twice_is_refused),
                UNIT_TEST(one_of_another_endpoint_is_unknown),
                UNIT_TEST(a_long_one_does_not_overflow),
        };

        return UNIT_RUN(tests);
}
