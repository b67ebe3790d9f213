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

/* 9999-12-31T23:59:59.999999Z: RFC 3339 has no year after it. */
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
