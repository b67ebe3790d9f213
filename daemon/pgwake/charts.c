#include "pgwake/charts.h"

#include "base/clock.h"
#include "base/duration.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <time.h>

/* Uses a locale object: setting the process's locale would change how numbers are read and written. */
static bool draw_locale_is_utf8(void) {
        locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
        bool utf8;

        if (!locale)
                return false;
        utf8 = streq(nl_langinfo_l(CODESET, locale), "UTF-8");
        freelocale(locale);
        return utf8;
}

void drawing_init(struct drawing *ret, const struct terminal *terminal) {
        size_t columns = terminal->columns ? terminal->columns : 80;

        *ret = (struct drawing){
                .terminal = terminal,
                .utf8 = draw_locale_is_utf8(),
                .columns = MIN(MAX(columns, (size_t)DRAW_COLUMNS_MIN), (size_t)DRAW_COLUMNS_MAX),
        };
}

/* TEXT, COUNT times. */
static void draw_repeat(struct buffer *buffer, const char *text, size_t count) {
        for (; count > 0; count--)
                buffer_append_string(buffer, text);
}

/* The number of bytes in at most COLUMNS columns of TEXT. */
static size_t draw_bytes(const char *text, size_t size, size_t columns) {
        size_t i = 0;

        for (; i < size; i++)
                if (((unsigned char)text[i] & 0xC0) != 0x80 && columns-- == 0)
                        break;
        return i;
}

static size_t draw_width(const char *text, size_t size) {
        size_t width = 0;

        for (size_t i = 0; i < size; i++)
                width += ((unsigned char)text[i] & 0xC0) != 0x80;
        return width;
}

static void draw_label(struct buffer *buffer, const char *label, size_t indent) {
        size_t room = indent > DRAW_INDENT ? indent - DRAW_INDENT : 0, size = draw_bytes(label, strlen(label), room ? room - 1 : 0);

        buffer_printf(buffer, "%*s", (int)(indent - room), "");
        buffer_append(buffer, label, size);
        buffer_printf(buffer, "%*s", (int)(room - draw_width(label, size)), "");
}

/* The number of bytes in the word at TEXT; a number is kept together with its unit. */
static size_t draw_word_size(const char *text) {
        size_t size = strcspn(text, " "), unit;

        if (text[size - 1] < '0' || text[size - 1] > '9' || !text[size])
                return size;
        unit = strspn(text + size + 1, "abcdefghijklmnopqrstuvwxyz");
        return unit > 0 && unit <= 3 ? size + 1 + unit + strcspn(text + size + 1 + unit, " ") : size;
}

void draw_paragraph(struct buffer *buffer, const struct drawing *drawing, const char *label, size_t indent, const char *text) {
        size_t room = drawing->columns > indent ? drawing->columns - indent : 1, column = 0;

        draw_label(buffer, label, indent);
        while (*(text += strspn(text, " "))) {
                size_t size = draw_word_size(text), width;

                if (column > 0 && column + 1 + draw_width(text, size) > room) {
                        buffer_printf(buffer, "\n%*s", (int)indent, "");
                        column = 0;
                }
                size = draw_bytes(text, size, column > 0 ? size : room);
                width = draw_width(text, size);
                buffer_append(buffer, " ", column > 0);
                buffer_append(buffer, text, size);
                column += width + (column > 0);
                text += size;
        }
        buffer_append(buffer, "\n", 1);
}

void draw_heading(struct buffer *buffer, const struct drawing *drawing, const char *text) {
        buffer_append(buffer, "\n", 1);
        style_append(buffer, drawing->terminal, STYLE_HEAD, text);
        buffer_append(buffer, "\n", 1);
}

/* The next label's tick and a space separate two labels. */
#define AXIS_LABEL_MAX 8
#define AXIS_GAP 2
/* Against a broken time zone that yields marks without end. */
#define AXIS_MARKS_MAX 1000

enum axis_form {
        AXIS_SECOND,
        AXIS_MINUTE,
        AXIS_DAY,
        AXIS_MONTH,
};

/* The distance between marks, in units that people count in. */
struct axis_step {
        uint64_t usec;                      /* approximately */
        int seconds, minutes, days, months; /* one of them */
        enum axis_form form;
};

