#include "pgwake/format.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/macro.h"
#include "model/reason.h"
#include "pgwake/sanitize.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

char *format_span(char buffer[DURATION_MAX], uint64_t usec) {
        if (usec != USEC_INFINITY)
                return duration_format_human(buffer, usec);
        return strcpy(buffer, "-");
}

char *format_time(char buffer[FORMAT_TIME_MAX], uint64_t real_usec, bool milliseconds) {
        time_t seconds = (time_t)(real_usec / USEC_PER_SEC), now = (time_t)(clock_real_usec() / USEC_PER_SEC);
        struct tm tm, today;
        bool same_day;
        size_t length;

        if (real_usec == 0 || !localtime_r(&seconds, &tm) || !localtime_r(&now, &today))
                return strcpy(buffer, "-");
        same_day = tm.tm_yday == today.tm_yday && tm.tm_year == today.tm_year;
        length = strftime(buffer, FORMAT_TIME_MAX, same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
        if (milliseconds && FORMAT_TIME_MAX - length > 4)
                (void)snprintf(buffer + length, FORMAT_TIME_MAX - length, ".%03u", (unsigned)(real_usec % USEC_PER_SEC / USEC_PER_MSEC));
        return buffer;
}

const char *format_advice(const char *slug) {
        enum reason reason;

        if (!slug || reason_from_slug(slug, &reason) < 0 || reason == REASON_NONE)
                return NULL;
        return reason_info(reason)->advice && *reason_info(reason)->advice ? reason_info(reason)->advice : NULL;
}

static bool begins_character(char byte) {
        return ((unsigned char)byte & 0xC0) != 0x80;
}

size_t format_width(const char *text) {
        size_t width = 0;

        for (; *text; text++)
                width += begins_character(*text);
        return width;
}

void format_cut(char *text, size_t columns) {
        size_t dots = MIN(columns, (size_t)3), keep = columns - dots;

        if (format_width(text) <= columns)
                return;
        while (keep > 0 || !begins_character(*text))
                keep -= begins_character(*text++);
        /* At least as many bytes follow as columns are cut, so the dots fit. */
        memset(text, '.', dots);
        text[dots] = '\0';
}

#define TABLE_COLUMNS_MAX 16
#define TABLE_GAP 2
/* The minimum width of a column that is cut. */
#define TABLE_WIDTH_MIN 8

struct cell {
        char *text;
        enum style style;
};

void table_add(struct table *table, enum style style, const char *text) {
        char *copy;

        copy = strdup(text && *text ? text : "-");
        if (!copy || array_reserve((void **)&table->cells, table->n_cells, &table->allocated, sizeof(*table->cells)) < 0) {
                free(copy);
                table->failed = true;
                return;
        }
        table->cells[table->n_cells++] = (struct cell){copy, style};
}

static void table_measure(const struct table *table, size_t widths[TABLE_COLUMNS_MAX]) {
        for (size_t i = 0; i < table->n_columns; i++)
                widths[i] = format_width(table->columns[i].title);
        for (size_t i = 0; i < table->n_cells; i++) {
                size_t *width = &widths[i % table->n_columns];

                *width = MAX(*width, format_width(table->cells[i].text));
        }
}

static size_t table_total_width(const struct table *table, const size_t widths[TABLE_COLUMNS_MAX]) {
        size_t total = 0;

        for (size_t i = 0; i < table->n_columns; i++)
                total += widths[i] ? widths[i] + TABLE_GAP : 0;
        return total > TABLE_GAP ? total - TABLE_GAP : 0;
}

/* The next column to leave out, or n_columns if all remaining ones are needed. */
static size_t table_least_important(const struct table *table, const size_t widths[TABLE_COLUMNS_MAX]) {
        size_t least = table->n_columns;

        for (size_t i = 0; i < table->n_columns; i++) {
                unsigned importance = table->columns[i].importance;

                if (importance > 0 && widths[i] && (least == table->n_columns || importance < table->columns[least].importance))
                        least = i;
        }
        return least;
}

static size_t widest(const struct table *table, const size_t widths[TABLE_COLUMNS_MAX]) {
        size_t widest = 0;

        for (size_t i = 1; i < table->n_columns; i++)
                if (widths[i] > widths[widest])
                        widest = i;
        return widest;
}

static void table_fit(const struct table *table, size_t limit, size_t widths[TABLE_COLUMNS_MAX]) {
        size_t column;

        while (table_total_width(table, widths) > limit && (column = table_least_important(table, widths)) < table->n_columns)
                widths[column] = 0;
        while (table_total_width(table, widths) > limit && widths[column = widest(table, widths)] > TABLE_WIDTH_MIN)
                widths[column]--;
}

static void table_render_cell(const struct terminal *terminal, const struct column *column, const struct cell *cell, size_t width,
                              bool last, struct buffer *buffer) {
        int padding;

        format_cut(cell->text, width);
        padding = (int)(width - format_width(cell->text));
        if (column->right)
                buffer_printf(buffer, "%*s", padding, "");
        style_append(buffer, terminal, cell->style, cell->text);
        if (!last)
                buffer_printf(buffer, "%*s", (column->right ? 0 : padding) + TABLE_GAP, "");
}

static void table_render_row(const struct table *table, const struct terminal *terminal, const struct cell *cells, const size_t *widths,
                       struct buffer *buffer) {
        size_t last = 0;

        for (size_t i = 0; i < table->n_columns; i++)
                if (widths[i])
                        last = i;
        for (size_t i = 0; i < table->n_columns; i++)
                if (widths[i])
                        table_render_cell(terminal, &table->columns[i], &cells[i], widths[i], i == last, buffer);
        buffer_append(buffer, "\n", 1);
}

static int table_render_heading(const struct table *table, const struct terminal *terminal, const size_t *widths, struct buffer *buffer) {
        struct cell heading[TABLE_COLUMNS_MAX] = {0};
        bool failed = false;

        for (size_t i = 0; i < table->n_columns; i++) {
                heading[i] = (struct cell){strdup(table->columns[i].title), STYLE_HEAD};
                failed = failed || !heading[i].text;
        }
        if (!failed)
                table_render_row(table, terminal, heading, widths, buffer);
        for (size_t i = 0; i < table->n_columns; i++)
                free(heading[i].text);
        return failed ? -ENOMEM : 0;
}

int table_render(struct table *table, const struct terminal *terminal, struct buffer *buffer) {
        size_t widths[TABLE_COLUMNS_MAX] = {0};
        int r;

        if (table->failed || table->n_columns > TABLE_COLUMNS_MAX)
                return -ENOMEM;
        table_measure(table, widths);
        if (terminal->columns)
                table_fit(table, terminal->columns, widths);
        r = table_render_heading(table, terminal, widths, buffer);
        for (size_t i = 0; r == 0 && i + table->n_columns <= table->n_cells; i += table->n_columns)
                table_render_row(table, terminal, &table->cells[i], widths, buffer);
        return r;
}

void table_deinit(struct table *table) {
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i].text);
        free(table->cells);
        table->cells = NULL;
        table->n_cells = table->allocated = 0;
}

