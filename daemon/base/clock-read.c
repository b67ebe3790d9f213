/*
 * The kernel's clocks, separate from the arithmetic of clock.c, so that a program may replace them: the simulator (tests/simulation/) does.
 */
#include "base/clock.h"

#include <time.h>

static uint64_t read_clock(clockid_t clock) {
        struct timespec ts;

        (void)clock_gettime(clock, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_boot_usec(void) {
        return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_monotonic_usec(void) {
        return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_real_usec(void) {
        return read_clock(CLOCK_REALTIME);
}

uint64_t clock_thread_cpu_usec(void) {
        return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

struct instant clock_now(void) {
        uint64_t monotonic = clock_monotonic_usec(), boot = clock_boot_usec();

        return (struct instant){
                .boot_usec = boot,
                .real_usec = clock_real_usec(),
                .suspended_usec = usec_sub(boot, monotonic),
        };
}
