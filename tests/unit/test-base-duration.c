/* Durations and sizes as people write them. */
#include "unit.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/random.h"

#include <errno.h>
#include <stdio.h>

#define UNTOUCHED UINT64_C(0xdead)

static void durations_are_read(void **state) {
        static const struct {
                const char *text;
                uint64_t usec;
        } good[] = {
                {"0", 0},
                {"0s", 0},
                {"1us", 1},
                {"500ms", 500000},
                {"10s", 10 * USEC_PER_SEC},
                {" 10 s ", 10 * USEC_PER_SEC},
                {"5min", 5 * USEC_PER_MINUTE},
                {"1h 30min", 90 * USEC_PER_MINUTE},
                {"1h30min", 90 * USEC_PER_MINUTE},
                {"2d", 2 * USEC_PER_DAY},
                {"1w", 7 * USEC_PER_DAY},
                {"1.5s", 1500000},
                {"0.1ms", 100},
                {"1.9us", 1},
                {"0.000001s", 1},
                {"0.00000099s", 0},
                {"1.000000000000000000000000001s", USEC_PER_SEC},
                {"0.333333w", UINT64_C(201599798400)},
                {"infinity", USEC_INFINITY},
                {"18446744073709551614us", USEC_INFINITY - 1},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
                uint64_t usec = UNTOUCHED;

                assert_int_equal(duration_parse(good[i].text, &usec), 0);
                assert_int_equal(usec, good[i].usec);
        }
}

static void what_is_no_duration_is_refused(void **state) {
        static const char *const bad[] = {
                "", " ", "10", "s", "-1s", "+1s", "10 apples", "10S", "5m", "5M", "10s5", ".5s", "5.s", "1,5s", "1e3s", "10s;", "infinity!",
                "Infinity", "0x10s", "10s 10", "1..5s", "10\xc2\xb5s", "NaN",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
                uint64_t usec = UNTOUCHED;

                assert_int_equal(duration_parse(bad[i], &usec), -EINVAL);
                assert_int_equal(usec, UNTOUCHED);
        }
}

static void a_duration_too_long_is_out_of_range(void **state) {
        static const char *const bad[] = {
                "18446744073709551615us", /* that is infinity, which has its own word */
                "18446744073709551616us", "18446744073709551614us 1us", "99999999999999999999999999s", "30500569w",
                "18446744073709551614us 0.5w",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
                uint64_t usec = UNTOUCHED;

                assert_int_equal(duration_parse(bad[i], &usec), -ERANGE);
                assert_int_equal(usec, UNTOUCHED);
        }
}

static void a_format_is_exact_and_reads_back(void **state) {
        static const struct {
                uint64_t usec;
                const char *text;
        } rows[] = {
                {0, "0s"},
                {1, "1us"},
                {1500, "1500us"},
                {1500000, "1500ms"},
                {90 * USEC_PER_SEC, "90s"},
                {5 * USEC_PER_MINUTE, "5min"},
                {36 * USEC_PER_HOUR, "36h"},
                {90 * USEC_PER_DAY, "90d"},
                {USEC_INFINITY, "infinity"},
                {USEC_INFINITY - 1, "18446744073709551614us"},
        };
        uint64_t random = 7, back;
        char text[DURATION_MAX];

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
                assert_string_equal(duration_format(text, rows[i].usec), rows[i].text);
        for (unsigned i = 0; i < 20000; i++) {
                uint64_t usec = random_next(&random) >> (i % 64);

                if (i % 3 == 0)
                        usec = usec / USEC_PER_MINUTE * USEC_PER_MINUTE;
                assert_int_equal(duration_parse(duration_format(text, usec), &back), 0);
                assert_int_equal(back, usec);
        }
}

static void people_read_three_digits(void **state) {
        static const struct {
                uint64_t usec;
                const char *text;
        } rows[] = {
                {0, "0 us"},
                {999, "999 us"},
                {1000, "1.0 ms"},
                {9949, "9.9 ms"},
                {9999, "10 ms"},
                {43000, "43 ms"},
                {999499, "999 ms"},
                {999999, "1.00 s"},
                {1240000, "1.24 s"},
                {9999999, "10.0 s"},
                {59900000, "59.9 s"},
                {60 * USEC_PER_SEC, "1 min"},
                {61 * USEC_PER_SEC, "1 min 1 s"},
                {125 * USEC_PER_MINUTE, "2 h 5 min"},
                {49 * USEC_PER_HOUR, "2 d 1 h"},
                {USEC_INFINITY - 1, "213503982 d 8 h"},
                {USEC_INFINITY, "for ever"},
        };
        char text[DURATION_MAX];

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
                assert_string_equal(duration_format_human(text, rows[i].usec), rows[i].text);
}

static void sizes_are_read(void **state) {
        static const struct {
                const char *text;
                int r;
                uint64_t bytes;
        } rows[] = {
                {"4096", 0, 4096},
                {"0", 0, 0},
                {"64KiB", 0, 65536},
                {"256MB", 0, 256000000},
                {"1.5 GiB", 0, UINT64_C(1610612736)},
                {"0.001MiB", 0, 1048},
                {"0.000937MiB", 0, 982}, /* 982.51: one product, not two that both lose their fraction */
                {"7B", 0, 7},
                {"18446744073709551615", 0, UINT64_MAX},
                {"18446744073709551616", -ERANGE, 0},
                {"18446744073709551615kB", -ERANGE, 0},
                {"1.5", -EINVAL, 0},
                {"", -EINVAL, 0},
                {"MB", -EINVAL, 0},
                {"1 mb", -EINVAL, 0},
                {"1MB 2kB", -EINVAL, 0},
                {"-1", -EINVAL, 0},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
                uint64_t bytes = UNTOUCHED;

                assert_int_equal(size_parse(rows[i].text, &bytes), rows[i].r);
                assert_int_equal(bytes, rows[i].r < 0 ? UNTOUCHED : rows[i].bytes);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(durations_are_read),
                UNIT_TEST(what_is_no_duration_is_refused),
                UNIT_TEST(a_duration_too_long_is_out_of_range),
                UNIT_TEST(a_format_is_exact_and_reads_back),
                UNIT_TEST(people_read_three_digits),
                UNIT_TEST(sizes_are_read),
        };

        return UNIT_RUN(tests);
}