#define PROGRESS_BAR_WIDTH 20

/* "[########............]": the elapsed share of the expected time. */
static void progress_append_bar(struct buffer *buffer, uint64_t elapsed_usec, uint64_t total_usec) {
        size_t full = total_usec ? (size_t)(elapsed_usec * PROGRESS_BAR_WIDTH / total_usec) : PROGRESS_BAR_WIDTH;

        buffer_append(buffer, " [", 2);
        for (size_t i = 0; i < PROGRESS_BAR_WIDTH; i++)
                buffer_append(buffer, i < full ? "#" : ".", 1);
        buffer_append(buffer, "]", 1);
}

static void progress_append_expectation(struct buffer *buffer, uint64_t elapsed_usec, uint64_t total_usec) {
        char span[DURATION_MAX];

        if (total_usec == USEC_INFINITY)
                return;
        if (elapsed_usec <= total_usec)
                buffer_printf(buffer, " of about %s", format_span(span, total_usec));
        else
                buffer_printf(buffer, ", longer than the expected %s", format_span(span, total_usec));
}

/* In tenths: more digits would only flicker. */
static void progress_append_elapsed(struct buffer *buffer, uint64_t elapsed_usec) {
        char span[DURATION_MAX];

        if (elapsed_usec < USEC_PER_MINUTE)
                buffer_printf(buffer, " %.1f s", (double)(elapsed_usec / 100000) / 10);
        else
                buffer_printf(buffer, " %s", format_span(span, elapsed_usec));
}

void progress_draw(struct progress *progress, uint64_t now_boot_usec, const struct progress_view *view) {
        uint64_t elapsed = usec_sub(now_boot_usec, progress->started_boot_usec);
        uint64_t total = usec_sub(view->expected_boot_usec, progress->started_boot_usec);
        _cleanup_(buffer_deinit) struct buffer text = {0}, line = {0}, out = {0};

        if (!progress->terminal->is_terminal)
                return;
        if (view->total > 1)
                buffer_printf(&text, "%zu of %zu; ", view->done, view->total);
        buffer_printf(&text, "%s: %s", view->name, view->state ? view->state : "waiting");
        if (view->reason && !streq(view->reason, "ok"))
                buffer_printf(&text, " (%s)", view->reason);
        if (total != USEC_INFINITY)
                progress_append_bar(&text, elapsed, total);
        progress_append_elapsed(&text, elapsed);
        progress_append_expectation(&text, elapsed, total);
        if (buffer_finish(&text) < 0)
                return;
        sanitize_append(&line, text.data);
        if (buffer_finish(&line) < 0)
                return;
        /* One column stays free: some terminals wrap at the last one. */
        format_cut(line.data, progress->terminal->columns > 1 ? progress->terminal->columns - 1 : 79);
        buffer_printf(&out, "\r%s\033[K", line.data);
        (void)terminal_write(progress->terminal, &out);
        progress->shown = true;
}

void progress_clear(struct progress *progress) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};

        if (!progress->shown)
                return;
        buffer_append_string(&buffer, "\r\033[K");
        (void)terminal_write(progress->terminal, &buffer);
        progress->shown = false;
}
