#include "pgwake/say.h"

#include "base/clock.h"
#include "base/macro.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

char *say_span(char buffer[DURATION_MAX], uint64_t usec) {
        if (usec != USEC_INFINITY)
                return duration_format_human(buffer, usec);
        return strcpy(buffer, "-");
}

uint64_t say_parse_time(const char *text) {
        struct tm tm = {0};
        unsigned millionths = 0, scale = 100000;
        const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
        time_t seconds;

        if (!rest)
                return 0;
        if (*rest == '.')
                for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
                        millionths += (unsigned)(*rest - '0') * scale;
        seconds = timegm(&tm);
        if (!streq(rest, "Z") || seconds <= 0)
                return 0;
        return (uint64_t)seconds * USEC_PER_SEC + millionths;
}

char *say_time(char buffer[SAY_TIME_MAX], uint64_t real_usec, bool milliseconds) {
        time_t seconds = (time_t)(real_usec / USEC_PER_SEC), now = (time_t)(clock_real_usec() / USEC_PER_SEC);
        struct tm tm, today;
        bool same_day;
        size_t length;

        if (real_usec == 0 || !localtime_r(&seconds, &tm) || !localtime_r(&now, &today))
                return strcpy(buffer, "-");
        same_day = tm.tm_yday == today.tm_yday && tm.tm_year == today.tm_year;
        length = strftime(buffer, SAY_TIME_MAX, same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
        if (milliseconds && SAY_TIME_MAX - length > 4)
                (void)snprintf(buffer + length, SAY_TIME_MAX - length, ".%03u", (unsigned)(real_usec % USEC_PER_SEC / USEC_PER_MSEC));
        return buffer;
}

uint64_t say_ago(uint64_t real_usec) {
        return real_usec ? usec_sub(clock_real_usec(), real_usec) : USEC_INFINITY;
}

char *say_version(char buffer[DURATION_MAX], uint64_t number) {
        if (number >= 100000)
                (void)snprintf(buffer, DURATION_MAX, "%" PRIu64 ".%" PRIu64, number / 10000, number % 10000);
        else
                (void)snprintf(buffer, DURATION_MAX, "%" PRIu64 ".%" PRIu64 ".%" PRIu64, number / 10000, number / 100 % 100, number % 100);
        return buffer;
}
