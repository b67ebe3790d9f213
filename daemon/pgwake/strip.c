#include "pgwake/strip.h"

#include "pgwake/axis.h"

#include <stdio.h>

/* The good life by height, trouble by shade. */
static const struct look {
        const char *block;
        char letter;      /* capital: trouble */
        unsigned trouble; /* the more, the worse */
} looks[_STATE_MAX] = {
        [STATE_UNKNOWN] = {"·", '?', 0},
        [STATE_ASLEEP] = {"▁", 'z', 0},
        [STATE_WAKING] = {"▄", 'w', 0},
        [STATE_AWAKE] = {"█", 'a', 0},
        [STATE_DEGRADED] = {"▓", 'G', 1},
        [STATE_FULL] = {"▒", 'F', 2},
        [STATE_DOWN] = {"░", 'D', 3},
        [STATE_BLOCKED] = {"▚", 'B', 4},
};

/* The beginning of cell I of N; the span is below 2^56, N below 2^8. */
static uint64_t cell_from(const struct strip *strip, size_t i, size_t n) {
        return strip->since_usec + (strip->until_usec - strip->since_usec) * i / n;
}

/* The state that stands for a cell: SHARES says how long it had each. */
static enum state choose_state(const uint64_t shares[_STATE_MAX]) {
        enum state chosen = STATE_UNKNOWN;

        for (enum state state = 0; state < _STATE_MAX; state++) {
                if (shares[state] == 0 || looks[state].trouble < looks[chosen].trouble)
                        continue;
                if (looks[state].trouble > looks[chosen].trouble || shares[state] > shares[chosen])
                        chosen = state;
        }
        return chosen;
}

static void fill_cells(const struct strip *strip, enum state *cells, size_t n) {
        enum state state = STATE_UNKNOWN;
        size_t next = 0;

        for (size_t i = 0; i < n; i++) {
                uint64_t at = cell_from(strip, i, n), end = cell_from(strip, i + 1, n), shares[_STATE_MAX] = {0};

                while (at < end) {
                        uint64_t to;

                        for (; next < strip->n && strip->entries[next].from_usec <= at; next++)
                                state = strip->entries[next].state;
                        to = next < strip->n ? MIN(end, strip->entries[next].from_usec) : end;
                        shares[state] += to - at;
                        at = to;
                }
                cells[i] = choose_state(shares);
        }
}

static size_t run_length(const enum state *cells, size_t i, size_t n) {
        size_t length = 1;

        while (i + length < n && cells[i + length] == cells[i])
                length++;
        return length;
}

static void append_run(struct buffer *buffer, const struct drawing *drawing, enum state state, const char *text, size_t length) {
        _cleanup_(buffer_deinit) struct buffer run = {0};

        draw_repeat(&run, text, length);
        buffer->failed = buffer->failed || run.failed;
        if (run.data)
                style_append(buffer, drawing->terminal, style_of_state(state_name(state)), run.data);
}

static void append_cells(struct buffer *buffer, const struct drawing *drawing, const enum state *cells, size_t n) {
        buffer_printf(buffer, "%*s", DRAW_INDENT, "");
        for (size_t i = 0, length; i < n; i += length) {
                const struct look *look = &looks[cells[i]];

                length = run_length(cells, i, n);
                append_run(buffer, drawing, cells[i], drawing->utf8 ? look->block : (char[]){look->letter, '\0'}, length);
        }
        buffer_append(buffer, "\n", 1);
}

/* Below the blocks: each run's letter at its beginning. */
static void append_letters(struct buffer *buffer, const struct drawing *drawing, const enum state *cells, size_t n) {
        size_t blank = DRAW_INDENT;

        for (size_t i = 0, length; i < n; i += length) {
                length = run_length(cells, i, n);
                buffer_printf(buffer, "%*s", (int)blank, "");
                append_run(buffer, drawing, cells[i], (char[]){looks[cells[i]].letter, '\0'}, 1);
                blank = length - 1;
        }
        buffer_append(buffer, "\n", 1);
}

static void append_legend(struct buffer *buffer, const struct drawing *drawing, const enum state *cells, size_t n) {
        size_t column = 0;

        for (enum state state = 0; state < _STATE_MAX; state++) {
                size_t width = (drawing->utf8 ? 4 : 2) + strlen(state_name(state)), i = 0;
                char text[32];

                while (i < n && cells[i] != state)
                        i++;
                if (i == n)
                        continue;
                if (column > 0 && column + 3 + width > drawing->columns) {
                        buffer_append(buffer, "\n", 1);
                        column = 0;
                }
                buffer_printf(buffer, "%*s", column > 0 ? 3 : DRAW_INDENT, "");
                column += width + (column > 0 ? 3 : DRAW_INDENT);
                (void)snprintf(text, sizeof(text), "%s%s%c %s", drawing->utf8 ? looks[state].block : "", drawing->utf8 ? " " : "",
                               looks[state].letter, state_name(state));
                append_run(buffer, drawing, state, text, 1);
        }
        buffer_append(buffer, "\n", 1);
}

void strip_append(struct buffer *buffer, const struct drawing *drawing, const struct strip *strip) {
        enum state cells[DRAW_COLUMNS_MAX];
        size_t n = MIN(drawing->columns, ARRAY_LENGTH(cells)) - DRAW_INDENT;

        if (strip->until_usec <= strip->since_usec)
                return;
        fill_cells(strip, cells, n);
        append_cells(buffer, drawing, cells, n);
        if (drawing->utf8)
                append_letters(buffer, drawing, cells, n);
        axis_append(buffer, drawing, strip->since_usec, strip->until_usec, n);
        append_legend(buffer, drawing, cells, n);
}
