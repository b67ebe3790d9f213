/*
 * An aligned table. What does not fit the terminal goes by importance: first whole columns, then the ends of the widest one, so that a line
 * never wraps.
 */
#pragma once

#include "pgwake/terminal.h"

struct column {
        const char *title;
        bool right;          /* aligned to the right: numbers */
        unsigned importance; /* columns with the smallest go first; 0 always stays */
};

struct table {
        const struct column *columns;
        size_t n_columns;
        struct cell *cells;
        size_t n_cells, allocated;
        bool failed;
};

/* Cells are added row by row. The text is copied; NULL and "" become "-". */
void table_add(struct table *table, enum style style, const char *text);
/* Appends heading and rows, each ended by a newline. */
int table_render(struct table *table, const struct terminal *terminal, struct buffer *buffer);
void table_deinit(struct table *table);