static const struct axis_step axis_steps[] = {
        {USEC_PER_SEC, 1, 0, 0, 0, AXIS_SECOND},
        {5 * USEC_PER_SEC, 5, 0, 0, 0, AXIS_SECOND},
        {15 * USEC_PER_SEC, 15, 0, 0, 0, AXIS_SECOND},
        {USEC_PER_MINUTE, 0, 1, 0, 0, AXIS_MINUTE},
        {5 * USEC_PER_MINUTE, 0, 5, 0, 0, AXIS_MINUTE},
        {15 * USEC_PER_MINUTE, 0, 15, 0, 0, AXIS_MINUTE},
        {30 * USEC_PER_MINUTE, 0, 30, 0, 0, AXIS_MINUTE},
        {USEC_PER_HOUR, 0, 60, 0, 0, AXIS_MINUTE},
        {3 * USEC_PER_HOUR, 0, 180, 0, 0, AXIS_MINUTE},
        {6 * USEC_PER_HOUR, 0, 360, 0, 0, AXIS_MINUTE},
        {12 * USEC_PER_HOUR, 0, 720, 0, 0, AXIS_MINUTE},
        {USEC_PER_DAY, 0, 0, 1, 0, AXIS_DAY},
        {2 * USEC_PER_DAY, 0, 0, 2, 0, AXIS_DAY},
        {7 * USEC_PER_DAY, 0, 0, 7, 0, AXIS_DAY},
        {14 * USEC_PER_DAY, 0, 0, 14, 0, AXIS_DAY},
        {30 * USEC_PER_DAY, 0, 0, 0, 1, AXIS_MONTH},
        {91 * USEC_PER_DAY, 0, 0, 0, 3, AXIS_MONTH},
        {182 * USEC_PER_DAY, 0, 0, 0, 6, AXIS_MONTH},
        {365 * USEC_PER_DAY, 0, 0, 0, 12, AXIS_MONTH},
        {5 * 365 * USEC_PER_DAY, 0, 0, 0, 60, AXIS_MONTH},
        {25 * 365 * USEC_PER_DAY, 0, 0, 0, 300, AXIS_MONTH},
};

/* The smallest whose labels have room. */
static const struct axis_step *axis_choose_step(uint64_t span_usec, size_t cells) {
        const struct axis_step *step = axis_steps;

        while (step < &axis_steps[ARRAY_LENGTH(axis_steps) - 1] && step->usec * cells < span_usec * (AXIS_LABEL_MAX + AXIS_GAP))
                step++;
        return step;
}

/* Rounds TM down to a mark. */
static void axis_round_down(struct tm *tm, const struct axis_step *step) {
        if (step->seconds) {
                tm->tm_sec -= tm->tm_sec % step->seconds;
                return;
        }
        tm->tm_sec = 0;
        tm->tm_min += tm->tm_hour * 60;
        tm->tm_hour = 0;
        tm->tm_min -= step->minutes ? tm->tm_min % step->minutes : tm->tm_min;
        if (step->minutes)
                return;
        /* Weeks begin on Monday. */
        tm->tm_mday -= step->days % 7 == 0 && step->days ? (tm->tm_wday + 6) % 7 : 0;
        if (step->months) {
                tm->tm_mday = 1;
                tm->tm_mon -= tm->tm_mon % step->months;
        }
}

static void axis_name_mark(char label[AXIS_LABEL_MAX + 1], enum axis_form form, const struct tm *tm) {
        size_t length = 0;

        switch (form) {
        case AXIS_SECOND:
                length = strftime(label, AXIS_LABEL_MAX + 1, "%H:%M:%S", tm);
                break;
        case AXIS_MINUTE:
                length = strftime(label, AXIS_LABEL_MAX + 1, "%H:%M", tm);
                break;
        case AXIS_DAY:
                length = strftime(label, AXIS_LABEL_MAX + 1, "%b %d", tm);
                break;
        case AXIS_MONTH:
                length = strftime(label, AXIS_LABEL_MAX + 1, "%Y-%m", tm);
                break;
        }
        if (length == 0)
                label[0] = '\0';
}

/* The Nth mark from BASE on, counted by the local clock, so that daylight saving time moves none. A day begins with its name. */
static time_t axis_mark(const struct tm *base, const struct axis_step *step, int n, char label[AXIS_LABEL_MAX + 1]) {
        struct tm tm = *base;
        time_t time;

        tm.tm_sec += n * step->seconds;
        tm.tm_min += n * step->minutes;
        tm.tm_mday += n * step->days;
        tm.tm_mon += n * step->months;
        tm.tm_isdst = -1;
        time = mktime(&tm);
        axis_name_mark(label, step->form == AXIS_MINUTE && tm.tm_hour == 0 && tm.tm_min == 0 ? AXIS_DAY : step->form, &tm);
        return time;
}

