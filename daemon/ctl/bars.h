/* A distribution of durations as horizontal bars, in rows whose bounds grow by a factor. */
#pragma once

#include "ctl/draw.h"

#include <stdint.h>

/* COUNT durations that were at most UP_TO_USEC, and longer than that of the entry before; USEC_INFINITY: without a bound. */
struct bars_entry {
        uint64_t up_to_usec;
        uint64_t count;
};

/*
 * One line a row, from the shortest to the longest that has any, and those without any between them. The N entries rise. Entries go whole
 * into the row that their middle belongs to: as theirs, the bounds of the rows are true to a sixteenth. Nothing to draw: no line.
 */
void bars_append(struct buffer *buffer, const struct drawing *drawing, const struct bars_entry *entries, size_t n);
