/* Deadlines in classes of one constant time each. */
#include "unit.h"

#include "http/deadlines.h"

#include "base/clock.h"

enum {
        SHORT,
        LONG,
        ENDLESS,
};

static const uint64_t class_usec[] = {[SHORT] = 20 * USEC_PER_MSEC, [LONG] = 60 * USEC_PER_MSEC, [ENDLESS] = USEC_INFINITY};

struct member {
        struct deadline deadline;
        unsigned expired;
};

static sd_event *event;
static struct deadlines deadlines;
static unsigned expiries;

static void on_expired(struct deadline *deadline) {
        struct member *member = container_of(deadline, struct member, deadline);

        member->expired = ++expiries;
        deadlines_leave(&deadlines, deadline);
}

static int begin(void **state) {
        (void)state;
        expiries = 0;
        return sd_event_new(&event) < 0 || deadlines_init(&deadlines, event, class_usec, ARRAY_LENGTH(class_usec), on_expired) < 0 ? -1 : 0;
}

static int end(void **state) {
        (void)state;
        deadlines_deinit(&deadlines);
        event = sd_event_unref(event);
        return 0;
}

static bool is_armed(void) {
        return timer_is_set(&deadlines.timer);
}

static void run_until(unsigned n) {
        uint64_t give_up = clock_boot_usec() + USEC_PER_MINUTE;

        while (expiries < n && clock_boot_usec() < give_up)
                assert_true(sd_event_run(event, USEC_PER_SEC) >= 0);
        assert_int_equal(expiries, n);
}

static void the_timer_stands_still_without_members(void **state) {
        struct member a = {0};

        (void)state;
        assert_false(is_armed());
        deadlines_update_now(&deadlines);
        deadlines_join(&deadlines, &a.deadline, ENDLESS);
        assert_false(is_armed());
        deadlines_change(&deadlines, &a.deadline, LONG);
        assert_true(is_armed());
        deadlines_leave(&deadlines, &a.deadline);
        assert_false(is_armed());
}

static void they_expire_in_the_order_of_their_deadlines(void **state) {
        struct member a = {0}, b = {0}, c = {0}, d = {0};

        (void)state;
        deadlines_update_now(&deadlines);
        deadlines_join(&deadlines, &a.deadline, LONG);
        deadlines_join(&deadlines, &b.deadline, SHORT);
        deadlines_join(&deadlines, &c.deadline, ENDLESS);
        deadlines_join(&deadlines, &d.deadline, SHORT);
        run_until(3);
        assert_int_equal(b.expired, 1);
        assert_int_equal(d.expired, 2);
        assert_int_equal(a.expired, 3);
        assert_int_equal(c.expired, 0);
        assert_false(is_armed());
        deadlines_leave(&deadlines, &c.deadline);
}

static void a_change_gives_the_whole_time_again(void **state) {
        uint64_t began;
        struct member a = {0};

        (void)state;
        deadlines_update_now(&deadlines);
        deadlines_join(&deadlines, &a.deadline, SHORT);
        /* Without a turn of the loop, in which a slow machine would have it expire. */
        assert_int_equal(usleep(10 * USEC_PER_MSEC), 0);
        began = clock_boot_usec();
        deadlines_update_now(&deadlines);
        deadlines_change(&deadlines, &a.deadline, LONG);
        run_until(1);
        assert_true(clock_boot_usec() - began >= 59 * USEC_PER_MSEC);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_timer_stands_still_without_members, begin, end),
                cmocka_unit_test_setup_teardown(they_expire_in_the_order_of_their_deadlines, begin, end),
                cmocka_unit_test_setup_teardown(a_change_gives_the_whole_time_again, begin, end),
        };

        return UNIT_RUN(tests);
}
