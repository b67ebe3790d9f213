/* The distribution of durations: its error bound, and that adding never breaks it. */
#include "model/histogram.h"

#include "base/macro.h"
#include "base/random.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#define LONGEST ((UINT64_C(1) << 33) - 1)

static uint64_t count_below(const struct histogram *histogram, uint64_t bound_usec) {
        uint64_t count;

        histogram_counts_below(histogram, &bound_usec, 1, &count);
        return count;
}

static void an_empty_one_answers_zero(void **state) {
        struct histogram h = {};

        (void)state;
        assert_int_equal(histogram_quantile(&h, 500), 0);
        assert_int_equal(histogram_quantile(&h, 0), 0);
        assert_int_equal(count_below(&h, 1000), 0);
}

/* VALUE alone beside a larger one, so that the largest value seen does not correct the answer. */
static void assert_close(uint64_t value) {
        struct histogram h = {};
        uint64_t answer;

        histogram_add(&h, value);
        histogram_add(&h, LONGEST);
        answer = histogram_quantile(&h, 500);
        assert_true((answer > value ? answer - value : value - answer) * 1000 <= value * 32);
}

static void a_quantile_is_less_than_3_2_percent_off(void **state) {
        uint64_t random = 1;

        (void)state;
        for (uint64_t value = 1; value < 100000; value++)
                assert_close(value);
        for (unsigned octave = 0; octave < 32; octave++) {
                assert_close(UINT64_C(1) << octave);
                assert_close((UINT64_C(2) << octave) - 1);
                for (unsigned i = 0; i < 200; i++)
                        assert_close((UINT64_C(1) << octave) + random_next(&random) % (UINT64_C(1) << octave));
        }
}

static void quantiles_of_a_known_distribution(void **state) {
        static const unsigned permilles[] = { 1, 10, 250, 500, 900, 950, 990, 999, 1000 };
        struct histogram h = {};

        (void)state;
        for (uint64_t i = 1; i <= 1000; i++)
                histogram_add(&h, i * 1000);
        assert_int_equal(h.count, 1000);
        assert_int_equal(h.sum_usec, UINT64_C(500500000));
        for (size_t i = 0; i < ARRAY_LENGTH(permilles); i++) {
                uint64_t exact = permilles[i] * UINT64_C(1000), answer = histogram_quantile(&h, permilles[i]);

                assert_in_range(answer, exact * 968 / 1000, exact * 1032 / 1000);
        }
}

static void no_quantile_is_above_the_largest_value(void **state) {
        struct histogram h = {};

        (void)state;
        histogram_add(&h, 1025);
        assert_int_equal(histogram_quantile(&h, 500), 1025);
        assert_int_equal(histogram_quantile(&h, 1000), 1025);
        assert_int_equal(histogram_quantile(&h, 5000), 1025);
}

static void zero_is_a_value(void **state) {
        struct histogram h = {};

        (void)state;
        histogram_add(&h, 0);
        assert_int_equal(h.count, 1);
        assert_int_equal(histogram_quantile(&h, 990), 0);
        assert_int_equal(count_below(&h, 0), 1);
}

static void what_is_too_long_is_counted_and_answered_by_the_largest(void **state) {
        struct histogram h = {};

        (void)state;
        histogram_add(&h, UINT64_C(1) << 40);
        histogram_add(&h, UINT64_MAX);
        assert_int_equal(h.count, 2);
        assert_int_equal(h.buckets[HISTOGRAM_BUCKETS - 1], 2);
        assert_true(histogram_quantile(&h, 1000) == UINT64_MAX);
        assert_int_equal(count_below(&h, UINT64_MAX), 2);
        assert_int_equal(count_below(&h, 1000), 0);
}

static void a_full_bucket_stays_full(void **state) {
        struct histogram h = { .count = UINT32_MAX, .max_usec = 5 };

        (void)state;
        h.buckets[5] = UINT32_MAX;
        histogram_add(&h, 5);
        assert_int_equal(h.buckets[5], UINT32_MAX);
        assert_int_equal(histogram_quantile(&h, 1000), 5);
}

static void counts_below_grow_with_the_bound_and_contain_it(void **state) {
        struct histogram h = {};
        uint64_t random = 7, before = 0;

        (void)state;
        for (unsigned i = 0; i < 1000; i++)
                histogram_add(&h, random_next(&random) % 1000000);
        for (uint64_t bound = 0; bound <= 1000000; bound += 500) {
                uint64_t below = count_below(&h, bound);

                assert_true(below >= before);
                before = below;
        }
        assert_int_equal(before, 1000);
        h = (struct histogram){};
        histogram_add(&h, 50000);
        histogram_add(&h, 60000);
        assert_int_equal(count_below(&h, 50000), 1);
        assert_int_equal(count_below(&h, 47000), 0);
        assert_int_equal(count_below(&h, 60000), 2);
}

static void many_bounds_are_counted_as_one_by_one(void **state) {
        static const uint64_t bounds[] = {0, 50000, 50001, 1000000, 1500000, 120000000};
        uint64_t counts[ARRAY_LENGTH(bounds)];
        struct histogram h = {};

        (void)state;
        for (uint64_t usec = 1; usec < 200000000; usec = usec * 3 / 2 + 1)
                histogram_add(&h, usec);
        histogram_counts_below(&h, bounds, ARRAY_LENGTH(bounds), counts);
        for (size_t i = 0; i < ARRAY_LENGTH(bounds); i++)
                assert_int_equal(counts[i], count_below(&h, bounds[i]));
}

static void a_tally_counts_each_value_at_its_bound(void **state) {
        struct tally tally = {0};

        (void)state;
        for (size_t i = 0; i < TALLY_BOUNDS; i++) {
                assert_true(i == 0 || tally_bounds_usec[i] > tally_bounds_usec[i - 1]);
                tally_add(&tally, tally_bounds_usec[i]);     /* inside */
                tally_add(&tally, tally_bounds_usec[i] + 1); /* in the next */
        }
        tally_add(&tally, 0);
        for (size_t i = 0; i < TALLY_BOUNDS; i++)
                assert_int_equal(tally.counts[i], 2);
        assert_int_equal(tally.counts[TALLY_BOUNDS], 1);
        tally = (struct tally){0};
        tally_add(&tally, 700);
        tally_add(&tally, 70000000);
        assert_int_equal(tally.counts[1], 1);
        assert_int_equal(tally.counts[TALLY_BOUNDS], 1);
        assert_int_equal(tally.sum_usec, 70000700);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_one_answers_zero),
                cmocka_unit_test(a_quantile_is_less_than_3_2_percent_off),
                cmocka_unit_test(quantiles_of_a_known_distribution),
                cmocka_unit_test(no_quantile_is_above_the_largest_value),
                cmocka_unit_test(zero_is_a_value),
                cmocka_unit_test(what_is_too_long_is_counted_and_answered_by_the_largest),
                cmocka_unit_test(a_full_bucket_stays_full),
                cmocka_unit_test(counts_below_grow_with_the_bound_and_contain_it),
                cmocka_unit_test(many_bounds_are_counted_as_one_by_one),
                cmocka_unit_test(a_tally_counts_each_value_at_its_bound),
        };

        return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
