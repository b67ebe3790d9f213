/* File descriptors: how many each use leaves to others. */
#include "unit.h"

#include "base/descriptor.h"
#include "base/error.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LIMIT 64

static void what_is_left_grows_with_the_limit_and_has_a_bound(void **state) {
        static const uint64_t limits[] = { 0, 16, 64, 256, 1024, 1 << 20, UINT64_MAX };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
                uint64_t before = 0;

                for (unsigned use = 0; use < _DESCRIPTOR_USE_MAX; use++) {
                        uint64_t reserve = descriptor_reserve((enum descriptor_use)use, limits[i]);

                        assert_true(reserve >= before && reserve <= limits[i] / 2);
                        before = reserve;
                }
        }
        assert_int_equal(descriptor_reserve(DESCRIPTOR_ESSENTIAL, 1024), 0);
        assert_int_equal(descriptor_reserve(DESCRIPTOR_CONNECTION, 1024), 96);
        assert_int_equal(descriptor_reserve(DESCRIPTOR_SESSION, 1024), 224);
        assert_int_equal(descriptor_clients(1024, 1), 256);
        assert_int_equal(descriptor_clients(1024, 4), 64);
        assert_int_equal(descriptor_clients(UINT64_MAX, 1), 2048);
        assert_int_equal(descriptor_clients(UINT64_MAX, 19), 107);
        assert_int_equal(descriptor_clients(16, 1), 4);
        assert_int_equal(descriptor_clients(16, 5), 1);
}

/* Takes descriptors until USE gets no more, and returns how many are left. */
static unsigned fill(enum descriptor_use use) {
        int taken[LIMIT], n = 0, left = 0;

        while (descriptor_check(use) == 0 && n < LIMIT)
                taken[n++] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(descriptor_check(use), -EMFILE);
        for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0; left++)
                taken[n++] = fd;
        while (n > 0)
                (void)close(taken[--n]);
        return (unsigned)left;
}

static void each_use_leaves_its_reserve(void **state) {
        struct rlimit limit, small;
        unsigned left[_DESCRIPTOR_USE_MAX];

        (void)state;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        small = (struct rlimit){ .rlim_cur = LIMIT, .rlim_max = limit.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
        for (unsigned use = 0; use < _DESCRIPTOR_USE_MAX; use++)
                left[use] = fill((enum descriptor_use)use);
        descriptor_raise_limit();
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &small), 0);
        assert_int_equal(small.rlim_cur, limit.rlim_max);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        for (unsigned use = 0; use < _DESCRIPTOR_USE_MAX; use++)
                assert_int_equal(left[use], descriptor_reserve((enum descriptor_use)use, LIMIT));
}

static void who_is_to_be_told_of_readiness_is_open_for_writing_and_listens_to_nobody(void **state) {
        static const char *const wrong[] = { "", "x", "-3", "+3", " 3", "3 ", "3x", "0", "1", "2", "99999999", "18446744073709551619" };
        int ends[2], listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = -1;
        const struct sockaddr_un unnamed = { .sun_family = AF_UNIX };
        char text[16], told[2];

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
                assert_int_equal(descriptor_parse_ready(wrong[i], &fd), -EINVAL);
        assert_int_equal(pipe(ends), 0);
        (void)snprintf(text, sizeof(text), "%d", ends[0]);
        assert_int_equal(descriptor_parse_ready(text, &fd), -EBADF);
        assert_int_equal(bind(listener, (const struct sockaddr *)&unnamed, sizeof(sa_family_t)), 0);
        assert_int_equal(listen(listener, 1), 0);
        (void)snprintf(text, sizeof(text), "%d", listener);
        assert_int_equal(descriptor_parse_ready(text, &fd), -EBADF);
        assert_int_equal(descriptor_parse_ready("9999", &fd), -EBADF);
        assert_int_equal(fd, -1);

        (void)snprintf(text, sizeof(text), "%d", ends[1]);
        assert_int_equal(descriptor_parse_ready(text, &fd), 0);
        assert_int_equal(fd, ends[1]);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(descriptor_parse_ready(text, &fd), -EBADF);
        assert_int_equal(descriptor_tell_ready(fd), 0);
        assert_int_equal(read(ends[0], told, sizeof(told)), 1);
        assert_int_equal(told[0], '\n');
        assert_int_equal(read(ends[0], told, sizeof(told)), 0);
        assert_int_equal(descriptor_tell_ready(-1), 0);
        (void)close(ends[0]);
        (void)close(listener);
}

/* A supervisor that reads nothing, or is gone, stops nobody. */
static void a_pipe_that_nobody_reads_does_not_block(void **state) {
        char filler[4096] = { 0 };
        int ends[2];

        (void)state;
        (void)signal(SIGPIPE, SIG_IGN);
        assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
        while (write(ends[1], filler, sizeof(filler)) > 0)
                ;
        assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
        assert_int_equal(descriptor_tell_ready(ends[1]), -EAGAIN);
        assert_int_equal(fcntl(ends[1], F_GETFD), -1);
        (void)close(ends[0]);

        assert_int_equal(pipe(ends), 0);
        (void)close(ends[0]);
        assert_int_equal(descriptor_tell_ready(ends[1]), -EPIPE);
        assert_int_equal(fcntl(ends[1], F_GETFD), -1);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_left_grows_with_the_limit_and_has_a_bound),
                cmocka_unit_test(each_use_leaves_its_reserve),
                cmocka_unit_test(who_is_to_be_told_of_readiness_is_open_for_writing_and_listens_to_nobody),
                cmocka_unit_test(a_pipe_that_nobody_reads_does_not_block),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
