#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

uint64_t usec_add(uint64_t a, uint64_t b) {
        return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}

uint64_t usec_sub(uint64_t a, uint64_t b) {
        if (a == USEC_INFINITY)
                return USEC_INFINITY;
        return a > b ? a - b : 0;
}

uint64_t usec_apart(uint64_t a, uint64_t b) {
        return a > b ? a - b : b - a;
}

/* 9999-12-31T23:59:59.999999Z: RFC 3339 has no later year. */
#define RFC3339_LAST_USEC (UINT64_C(253402300800) * USEC_PER_SEC - 1)

char *clock_format_rfc3339(char *buffer, uint64_t real_usec) {
        time_t seconds;
        size_t length;
        struct tm tm;

        if (real_usec > RFC3339_LAST_USEC)
                real_usec = RFC3339_LAST_USEC;
        seconds = (time_t)(real_usec / USEC_PER_SEC);
        if (!gmtime_r(&seconds, &tm))
                tm = (struct tm){.tm_year = 70, .tm_mday = 1};
        length = strftime(buffer, CLOCK_RFC3339_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
        (void)snprintf(buffer + length, CLOCK_RFC3339_MAX - length, ".%06" PRIu64 "Z", real_usec % USEC_PER_SEC);
        return buffer;
}

/*
 * Years that begin with March, so that the day that may be missing is the last one, and five months have 153 days. Called in each step of
 * each awake database, and gmtime_r() would take a lock.
 */
#define DAYS_IN_400_YEARS 146097u
#define DAYS_BEFORE_1970 719468u /* since March 1 of the year 0 */

unsigned clock_month(uint64_t real_usec, uint64_t *ret_lasted_usec) {
        unsigned days = (unsigned)(real_usec / USEC_PER_DAY) + DAYS_BEFORE_1970, of_era = days % DAYS_IN_400_YEARS;
        unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        unsigned of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
        unsigned years = days / DAYS_IN_400_YEARS * 400 + year - 1970;

        if (ret_lasted_usec)
                *ret_lasted_usec = (uint64_t)(of_year - (153 * month + 2) / 5) * USEC_PER_DAY + real_usec % USEC_PER_DAY;
        return years * 12 + month + 2;
}