void axis_append(struct buffer *buffer, const struct drawing *drawing, uint64_t since_usec, uint64_t until_usec, size_t cells) {
        uint64_t span = until_usec - since_usec;
        time_t since = (time_t)(since_usec / USEC_PER_SEC);
        const struct axis_step *step = axis_choose_step(span, cells);
        char label[AXIS_LABEL_MAX + 1];
        size_t column = 0;
        struct tm base;

        if (!localtime_r(&since, &base))
                return;
        axis_round_down(&base, step);
        for (int i = 0; i < AXIS_MARKS_MAX; i++) {
                time_t time = axis_mark(&base, step, i, label);
                uint64_t at = (uint64_t)time * USEC_PER_SEC;
                size_t where;

                if (time < 0 || at < since_usec)
                        continue;
                if (at >= until_usec)
                        break;
                where = (size_t)((at - since_usec) * cells / span);
                if (column > 0 && where < column + 1)
                        continue;
                if (where + 1 + strlen(label) > cells)
                        label[0] = '\0';
                buffer_printf(buffer, "%*s", (int)(where - column + (column == 0 ? DRAW_INDENT : 0)), "");
                buffer_printf(buffer, "%s%s", drawing->utf8 ? "│" : "|", label);
                column = where + 1 + strlen(label);
        }
        if (column > 0)
                buffer_append(buffer, "\n", 1);
}

/* More rows than this are no picture. */
#define BARS_ROWS_MAX 24

struct rows {
        struct bars_entry rows[BARS_ROWS_MAX];
        size_t n;
        uint64_t most;
        size_t label, digits; /* columns of the widest */
};

