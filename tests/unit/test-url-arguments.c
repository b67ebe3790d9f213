/* The arguments of a request. */
#include "unit.h"

#include "http/url.h"

#include "base/clock.h"
#include "model/memory.h"

#define ALL (ARGUMENT_WAIT | ARGUMENT_ACCEPT | ARGUMENT_FOR | ARGUMENT_DB | ARGUMENT_FOLLOW | ARGUMENT_SPREAD | ARGUMENT_OWNER)

static void good_ones_are_read(void **state) {
        struct query query = {.allowed = ALL};

        (void)state;
        assert_true(query_take(&query, "wait", "30s"));
        assert_true(query_take(&query, "accept", "asleep"));
        assert_true(query_take(&query, "for", "1h 30min"));
        assert_true(query_take(&query, "db", "main"));
        assert_true(query_take(&query, "follow", "0"));
        assert_true(query_take(&query, "spread", "2s"));
        assert_true(query_take(&query, "owner", "b\xc3\xa4r.service, host \xe2\x9c\x93"));
        assert_true(query_is_complete(&query));
        assert_int_equal(query.given, ALL);
        assert_int_equal(query.spread_usec, 2 * USEC_PER_SEC);
        assert_string_equal(query.owner, "b\xc3\xa4r.service, host \xe2\x9c\x93");
        assert_int_equal(query.wait_usec, 30 * USEC_PER_SEC);
        assert_true(query.accept_asleep);
        assert_int_equal(query.for_usec, 90 * USEC_PER_MINUTE);
        assert_string_equal(query.db, "main");
        assert_true(query.no_follow);
        assert_string_equal(query.problem, "");
}

#define PAST (ARGUMENT_KIND | ARGUMENT_SINCE | ARGUMENT_UNTIL | ARGUMENT_LIMIT | ARGUMENT_FORMAT)

static void questions_about_the_past_are_read(void **state) {
        struct query query = {.allowed = PAST};

        (void)state;
        assert_true(query_take(&query, "kind", "hours"));
        assert_true(query_take(&query, "since", "36h"));
        assert_true(query_take(&query, "until", "2026-11-22T16:02:09.123456Z"));
        assert_true(query_take(&query, "limit", "100000"));
        assert_true(query_take(&query, "format", "csv"));
        assert_true(query_is_complete(&query));
        assert_int_equal(query.kind, QUERY_HOURS);
        assert_true(query.since.is_ago);
        assert_int_equal(query.since.usec, 36 * USEC_PER_HOUR);
        assert_false(query.until.is_ago);
        assert_int_equal(query.until.usec, UINT64_C(1795363329123456));
        assert_int_equal(query.limit, 100000);
        assert_true(query.csv);
}

static void times_are_read_strictly(void **state) {
        static const struct {
                const char *text;
                uint64_t usec; /* 0: refused */
        } times[] = {
                {"1970-01-01T00:00:01Z", 1000000},
                {"2026-11-22t16:02:09.5z", UINT64_C(1795363329500000)},
                {"2026-11-22T17:02:09+01:00", UINT64_C(1795363329000000)},
                {"2026-11-22T17:02:09 01:00", UINT64_C(1795363329000000)},
                {"2026-11-22T10:32:09-05:30", UINT64_C(1795363329000000)},
                {"2026-11-22T16:02:09.1234569Z", UINT64_C(1795363329123456)},
                {"2028-02-29T00:00:00Z", UINT64_C(1835395200000000)},
                {"2026-02-29T00:00:00Z", 0},
                {"2026-13-01T00:00:00Z", 0},
                {"2026-11-22T24:00:00Z", 0},
                {"2026-11-22T16:60:00Z", 0},
                {"2026-11-22T16:02:09.Z", 0},
                {"2026-11-22T16:02:09", 0},
                {"2026-11-22T16:02:09Zx", 0},
                {"2026-11-22T16:02Z", 0},
                {"2026-11-22", 0},
                {"1970-01-01T00:00:00Z", 0},
                {"1969-12-31T23:59:59Z", 0},
                {"26-11-22T16:02:09Z", 0},
                {"", 0},
                {"yesterday", 0},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
                struct query query = {.allowed = PAST};
                bool good = query_take(&query, "since", times[i].text);

                assert_int_equal(good, times[i].usec > 0);
                if (good)
                        assert_int_equal(query.since.usec, times[i].usec);
        }
}

static void a_table_of_a_report_or_of_nothing_is_refused(void **state) {
        struct query query = {.allowed = PAST};

        (void)state;
        assert_false(query_is_complete(&query));
        query = (struct query){.allowed = PAST};
        assert_true(query_take(&query, "kind", "report") && query_take(&query, "format", "csv"));
        assert_false(query_is_complete(&query));
        query = (struct query){.allowed = PAST};
        assert_true(query_take(&query, "kind", "report") && query_take(&query, "format", "json"));
        assert_true(query_is_complete(&query));
        assert_false(query.csv);
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
                {"spread", "301s"}, {"spread", "2"}, {"spread", NULL}, {"owner", ""}, {"owner", NULL}, {"owner", "a\xff"}, {"owner", "\xc3"},
                {"owner", "a\nb"}, {"owner", "a\x1b[1m"}, {"owner", "\xc2\x9b"}, {"owner", "\xe2\x80\xae"}, {"owner", "\xed\xa0\x80"},
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

static void an_owner_has_its_bounds(void **state) {
        struct query query = {.allowed = ALL};
        char text[LEASE_OWNER_MAX + 2];

        (void)state;
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        assert_false(query_take(&query, "owner", text));
        assert_true(strstr(query.problem, "255"));
        query = (struct query){.allowed = ALL};
        text[LEASE_OWNER_MAX] = '\0';
        assert_true(query_take(&query, "owner", text));
}

static void spread_alone_makes_no_sense(void **state) {
        struct query query = {.allowed = ALL};

        (void)state;
        assert_true(query_take(&query, "spread", "5min"));
        assert_false(query_is_complete(&query));
        assert_non_null(strstr(query.problem, "wait"));
        query = (struct query){.allowed = ALL};
        assert_false(query_take(&query, "spread", "x"));
        assert_false(query_is_complete(&query));
        query = (struct query){.allowed = ALL};
        assert_true(query_take(&query, "spread", "2s"));
        assert_true(query_take(&query, "wait", "2s"));
        assert_true(query_is_complete(&query));
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
                UNIT_TEST(questions_about_the_past_are_read),
                UNIT_TEST(times_are_read_strictly),
                UNIT_TEST(a_table_of_a_report_or_of_nothing_is_refused),
                UNIT_TEST(bounds_are_inclusive),
                UNIT_TEST(doubtful_ones_are_refused_by_name),
                UNIT_TEST(an_owner_has_its_bounds),
                UNIT_TEST(spread_alone_makes_no_sense),
                UNIT_TEST(one_given_twice_is_refused),
                UNIT_TEST(one_of_another_endpoint_is_unknown),
                UNIT_TEST(a_long_one_does_not_overflow),
        };

        return UNIT_RUN(tests);
}
