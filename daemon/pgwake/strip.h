/* The states of a time as a strip: one cell a slice of it, with a legend and a time axis. */
#pragma once

#include "pgwake/draw.h"

#include <stdint.h>

/* From this moment on, until that of the next entry. */
struct strip_entry {
        uint64_t from_usec;
        enum state state;
};

/*
 * N entries, the moments never falling; real time. What is before the first is not known, and drawn as STATE_UNKNOWN.
 *
 * A cell shows the worst trouble in it, however short, and otherwise what it was for longest. Each state has its character and its letter,
 * the colour only repeats them: without UTF-8 the cells are the letters.
 */
struct strip {
        uint64_t since_usec, until_usec;
        const struct strip_entry *entries;
        size_t n;
};

/* The line of cells, one with the letters of its runs, the axis in local time and the legend. No line for a time without a length. */
void strip_append(struct buffer *buffer, const struct drawing *drawing, const struct strip *strip);
