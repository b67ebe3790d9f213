#include "history/counter.h"

#include "base/macro.h"
#include "model/check.h"
#include "model/event.h"
#include "model/reason.h"

#include <stdio.h>

static const char *const prefixes[] = {
        [COUNTER_ATTEMPTS] = "attempts.",
        [COUNTER_FAILURES] = "failures.",
        [COUNTER_WAKES] = "wakes.",
};

const char *counter_name(char *name, const struct counter *counter) {
        unsigned index = counter->index;

        *name = '\0';
        switch ((enum counter_kind)counter->kind) {
        case COUNTER_ATTEMPTS:
                (void)snprintf(name, COUNTER_NAME_MAX, "%s%s.%s", prefixes[COUNTER_ATTEMPTS], check_name((enum check)(index / _REASON_CLASS_MAX)),
                               reason_class_name((enum reason_class)(index % _REASON_CLASS_MAX)));
                break;
        case COUNTER_FAILURES:
                (void)snprintf(name, COUNTER_NAME_MAX, "%s%s", prefixes[COUNTER_FAILURES], reason_slug((enum reason)index));
                break;
        case COUNTER_WAKES:
                (void)snprintf(name, COUNTER_NAME_MAX, "%s%s", prefixes[COUNTER_WAKES], wake_cause_name((enum wake_cause)index));
                break;
        case COUNTER_LATENCY:
        case COUNTER_PHASES:
                break;
        }
        return name;
}

static bool set(struct counter *counter, enum counter_kind kind, unsigned index) {
        *counter = (struct counter){.kind = (uint16_t)kind, .index = (uint16_t)index};
        return true;
}

/* "login.transient" */
static bool read_attempts(const char *words, struct counter *ret_counter) {
        for (unsigned check = 0; check < _CHECK_MAX; check++) {
                size_t n = starts_with(words, check_name((enum check)check));

                if (n == 0 || words[n] != '.')
                        continue;
                for (unsigned class = 0; class < _REASON_CLASS_MAX; class++)
                        if (streq(words + n + 1, reason_class_name((enum reason_class)class)))
                                return set(ret_counter, COUNTER_ATTEMPTS, check * _REASON_CLASS_MAX + class);
        }
        return false;
}

bool counter_from_name(const char *name, struct counter *ret_counter) {
        enum wake_cause cause;
        enum reason reason;
        size_t n;

        if ((n = starts_with(name, prefixes[COUNTER_ATTEMPTS])) > 0)
                return read_attempts(name + n, ret_counter);
        if ((n = starts_with(name, prefixes[COUNTER_FAILURES])) > 0)
                return reason_from_slug(name + n, &reason) >= 0 && set(ret_counter, COUNTER_FAILURES, reason);
        if ((n = starts_with(name, prefixes[COUNTER_WAKES])) > 0)
                return wake_cause_from_name(name + n, &cause) >= 0 && set(ret_counter, COUNTER_WAKES, cause);
        return false;
}

uint32_t counter_key(const struct counter *counter) {
        return (uint32_t)counter->kind << 16 | counter->index;
}
