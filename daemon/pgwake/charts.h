/* Pictures for people: paragraphs, the bars of a distribution, and the states of a period above an axis. */
#pragma once

#include "pgwake/terminal.h"

#include <stdint.h>

/* Below the minimum nothing is drawn; beyond the maximum nothing gets easier to read. */
#define DRAW_COLUMNS_MIN 40
#define DRAW_COLUMNS_MAX 200
#define DRAW_INDENT 2

struct drawing {
        const struct terminal *terminal;
        bool utf8;      /* blocks and lines; otherwise letters and ASCII */
        size_t columns; /* no line is longer */
};

/* For TERMINAL, in the locale of the environment. */
void drawing_init(struct drawing *ret, const struct terminal *terminal);

/*
 * LABEL in the first INDENT columns, and TEXT beside it. Lines break between words (and inside words wider than a line), but not between a
 * number and its unit, and are indented as well. LABEL may be empty; a long one is cut.
 */
void draw_paragraph(struct buffer *buffer, const struct drawing *drawing, const char *label, size_t indent, const char *text);
/* A heading on a line of its own, in STYLE_HEAD. */
void draw_heading(struct buffer *buffer, const struct drawing *drawing, const char *text);

/*
 * One line of CELLS columns for the time from SINCE_USEC to UNTIL_USEC (real time): marks in local time, as many as have room for their
 * labels.
 */
void axis_append(struct buffer *buffer, const struct drawing *drawing, uint64_t since_usec, uint64_t until_usec, size_t cells);

/* COUNT durations of at most UP_TO_USEC and more than that of the previous entry; USEC_INFINITY: no bound. */
struct bars_entry {
        uint64_t up_to_usec;
        uint64_t count;
};

/*
 * One line per entry, from the first to the last that is not empty; many neighbours are merged. The bounds of the N entries ascend (by a
 * factor, for a good picture). Without any durations there is no line.
 */
void bars_append(struct buffer *buffer, const struct drawing *drawing, const struct bars_entry *entries, size_t n);

/* From this time on, until that of the next entry. */
struct timeline_entry {
        uint64_t from_usec;
        enum state state;
};

/*
 * N entries with ascending times; real time. The time before the first is unknown, and drawn as STATE_UNKNOWN.
 *
 * A cell shows the worst trouble in it, however short, and otherwise the state that lasted longest. Each state has its character and its
 * letter, and colour only repeats them: without UTF-8 the cells are the letters.
 */
struct timeline {
        uint64_t since_usec, until_usec;
        const struct timeline_entry *entries;
        size_t n;
};

/* The line of cells, a line with the letters of its runs, the axis in local time and the legend. Nothing for an empty period. */
void timeline_append(struct buffer *buffer, const struct drawing *drawing, const struct timeline *timeline);
