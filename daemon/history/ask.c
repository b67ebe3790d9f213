#include "history/ask.h"

#include "base/error.h"

static const char *const kind_names[_ASK_KIND_MAX] = {
        [ASK_WAKES] = "wakes",
        [ASK_STATES] = "states",
        [ASK_OUTAGES] = "outages",
        [ASK_HOURS] = "hours",
        [ASK_REPORT] = "report",
};

const char *ask_kind_name(enum ask_kind kind) {
        return kind_names[kind];
}

int ask_kind_from_name(const char *name, enum ask_kind *ret_kind) {
        for (size_t i = 0; i < _ASK_KIND_MAX; i++)
                if (streq(name, kind_names[i])) {
                        *ret_kind = (enum ask_kind)i;
                        return 0;
                }
        return -EINVAL;
}
