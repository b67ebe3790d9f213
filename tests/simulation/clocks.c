#include "clocks.h"

static struct {
        uint64_t boot_usec, monotonic_usec, real_usec;
        uint64_t began_real_usec;
} clocks;

void clocks_begin(uint64_t real_usec) {
        clocks.boot_usec = clocks.monotonic_usec = WORLD_BEGINS_USEC;
        clocks.real_usec = clocks.began_real_usec = real_usec;
}

void clocks_pass(uint64_t usec, bool host_suspended) {
        clocks.boot_usec += usec;
        clocks.real_usec += usec;
        if (!host_suspended)
                clocks.monotonic_usec += usec;
}

void clocks_step(int64_t usec) {
        clocks.real_usec += (uint64_t)usec;
}

/* A server may have started before the world began. */
uint64_t clocks_true_real_usec(uint64_t boot_usec) {
        return clocks.began_real_usec + boot_usec - WORLD_BEGINS_USEC;
}

uint64_t clock_boot_usec(void) {
        return clocks.boot_usec;
}

uint64_t clock_monotonic_usec(void) {
        return clocks.monotonic_usec;
}

uint64_t clock_real_usec(void) {
        return clocks.real_usec;
}

uint64_t clock_thread_cpu_usec(void) {
        return 0;
}

struct instant clock_now(void) {
        return (struct instant){
                .boot_usec = clocks.boot_usec,
                .real_usec = clocks.real_usec,
                .suspended_usec = clocks.boot_usec - clocks.monotonic_usec,
        };
}