/* "500 ms", "1.5 s", "1 min 40 s": a bound has few digits and no trailing zeros. */
static char *bars_bound(char buffer[DURATION_MAX], uint64_t usec) {
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

static void bars_take_rows(struct rows *rows, const struct bars_entry *entries, size_t n) {
        char text[DURATION_MAX];
        size_t together;

        *rows = (struct rows){0};
        while (n > 0 && entries[n - 1].count == 0)
                n--;
        for (; n > 0 && entries[0].count == 0; n--)
                entries++;
        together = n / BARS_ROWS_MAX + (n % BARS_ROWS_MAX > 0);
        for (size_t i = 0; i < n; i++) {
                struct bars_entry *row = &rows->rows[i / together];

                row->up_to_usec = entries[i].up_to_usec;
                row->count = row->count > UINT64_MAX - entries[i].count ? UINT64_MAX : row->count + entries[i].count;
                rows->n = i / together + 1;
        }
        for (size_t i = 0; i < rows->n; i++) {
                rows->most = MAX(rows->most, rows->rows[i].count);
                rows->label = MAX(rows->label, strlen(bars_bound(text, rows->rows[i].up_to_usec)));
        }
        rows->digits = (size_t)snprintf(text, sizeof(text), "%" PRIu64, rows->most);
}

static void bars_append_one(struct buffer *buffer, const struct drawing *drawing, uint64_t count, uint64_t most, size_t width) {
        static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
        _cleanup_(buffer_deinit) struct buffer bar = {0};
        /* Any count is visible, however small its share. */
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

        bars_take_rows(&rows, entries, n);
        used = DRAW_INDENT + 3 + rows.label + 2 + rows.digits + 1;
        for (size_t i = 0; i < rows.n; i++) {
                const struct bars_entry *row = &rows.rows[i];

                buffer_printf(buffer, "%*s%s %*s  %*" PRIu64, DRAW_INDENT, "",
                              row->up_to_usec == USEC_INFINITY ? "  " : drawing->utf8 ? " ≤" : "<=", (int)rows.label,
                              bars_bound(text, row->up_to_usec), (int)rows.digits, row->count);
                bars_append_one(buffer, drawing, row->count, rows.most, drawing->columns > used ? drawing->columns - used : 1);
                buffer_append(buffer, "\n", 1);
        }
}

/* Healthy states by height, trouble by shade. */
static const struct timeline_look {
        const char *block;
        char letter;      /* a capital letter: trouble */
        unsigned trouble; /* the greater, the worse */
} timeline_looks[_STATE_MAX] = {
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
static uint64_t timeline_cell_from(const struct timeline *timeline, size_t i, size_t n) {
        return timeline->since_usec + (timeline->until_usec - timeline->since_usec) * i / n;
}

/* The state that represents a cell: SHARES has the time spent in each. */
static enum state timeline_choose_state(const uint64_t shares[_STATE_MAX]) {
        enum state chosen = STATE_UNKNOWN;

        for (enum state state = 0; state < _STATE_MAX; state++) {
                if (shares[state] == 0 || timeline_looks[state].trouble < timeline_looks[chosen].trouble)
                        continue;
                if (timeline_looks[state].trouble > timeline_looks[chosen].trouble || shares[state] > shares[chosen])
                        chosen = state;
        }
        return chosen;
}

static void timeline_fill_cells(const struct timeline *timeline, enum state *cells, size_t n) {
        enum state state = STATE_UNKNOWN;
        size_t next = 0;

        for (size_t i = 0; i < n; i++) {
                uint64_t at = timeline_cell_from(timeline, i, n), end = timeline_cell_from(timeline, i + 1, n), shares[_STATE_MAX] = {0};

                while (at < end) {
                        uint64_t to;

                        for (; next < timeline->n && timeline->entries[next].from_usec <= at; next++)
                                state = timeline->entries[next].state;
                        to = next < timeline->n ? MIN(end, timeline->entries[next].from_usec) : end;
                        shares[state] += to - at;
                        at = to;
                }
                cells[i] = timeline_choose_state(shares);
        }
}

static size_t timeline_run_length(const enum state *cells, size_t i, size_t n) {
        size_t length = 1;

        while (i + length < n && cells[i + length] == cells[i])
                length++;
        return length;
}

static void timeline_append_run(struct buffer *buffer, const struct drawing *drawing, enum state state, const char *text, size_t length) {
        _cleanup_(buffer_deinit) struct buffer run = {0};

        draw_repeat(&run, text, length);
        buffer->failed = buffer->failed || run.failed;
        if (run.data)
                style_append(buffer, drawing->terminal, style_of_state(state_name(state)), run.data);
}

static void timeline_append_cells(struct buffer *buffer, const struct drawing *drawing, const enum state *cells, size_t n) {
        buffer_printf(buffer, "%*s", DRAW_INDENT, "");
        for (size_t i = 0, length; i < n; i += length) {
                const struct timeline_look *look = &timeline_looks[cells[i]];

                length = timeline_run_length(cells, i, n);
                timeline_append_run(buffer, drawing, cells[i], drawing->utf8 ? look->block : (char[]){look->letter, '\0'}, length);
        }
        buffer_append(buffer, "\n", 1);
}

/* Below the blocks: each run's letter at its beginning. */
static void timeline_append_letters(struct buffer *buffer, const struct drawing *drawing, const enum state *cells, size_t n) {
        size_t blank = DRAW_INDENT;

        for (size_t i = 0, length; i < n; i += length) {
                length = timeline_run_length(cells, i, n);
                buffer_printf(buffer, "%*s", (int)blank, "");
                timeline_append_run(buffer, drawing, cells[i], (char[]){timeline_looks[cells[i]].letter, '\0'}, 1);
                blank = length - 1;
        }
        buffer_append(buffer, "\n", 1);
}

static void timeline_append_legend(struct buffer *buffer, const struct drawing *drawing, const enum state *cells, size_t n) {
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
                (void)snprintf(text, sizeof(text), "%s%s%c %s", drawing->utf8 ? timeline_looks[state].block : "", drawing->utf8 ? " " : "",
                               timeline_looks[state].letter, state_name(state));
                timeline_append_run(buffer, drawing, state, text, 1);
        }
        buffer_append(buffer, "\n", 1);
}

void timeline_append(struct buffer *buffer, const struct drawing *drawing, const struct timeline *timeline) {
        enum state cells[DRAW_COLUMNS_MAX];
        size_t n = MIN(drawing->columns, ARRAY_LENGTH(cells)) - DRAW_INDENT;

        if (timeline->until_usec <= timeline->since_usec)
                return;
        timeline_fill_cells(timeline, cells, n);
        timeline_append_cells(buffer, drawing, cells, n);
        if (drawing->utf8)
                timeline_append_letters(buffer, drawing, cells, n);
        axis_append(buffer, drawing, timeline->since_usec, timeline->until_usec, n);
        timeline_append_legend(buffer, drawing, cells, n);
}
