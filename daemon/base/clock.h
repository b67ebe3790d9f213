/*
 * Time: one unit everywhere, microseconds in uint64_t.
 *
 * Functions that decide take the time as an argument (struct instant): health/ never reads a clock.
 */
#pragma once

#include <stdint.h>

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_INFINITY UINT64_MAX

#define CLOCK_RFC3339_MAX sizeof("2026-01-01T00:00:00.000000Z")

/*
 * One moment. boot_usec (CLOCK_BOOTTIME) is for schedules and ages: it continues while the host is suspended, so that evidence from before
 * a suspend is old. suspended_usec is CLOCK_BOOTTIME minus CLOCK_MONOTONIC: only a suspend of the host increases it. real_usec is for
 * people and protocols.
 */
struct instant {
        uint64_t boot_usec;
        uint64_t real_usec;
        uint64_t suspended_usec;
};
/* A larger increase of suspended_usec is a suspend of the host; a smaller one is the time between two readings. */
#define CLOCK_SUSPEND_MIN_USEC USEC_PER_SEC

struct instant clock_now(void);
uint64_t clock_boot_usec(void);
uint64_t clock_monotonic_usec(void);
uint64_t clock_real_usec(void);
/* CPU time of the calling thread. */
uint64_t clock_thread_cpu_usec(void);

/* a + b without overflow: USEC_INFINITY stays infinite. */
uint64_t usec_add(uint64_t a, uint64_t b);
/* a - b, not below 0; USEC_INFINITY - b is USEC_INFINITY. */
uint64_t usec_sub(uint64_t a, uint64_t b);
/* The distance between a and b, in either order. */
uint64_t usec_apart(uint64_t a, uint64_t b);

/* "2026-11-22T16:02:09.123456Z"; returns BUFFER, of at least CLOCK_RFC3339_MAX bytes. */
char *clock_format_rfc3339(char *buffer, uint64_t real_usec);
/* The calendar month (UTC) of REAL_USEC, counted from January 1970. RET_LASTED_USEC (or NULL): the time since its beginning. */
unsigned clock_month(uint64_t real_usec, uint64_t *ret_lasted_usec);
