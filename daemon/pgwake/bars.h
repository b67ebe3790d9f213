/* A distribution of durations as horizontal bars. */
#pragma once

#include "pgwake/draw.h"

#include <stdint.h>

/* COUNT durations that were at most UP_TO_USEC, and longer than that of the entry before; USEC_INFINITY: without a bound. */
struct bars_entry {
        uint64_t up_to_usec;
        uint64_t count;
};

/*
 * One line an entry, from the first to the last that has any; of very many, neighbours are taken together. The bounds of the N entries
 * rise (by a factor, if the picture is to be one). Nothing to draw: no line.
 */
void bars_append(struct buffer *buffer, const struct drawing *drawing, const struct bars_entry *entries, size_t n);
