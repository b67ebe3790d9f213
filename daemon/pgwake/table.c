#include "pgwake/table.h"

#include "pgwake/clean.h"

#include <errno.h>

#define COLUMNS_MAX 16
#define GAP 2
/* A column is not cut below this. */
#define WIDTH_MIN 8

struct cell {
        char *text;
        enum style style;
};

void table_add(struct table *table, enum style style, const char *text) {
        char *copy;

        if (table->n_cells == table->allocated) {
                size_t allocated = table->allocated ? table->allocated * 2 : 64;
                struct cell *cells = reallocarray(table->cells, allocated, sizeof(*cells));

                if (!cells) {
                        table->failed = true;
                        return;
                }
                table->cells = cells;
                table->allocated = allocated;
        }
        copy = strdup(text && *text ? text : "-");
        if (!copy) {
                table->failed = true;
                return;
        }
        table->cells[table->n_cells++] = (struct cell){copy, style};
}

static void measure(const struct table *table, size_t widths[COLUMNS_MAX]) {
        for (size_t i = 0; i < table->n_columns; i++)
                widths[i] = clean_width(table->columns[i].title);
        for (size_t i = 0; i < table->n_cells; i++) {
                size_t *width = &widths[i % table->n_columns];

                *width = MAX(*width, clean_width(table->cells[i].text));
        }
}

static size_t total_width(const struct table *table, const size_t widths[COLUMNS_MAX]) {
        size_t total = 0;

        for (size_t i = 0; i < table->n_columns; i++)
                total += widths[i] ? widths[i] + GAP : 0;
        return total > GAP ? total - GAP : 0;
}

/* The column to give up next, or n_columns when all that are left are needed. */
static size_t least_important(const struct table *table, const size_t widths[COLUMNS_MAX]) {
        size_t least = table->n_columns;

        for (size_t i = 0; i < table->n_columns; i++) {
                unsigned importance = table->columns[i].importance;

                if (importance > 0 && widths[i] && (least == table->n_columns || importance < table->columns[least].importance))
                        least = i;
        }
        return least;
}

static size_t widest(const struct table *table, const size_t widths[COLUMNS_MAX]) {
        size_t widest = 0;

        for (size_t i = 1; i < table->n_columns; i++)
                if (widths[i] > widths[widest])
                        widest = i;
        return widest;
}

static void fit(const struct table *table, size_t limit, size_t widths[COLUMNS_MAX]) {
        size_t column;

        while (total_width(table, widths) > limit && (column = least_important(table, widths)) < table->n_columns)
                widths[column] = 0;
        while (total_width(table, widths) > limit && widths[column = widest(table, widths)] > WIDTH_MIN)
                widths[column]--;
}

static void render_cell(const struct terminal *terminal, const struct column *column, const struct cell *cell, size_t width, bool last,
                        struct buffer *buffer) {
        int padding;

        clean_cut(cell->text, width);
        padding = (int)(width - clean_width(cell->text));
        if (column->right)
                buffer_printf(buffer, "%*s", padding, "");
        style_append(buffer, terminal, cell->style, cell->text);
        if (!last)
                buffer_printf(buffer, "%*s", (column->right ? 0 : padding) + GAP, "");
}

static void render_row(const struct table *table, const struct terminal *terminal, const struct cell *cells, const size_t *widths,
                       struct buffer *buffer) {
        size_t last = 0;

        for (size_t i = 0; i < table->n_columns; i++)
                if (widths[i])
                        last = i;
        for (size_t i = 0; i < table->n_columns; i++)
                if (widths[i])
                        render_cell(terminal, &table->columns[i], &cells[i], widths[i], i == last, buffer);
        buffer_append(buffer, "\n", 1);
}

static int render_heading(const struct table *table, const struct terminal *terminal, const size_t *widths, struct buffer *buffer) {
        struct cell heading[COLUMNS_MAX] = {0};
        bool failed = false;

        for (size_t i = 0; i < table->n_columns; i++) {
                heading[i] = (struct cell){strdup(table->columns[i].title), STYLE_HEAD};
                failed = failed || !heading[i].text;
        }
        if (!failed)
                render_row(table, terminal, heading, widths, buffer);
        for (size_t i = 0; i < table->n_columns; i++)
                free(heading[i].text);
        return failed ? -ENOMEM : 0;
}

int table_render(struct table *table, const struct terminal *terminal, struct buffer *buffer) {
        size_t widths[COLUMNS_MAX] = {0};
        int r;

        if (table->failed || table->n_columns > COLUMNS_MAX)
                return -ENOMEM;
        measure(table, widths);
        if (terminal->columns)
                fit(table, terminal->columns, widths);
        r = render_heading(table, terminal, widths, buffer);
        for (size_t i = 0; r == 0 && i + table->n_columns <= table->n_cells; i += table->n_columns)
                render_row(table, terminal, &table->cells[i], widths, buffer);
        return r;
}

void table_deinit(struct table *table) {
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i].text);
        free(table->cells);
        table->cells = NULL;
        table->n_cells = table->allocated = 0;
}
