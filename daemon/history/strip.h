/*
 * A timeline of states that is drawn in a line: as many entries as fit; where there are more, the time is cut into equal slots, and of
 * each the worst is told.
 */
#pragma once

#include "base/json.h"
#include "model/reason.h"
#include "model/state.h"

#define STRIP_MAX 2000

struct strip_entry {
        uint64_t from_real_usec;
        enum state state;
        enum reason reason;
};

struct strip {
        uint64_t since, until;
        size_t n;
        bool overflowed; /* the slots count */
        struct strip_entry entries[STRIP_MAX];
        struct strip_slot {
                bool any;
                enum state state;
                enum reason reason;
        } slots[STRIP_MAX];
};

/* NULL: no memory. Freed with free(). SINCE is before UNTIL. */
struct strip *strip_new(uint64_t since_real_usec, uint64_t until_real_usec);
/* The next one, which ends inside the time. */
void strip_add(struct strip *strip, uint64_t from, uint64_t to, enum state state, enum reason reason);
/* As an array of objects. */
void strip_write(const struct strip *strip, struct json_writer *w, const char *key);
