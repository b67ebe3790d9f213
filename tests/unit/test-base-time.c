/* Arithmetic of time, its print, backoff and jitter. */
#include "unit.h"

#include "base/clock.h"
#include "base/random.h"

#include <time.h>

static void sums_and_differences_stay_in_bounds(void **state) {
        (void)state;
        assert_int_equal(usec_add(1, 2), 3);
        assert_int_equal(usec_add(USEC_INFINITY, 1), USEC_INFINITY);
        assert_int_equal(usec_add(1, USEC_INFINITY), USEC_INFINITY);
        assert_int_equal(usec_add(0, USEC_INFINITY), USEC_INFINITY);
        assert_int_equal(usec_add(USEC_INFINITY - 5, 10), USEC_INFINITY);
        assert_int_equal(usec_sub(3, 1), 2);
        assert_int_equal(usec_sub(1, 3), 0);
        assert_int_equal(usec_sub(USEC_INFINITY, 3), USEC_INFINITY);
}

static void time_is_printed_as_rfc_3339(void **state) {
        char text[CLOCK_RFC3339_MAX];

        (void)state;
        assert_string_equal(clock_format_rfc3339(text, 0), "1970-01-01T00:00:00.000000Z");
        assert_string_equal(clock_format_rfc3339(text, UINT64_C(1795363329123456)), "2026-11-22T16:02:09.123456Z");
        assert_string_equal(clock_format_rfc3339(text, UINT64_C(1709164800000001)), "2024-02-29T00:00:00.000001Z");
        assert_string_equal(clock_format_rfc3339(text, UINT64_C(253402300799999999)), "9999-12-31T23:59:59.999999Z");
        assert_string_equal(clock_format_rfc3339(text, UINT64_C(253402300800000000)), "9999-12-31T23:59:59.999999Z");
        assert_string_equal(clock_format_rfc3339(text, USEC_INFINITY), "9999-12-31T23:59:59.999999Z");
}

/* Each day of eight hundred years, at its first and its last microsecond, as the C library has it. */
static void months_are_those_of_the_calendar(void **state) {
        (void)state;
        for (uint64_t day = 0; day < 800 * 365; day++) {
                time_t seconds = (time_t)(day * USEC_PER_DAY / USEC_PER_SEC);
                uint64_t lasted, begun;
                unsigned month;
                struct tm tm;

                assert_non_null(gmtime_r(&seconds, &tm));
                month = (unsigned)(tm.tm_year - 70) * 12 + (unsigned)tm.tm_mon;
                begun = (uint64_t)(tm.tm_mday - 1) * USEC_PER_DAY;
                assert_int_equal(clock_month(day * USEC_PER_DAY, &lasted), month);
                assert_int_equal(lasted, begun);
                assert_int_equal(clock_month((day + 1) * USEC_PER_DAY - 1, &lasted), month);
                assert_int_equal(lasted, begun + USEC_PER_DAY - 1);
        }
}

static void the_clocks_agree(void **state) {
        struct instant a = clock_now(), b = clock_now();

        (void)state;
        assert_true(b.boot_usec >= a.boot_usec);
        assert_true(a.boot_usec >= a.suspended_usec);
        assert_true(a.real_usec > UINT64_C(1600000000) * USEC_PER_SEC);
}

static void backoff_doubles_to_its_ceiling(void **state) {
        static const uint64_t expected[] = {1, 1, 2, 4, 8, 15, 15, 15};

        (void)state;
        for (unsigned i = 0; i < ARRAY_LENGTH(expected); i++)
                assert_int_equal(backoff_usec(i, USEC_PER_SEC, 15 * USEC_PER_SEC), expected[i] * USEC_PER_SEC);
        assert_int_equal(backoff_usec(UINT32_MAX, USEC_PER_SEC, 15 * USEC_PER_SEC), 15 * USEC_PER_SEC);
        assert_int_equal(backoff_usec(UINT32_MAX, 1, USEC_INFINITY), USEC_INFINITY);
        assert_int_equal(backoff_usec(5, 10 * USEC_PER_SEC, USEC_PER_SEC), 10 * USEC_PER_SEC);
}

static void jitter_stays_in_its_bounds_and_fills_them(void **state) {
        uint64_t random = 1, least = USEC_INFINITY, most = 0;

        (void)state;
        for (unsigned i = 0; i < 100000; i++) {
                uint64_t usec = backoff_jitter(10 * USEC_PER_SEC, 100, &random);

                least = MIN(least, usec);
                most = MAX(most, usec);
        }
        assert_in_range(least, 9 * USEC_PER_SEC, 9 * USEC_PER_SEC + USEC_PER_SEC / 100);
        assert_in_range(most, 11 * USEC_PER_SEC - USEC_PER_SEC / 100, 11 * USEC_PER_SEC);
        assert_int_equal(backoff_jitter(12345, 0, &random), 12345);
        assert_int_equal(backoff_jitter(0, 100, &random), 0);
        assert_int_equal(backoff_jitter(5, 100, &random), 5);
        assert_int_equal(backoff_jitter(USEC_INFINITY, 500, &random), USEC_INFINITY);
        for (unsigned i = 0; i < 1000; i++)
                assert_true(backoff_jitter(USEC_INFINITY / 4, 1000, &random) <= USEC_INFINITY / 2);
}

static void randomness_is_the_callers_state(void **state) {
        uint64_t a = 42, b = 42, c = 43;

        (void)state;
        for (unsigned i = 0; i < 100; i++) {
                uint64_t x = random_next(&a);

                assert_int_equal(x, random_next(&b));
                assert_int_not_equal(x, random_next(&c));
        }
        assert_int_not_equal(random_seed(), random_seed());
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(sums_and_differences_stay_in_bounds),
                UNIT_TEST(time_is_printed_as_rfc_3339),
                UNIT_TEST(months_are_those_of_the_calendar),
                UNIT_TEST(the_clocks_agree),
                UNIT_TEST(backoff_doubles_to_its_ceiling),
                UNIT_TEST(jitter_stays_in_its_bounds_and_fills_them),
                UNIT_TEST(randomness_is_the_callers_state),
        };

        return UNIT_RUN(tests);
}
