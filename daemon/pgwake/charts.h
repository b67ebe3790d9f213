/* What is drawn for people: paragraphs, the bars of a distribution, and the states of a time above an axis. */
#pragma once

#include "pgwake/terminal.h"

#include <stdint.h>

/* Narrower than this nothing is drawn, and wider than that nothing is easier to read. */
#define DRAW_COLUMNS_MIN 40
#define DRAW_COLUMNS_MAX 200
#define DRAW_INDENT 2

struct drawing {
        const struct terminal *terminal;
        bool utf8;      /* blocks and lines; else letters and ASCII */
        size_t columns; /* no line is longer */
};

/* For TERMINAL in the locale of the environment. */
void drawing_init(struct drawing *ret, const struct terminal *terminal);

/*
 * LABEL in the first INDENT columns, and TEXT beside it, broken between words (and inside those that are wider than all that is left), but
 * not between a number and its unit, into lines that are indented as well. LABEL may be empty; one that is too long is cut.
 */
void draw_paragraph(struct buffer *buffer, const struct drawing *drawing, const char *label, size_t indent, const char *text);
/* A heading of its own line, in STYLE_HEAD. */
void draw_heading(struct buffer *buffer, const struct drawing *drawing, const char *text);

/* One line of CELLS columns for the time from SINCE_USEC to UNTIL_USEC (real time): marks in local time, as many as have their label. */
void axis_append(struct buffer *buffer, const struct drawing *drawing, uint64_t since_usec, uint64_t until_usec, size_t cells);

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

/* From this moment on, until that of the next entry. */
struct timeline_entry {
        uint64_t from_usec;
        enum state state;
};

/*
 * N entries, the moments never falling; real time. What is before the first is not known, and drawn as STATE_UNKNOWN.
 *
 * A cell shows the worst trouble in it, however short, and otherwise what it was for longest. Each state has its character and its letter,
 * the colour only repeats them: without UTF-8 the cells are the letters.
 */
struct timeline {
        uint64_t since_usec, until_usec;
        const struct timeline_entry *entries;
        size_t n;
};

/* The line of cells, one with the letters of its runs, the axis in local time and the legend. No line for a time without a length. */
void timeline_append(struct buffer *buffer, const struct drawing *drawing, const struct timeline *timeline);
