/*
 * The states of one database in a period: the time spent in each, and a line to draw, of as many entries as fit. If there are more, the
 * period is cut into equal slots, each of which shows its worst state.
 */
#pragma once

#include "api/field.h"
#include "history/query.h"
#include "history/schema.h"

#define TIMELINE_MAX 2000

struct timeline {
        uint64_t since, until;
        uint64_t states_usec[_STATE_MAX];
        size_t n;
        bool overflowed; /* use the slots instead */
        struct timeline_entry {
                uint64_t from_real_usec;
                enum state state;
                enum reason reason;
        } entries[TIMELINE_MAX];
        struct timeline_slot {
                bool any;
                enum state state;
                enum reason reason;
        } slots[TIMELINE_MAX];
};

/* Reads the states of QUERY's period. DATABASE is the row of its database. RET_TIMELINE is freed with free(). */
int timeline_read(struct sqlite *sqlite, const struct history_query *query, uint64_t database, struct schema_words *words,
                  struct timeline **ret_timeline);
/* The line as rows of struct timeline_report. */
struct field_rows timeline_rows(const struct timeline *timeline);
