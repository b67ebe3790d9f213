/* The kernel's data on this process. */
#include "unit.h"

#include "base/clock.h"
#include "base/process.h"

#include <fcntl.h>

static void open_files_are_counted(void **state) {
        _cleanup_close_ int fd = -1, other = -1;
        struct process_usage before, after;

        (void)state;
        process_usage(&before);
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        other = open("/dev/null", O_RDONLY | O_CLOEXEC);
        process_usage(&after);
        assert_int_equal(after.open_fds, before.open_fds + 2);
        assert_true(before.open_fds >= 3 && before.max_fds >= before.open_fds);
}

static void memory_and_time_are_used(void **state) {
        struct process_usage before, after;

        (void)state;
        process_usage(&before);
        assert_true(before.resident_bytes > 0 && before.virtual_bytes >= before.resident_bytes);
        do
                process_usage(&after);
        while (after.cpu_usec == before.cpu_usec);
        assert_true(after.cpu_usec > before.cpu_usec);
}

static void it_was_started_a_moment_ago(void **state) {
        uint64_t started = process_started_real_usec(), now = clock_real_usec();

        (void)state;
        assert_true(started <= now + 100 * USEC_PER_MSEC);
        assert_true(started + USEC_PER_MINUTE > now);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(open_files_are_counted),
                UNIT_TEST(memory_and_time_are_used),
                UNIT_TEST(it_was_started_a_moment_ago),
        };

        return UNIT_RUN(tests);
}
