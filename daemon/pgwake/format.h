/* Output for people: spans and times, an aligned table, and a line of progress. */
#pragma once

#include "base/duration.h"
#include "pgwake/terminal.h"

#include <stdbool.h>
#include <stdint.h>

#define FORMAT_TIME_MAX sizeof("2026-11-22 16:02:09.123")

/* duration_format_human(), or "-" if unknown. Returns BUFFER. */
char *format_span(char buffer[DURATION_MAX], uint64_t usec);
/* In local time: "16:02:09" for today, else with its date; "-" for 0. Milliseconds on request. Returns BUFFER. */
char *format_time(char buffer[FORMAT_TIME_MAX], uint64_t real_usec, bool milliseconds);

/* The advice for the reason SLUG (or NULL), from our own table, since a slug's meaning never changes. NULL: there is none. */
const char *format_advice(const char *slug);

/* The columns that TEXT takes: its characters. */
size_t format_width(const char *text);
/* Cuts TEXT to COLUMNS columns and ends it with dots, in place. */
void format_cut(char *text, size_t columns);

/*
 * An aligned table. If it does not fit the terminal, whole columns are left out by importance, and then the widest one is cut, so that a
 * line never wraps.
 */
struct column {
        const char *title;
        bool right;          /* right-aligned, for numbers */
        unsigned importance; /* columns with the smallest are left out first; 0 always stays */
};

struct table {
        const struct column *columns;
        size_t n_columns;
        struct cell *cells;
        size_t n_cells, allocated;
        bool failed;
};

/* Cells are added row by row. TEXT is copied; NULL and "" become "-". */
void table_add(struct table *table, enum style style, const char *text);
/* Appends the heading and the rows, each ended by a newline. */
int table_render(struct table *table, const struct terminal *terminal, struct buffer *buffer);
void table_deinit(struct table *table);

/* One line on a terminal, overwritten in place: what is waited for, for how long already, and how long it should take. */
struct progress {
        const struct terminal *terminal;
        uint64_t started_boot_usec;
        bool shown;
};

/* The known state of what is waited for. */
struct progress_view {
        const char *name, *state, *reason; /* state and reason may be NULL */
        uint64_t expected_boot_usec;       /* when it should be over; USEC_INFINITY: unknown */
        size_t done, total;
};

void progress_draw(struct progress *progress, uint64_t now_boot_usec, const struct progress_view *view);
/* Removes the line; call before any other output. */
void progress_clear(struct progress *progress);
