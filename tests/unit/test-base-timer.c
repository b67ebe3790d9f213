#include "unit.h"

#include "base/clock.h"
#include "base/timer.h"

static sd_event *event;
static struct timer timer;
static unsigned expiries, again;
static uint64_t expired_usec;

static void on_expired(void *userdata) {
        assert_ptr_equal(userdata, &expiries);
        assert_false(timer_is_set(&timer));
        expired_usec = clock_monotonic_usec();
        expiries++;
        if (again > 0) {
                again--;
                timer_set_after(&timer, 0);
        }
}

static int begin(void **state) {
        (void)state;
        expiries = again = 0;
        return sd_event_new(&event) < 0 || timer_init(&timer, event, CLOCK_MONOTONIC, 1, "test", on_expired, &expiries) < 0 ? -1 : 0;
}

static int end(void **state) {
        (void)state;
        timer_deinit(&timer);
        event = sd_event_unref(event);
        return 0;
}

static void run_until(unsigned n) {
        while (expiries < n)
                assert_true(sd_event_run(event, USEC_INFINITY) >= 0);
}

/* Whatever is pending is over after this long, and no more came than was expected. */
static void nothing_more_expires(void) {
        unsigned before = expiries;

        assert_true(sd_event_run(event, 20 * USEC_PER_MSEC) >= 0);
        assert_int_equal(expiries, before);
}

static void is_off_until_it_is_set_and_after_it_expired(void **state) {
        uint64_t due = clock_monotonic_usec() + 5 * USEC_PER_MSEC;

        (void)state;
        assert_false(timer_is_set(&timer));
        timer_set(&timer, due);
        assert_true(timer_is_set(&timer));
        run_until(1);
        assert_true(expired_usec >= due);
        nothing_more_expires();
}

static void what_is_over_expires_once_and_may_be_set_again_meanwhile(void **state) {
        (void)state;
        again = 2;
        timer_set(&timer, 0);
        run_until(3);
        nothing_more_expires();
}

static void set_to_the_same_it_stays_and_to_never_it_stops(void **state) {
        (void)state;
        timer_set(&timer, 0);
        timer_set(&timer, 0);
        timer_set(&timer, USEC_INFINITY);
        assert_false(timer_is_set(&timer));
        nothing_more_expires();
        timer_set_after(&timer, USEC_INFINITY);
        assert_false(timer_is_set(&timer));
        timer_set(&timer, 0);
        run_until(1);
}

static void zeroed_or_ended_it_is_never_due(void **state) {
        struct timer none = {0};

        (void)state;
        timer_set_after(&none, 1);
        assert_false(timer_is_set(&none));
        timer_deinit(&none);
        timer_set(&timer, 0);
        timer_deinit(&timer);
        assert_false(timer_is_set(&timer));
        timer_set(&timer, 0);
        nothing_more_expires();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(is_off_until_it_is_set_and_after_it_expired, begin, end),
                cmocka_unit_test_setup_teardown(what_is_over_expires_once_and_may_be_set_again_meanwhile, begin, end),
                cmocka_unit_test_setup_teardown(set_to_the_same_it_stays_and_to_never_it_stops, begin, end),
                cmocka_unit_test_setup_teardown(zeroed_or_ended_it_is_never_due, begin, end),
        };

        return UNIT_RUN(tests);
}
