#include "pgwake/bars.h"

#include "base/clock.h"
#include "base/duration.h"

#include <inttypes.h>
#include <stdio.h>

/* More rows than this are no picture any more. */
#define ROWS_MAX 24

struct rows {
        struct bars_entry rows[ROWS_MAX];
        size_t n;
        uint64_t most;
        size_t label, digits; /* columns of the widest */
};

/* "500 ms", "1.5 s", "1 min 40 s": a bound has few digits, and none that says nothing. */
static char *say_bound(char buffer[DURATION_MAX], uint64_t usec) {
        if (usec == USEC_INFINITY)
                return strcpy(buffer, "more");
        if (usec >= USEC_PER_MINUTE)
                return duration_format_human(buffer, usec);
        if (usec >= USEC_PER_SEC)
                (void)snprintf(buffer, DURATION_MAX, "%.3g s", (double)usec / 1e6);
        else if (usec >= USEC_PER_MSEC)
                (void)snprintf(buffer, DURATION_MAX, "%.3g ms", (double)usec / 1e3);
        else
                (void)snprintf(buffer, DURATION_MAX, "%" PRIu64 " us", usec);
        return buffer;
}

static void take_rows(struct rows *rows, const struct bars_entry *entries, size_t n) {
        char text[DURATION_MAX];
        size_t together;

        *rows = (struct rows){0};
        while (n > 0 && entries[n - 1].count == 0)
                n--;
        for (; n > 0 && entries[0].count == 0; n--)
                entries++;
        together = n / ROWS_MAX + (n % ROWS_MAX > 0);
        for (size_t i = 0; i < n; i++) {
                struct bars_entry *row = &rows->rows[i / together];

                row->up_to_usec = entries[i].up_to_usec;
                row->count = row->count > UINT64_MAX - entries[i].count ? UINT64_MAX : row->count + entries[i].count;
                rows->n = i / together + 1;
        }
        for (size_t i = 0; i < rows->n; i++) {
                rows->most = MAX(rows->most, rows->rows[i].count);
                rows->label = MAX(rows->label, strlen(say_bound(text, rows->rows[i].up_to_usec)));
        }
        rows->digits = (size_t)snprintf(text, sizeof(text), "%" PRIu64, rows->most);
}

static void append_bar(struct buffer *buffer, const struct drawing *drawing, uint64_t count, uint64_t most, size_t width) {
        static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
        _cleanup_(buffer_deinit) struct buffer bar = {0};
        /* What is there is seen, however little of the whole it is. */
        size_t parts = count ? MAX((size_t)((long double)count * (long double)(width * 8) / (long double)most + 0.5L), (size_t)1) : 0;

        if (drawing->utf8) {
                draw_repeat(&bar, "█", parts / 8);
                buffer_append_string(&bar, eighths[parts % 8]);
        } else {
                draw_repeat(&bar, "#", (parts + 4) / 8);
                if (parts > 0 && parts < 4)
                        buffer_append(&bar, ".", 1);
        }
        buffer->failed = buffer->failed || bar.failed;
        if (bar.size == 0)
                return;
        buffer_append(buffer, " ", 1);
        style_append(buffer, drawing->terminal, STYLE_BUSY, bar.data);
}

void bars_append(struct buffer *buffer, const struct drawing *drawing, const struct bars_entry *entries, size_t n) {
        char text[DURATION_MAX];
        struct rows rows;
        size_t used;

        take_rows(&rows, entries, n);
        used = DRAW_INDENT + 3 + rows.label + 2 + rows.digits + 1;
        for (size_t i = 0; i < rows.n; i++) {
                const struct bars_entry *row = &rows.rows[i];

                buffer_printf(buffer, "%*s%s %*s  %*" PRIu64, DRAW_INDENT, "",
                              row->up_to_usec == USEC_INFINITY ? "  " : drawing->utf8 ? " ≤" : "<=", (int)rows.label,
                              say_bound(text, row->up_to_usec), (int)rows.digits, row->count);
                append_bar(buffer, drawing, row->count, rows.most, drawing->columns > used ? drawing->columns - used : 1);
                buffer_append(buffer, "\n", 1);
        }
}
