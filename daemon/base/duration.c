#include "base/duration.h"

#include "base/clock.h"
#include "base/macro.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct unit {
        const char *name;
        uint64_t factor;
};

/* From large to small; a name comes before its own prefix. */
static const struct unit duration_units[] = {
        {"w", 7 * USEC_PER_DAY},
        {"d", USEC_PER_DAY},
        {"h", USEC_PER_HOUR},
        {"min", USEC_PER_MINUTE},
        {"ms", USEC_PER_MSEC},
        {"us", 1},
        {"s", USEC_PER_SEC},
};

static const struct unit size_units[] = {
        {"GiB", UINT64_C(1) << 30},
        {"MiB", UINT64_C(1) << 20},
        {"KiB", UINT64_C(1) << 10},
        {"GB", UINT64_C(1000000000)},
        {"MB", UINT64_C(1000000)},
        {"kB", UINT64_C(1000)},
        {"B", 1},
};

static const char *duration_skip_space(const char *p) {
        while (*p == ' ' || *p == '\t')
                p++;
        return p;
}

static const struct unit *read_unit(const char **p, const struct unit *units, size_t n_units) {
        size_t length = 0;

        while (isalpha((unsigned char)(*p)[length]))
                length++;
        for (size_t i = 0; i < n_units; i++)
                if (strlen(units[i].name) == length && strncmp(*p, units[i].name, length) == 0) {
                        *p += length;
                        return &units[i];
                }
        return NULL;
}

/* Reads digits with an optional fraction as micro-units (value * 10^6), without floating point. */
static int read_number(const char **p, uint64_t *ret_whole, uint64_t *ret_millionths) {
        uint64_t whole = 0, fraction = 0, scale = 100000;

        if (!isdigit((unsigned char)**p))
                return -EINVAL;
        for (; isdigit((unsigned char)**p); (*p)++)
                if (__builtin_mul_overflow(whole, UINT64_C(10), &whole) || __builtin_add_overflow(whole, (uint64_t)(**p - '0'), &whole))
                        return -ERANGE;
        if (**p == '.') {
                (*p)++;
                if (!isdigit((unsigned char)**p))
                        return -EINVAL;
                for (; isdigit((unsigned char)**p); (*p)++, scale /= 10)
                        fraction += (uint64_t)(**p - '0') * scale;
        }
        *ret_whole = whole;
        *ret_millionths = fraction;
        return 0;
}

static int add_term(uint64_t *sum, uint64_t whole, uint64_t millionths, uint64_t factor) {
        uint64_t term;

        if (__builtin_mul_overflow(whole, factor, &term) || __builtin_add_overflow(*sum, term, sum))
                return -ERANGE;
        /* factor is at most a week, so this product always fits. */
        return __builtin_add_overflow(*sum, millionths * factor / 1000000, sum) ? -ERANGE : 0;
}

int duration_parse(const char *text, uint64_t *ret_usec) {
        const char *p = duration_skip_space(text);
        uint64_t sum = 0;

        if (streq(p, "infinity")) {
                *ret_usec = USEC_INFINITY;
                return 0;
        }
        if (streq(p, "0")) {
                *ret_usec = 0;
                return 0;
        }
        if (!*p)
                return -EINVAL;
        while (*p) {
                const struct unit *unit;
                uint64_t whole, millionths;
                int r;

                r = read_number(&p, &whole, &millionths);
                if (r < 0)
                        return r;
                p = duration_skip_space(p);
                unit = read_unit(&p, duration_units, ARRAY_LENGTH(duration_units));
                if (!unit)
                        return -EINVAL;
                r = add_term(&sum, whole, millionths, unit->factor);
                if (r < 0)
                        return r;
                p = duration_skip_space(p);
        }
        if (sum == USEC_INFINITY)
                return -ERANGE;
        *ret_usec = sum;
        return 0;
}

int size_parse(const char *text, uint64_t *ret_bytes) {
        const struct unit *unit = NULL;
        const char *p = duration_skip_space(text);
        uint64_t sum = 0, whole, millionths;
        int r;

        r = read_number(&p, &whole, &millionths);
        if (r < 0)
                return r;
        p = duration_skip_space(p);
        if (*p) {
                unit = read_unit(&p, size_units, ARRAY_LENGTH(size_units));
                if (!unit || *duration_skip_space(p))
                        return -EINVAL;
        } else if (millionths)
                return -EINVAL;
        r = add_term(&sum, whole, millionths, unit ? unit->factor : 1);
        if (r < 0)
                return r;
        *ret_bytes = sum;
        return 0;
}

char *duration_format(char buffer[DURATION_MAX], uint64_t usec) {
        static const struct unit exact[] = {
                {"d", USEC_PER_DAY}, {"h", USEC_PER_HOUR}, {"min", USEC_PER_MINUTE}, {"s", USEC_PER_SEC}, {"ms", USEC_PER_MSEC}, {"us", 1},
        };

        if (usec == USEC_INFINITY) {
                (void)snprintf(buffer, DURATION_MAX, "infinity");
                return buffer;
        }
        if (usec == 0) {
                (void)snprintf(buffer, DURATION_MAX, "0s");
                return buffer;
        }
        for (size_t i = 0; i < ARRAY_LENGTH(exact); i++)
                if (usec % exact[i].factor == 0) {
                        (void)snprintf(buffer, DURATION_MAX, "%" PRIu64 "%s", usec / exact[i].factor, exact[i].name);
                        break;
                }
        return buffer;
}

/* Two neighbouring units, without the second if it is 0. */
static void format_pair(char *buffer, uint64_t usec, uint64_t major, const char *major_name, uint64_t minor, const char *minor_name) {
        uint64_t rest = usec % major / minor;

        if (rest)
                (void)snprintf(buffer, DURATION_MAX, "%" PRIu64 " %s %" PRIu64 " %s", usec / major, major_name, rest, minor_name);
        else
                (void)snprintf(buffer, DURATION_MAX, "%" PRIu64 " %s", usec / major, major_name);
}

char *duration_format_human(char buffer[DURATION_MAX], uint64_t usec) {
        if (usec == USEC_INFINITY)
                (void)snprintf(buffer, DURATION_MAX, "for ever");
        else if (usec < USEC_PER_MSEC)
                (void)snprintf(buffer, DURATION_MAX, "%" PRIu64 " us", usec);
        /* The bounds are where rounding would give a fourth digit. */
        else if (usec < 9950)
                (void)snprintf(buffer, DURATION_MAX, "%.1f ms", (double)usec / 1e3);
        else if (usec < 999500)
                (void)snprintf(buffer, DURATION_MAX, "%.0f ms", (double)usec / 1e3);
        else if (usec < 9995000)
                (void)snprintf(buffer, DURATION_MAX, "%.2f s", (double)usec / 1e6);
        else if (usec < USEC_PER_MINUTE)
                (void)snprintf(buffer, DURATION_MAX, "%.1f s", (double)usec / 1e6);
        else if (usec < USEC_PER_HOUR)
                format_pair(buffer, usec, USEC_PER_MINUTE, "min", USEC_PER_SEC, "s");
        else if (usec < 2 * USEC_PER_DAY)
                format_pair(buffer, usec, USEC_PER_HOUR, "h", USEC_PER_MINUTE, "min");
        else
                format_pair(buffer, usec, USEC_PER_DAY, "d", USEC_PER_HOUR, "h");
        return buffer;
}
