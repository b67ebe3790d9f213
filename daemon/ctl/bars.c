#include "ctl/bars.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

/* More rows than this are no picture any more: the coarser bounds are taken. */
#define ROWS_MAX 16
#define LEVEL_MAX 2

/* Bounds as people say them; those of the lower levels alone are as far from each other as can be. */
static const struct bound {
        uint64_t usec;
        unsigned level;
        const char *label;
} bounds[] = {
        {1 * USEC_PER_MSEC, 0, "1 ms"},       {2 * USEC_PER_MSEC, 2, "2 ms"},       {3 * USEC_PER_MSEC, 1, "3 ms"},
        {5 * USEC_PER_MSEC, 2, "5 ms"},       {7 * USEC_PER_MSEC, 2, "7 ms"},       {10 * USEC_PER_MSEC, 0, "10 ms"},
        {15 * USEC_PER_MSEC, 2, "15 ms"},     {20 * USEC_PER_MSEC, 2, "20 ms"},     {30 * USEC_PER_MSEC, 1, "30 ms"},
        {50 * USEC_PER_MSEC, 2, "50 ms"},     {70 * USEC_PER_MSEC, 2, "70 ms"},     {100 * USEC_PER_MSEC, 0, "100 ms"},
        {150 * USEC_PER_MSEC, 2, "150 ms"},   {200 * USEC_PER_MSEC, 2, "200 ms"},   {300 * USEC_PER_MSEC, 1, "300 ms"},
        {500 * USEC_PER_MSEC, 2, "500 ms"},   {700 * USEC_PER_MSEC, 2, "700 ms"},   {1 * USEC_PER_SEC, 0, "1 s"},
        {1500 * USEC_PER_MSEC, 2, "1.5 s"},   {2 * USEC_PER_SEC, 2, "2 s"},         {3 * USEC_PER_SEC, 1, "3 s"},
        {5 * USEC_PER_SEC, 2, "5 s"},         {7 * USEC_PER_SEC, 2, "7 s"},         {10 * USEC_PER_SEC, 0, "10 s"},
        {15 * USEC_PER_SEC, 2, "15 s"},       {20 * USEC_PER_SEC, 2, "20 s"},       {30 * USEC_PER_SEC, 1, "30 s"},
        {45 * USEC_PER_SEC, 2, "45 s"},       {1 * USEC_PER_MINUTE, 0, "1 min"},    {2 * USEC_PER_MINUTE, 2, "2 min"},
        {3 * USEC_PER_MINUTE, 1, "3 min"},    {5 * USEC_PER_MINUTE, 2, "5 min"},    {7 * USEC_PER_MINUTE, 2, "7 min"},
        {10 * USEC_PER_MINUTE, 0, "10 min"},  {15 * USEC_PER_MINUTE, 2, "15 min"},  {20 * USEC_PER_MINUTE, 2, "20 min"},
        {30 * USEC_PER_MINUTE, 1, "30 min"},  {45 * USEC_PER_MINUTE, 2, "45 min"},  {1 * USEC_PER_HOUR, 0, "1 h"},
        {2 * USEC_PER_HOUR, 2, "2 h"},        {USEC_INFINITY, 0, "more"},
};

struct rows {
        uint64_t counts[ARRAY_LENGTH(bounds)];
        size_t first, last; /* that have any; first > last: none has */
        unsigned level;     /* of the bounds that are rows */
};

/* An entry's middle, as the daemon's histograms have 16 buckets an octave. */
static uint64_t middle_of(const struct bars_entry *entry) {
        return entry->up_to_usec == USEC_INFINITY ? USEC_INFINITY : entry->up_to_usec - entry->up_to_usec / 32;
}

static void count_rows(struct rows *rows, unsigned level, const struct bars_entry *entries, size_t n) {
        size_t row = 0;

        *rows = (struct rows){.first = ARRAY_LENGTH(bounds), .level = level};
        for (size_t i = 0; i < n; i++) {
                while (bounds[row].level > level || bounds[row].usec < middle_of(&entries[i]))
                        row++;
                if (entries[i].count == 0)
                        continue;
                rows->counts[row] += entries[i].count;
                rows->first = MIN(rows->first, row);
                rows->last = row;
        }
}

static size_t n_rows(const struct rows *rows) {
        size_t n = 0;

        for (size_t i = rows->first; i <= rows->last; i++)
                n += bounds[i].level <= rows->level;
        return n;
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
        unsigned level = LEVEL_MAX;
        size_t label = 0, digits, room;
        uint64_t most = 0;
        struct rows rows;
        char number[24];

        do
                count_rows(&rows, level, entries, n);
        while (rows.first <= rows.last && n_rows(&rows) > ROWS_MAX && level-- > 0);
        for (size_t i = rows.first; i <= rows.last && i < ARRAY_LENGTH(bounds); i++) {
                most = MAX(most, rows.counts[i]);
                if (bounds[i].level <= rows.level)
                        label = MAX(label, strlen(bounds[i].label));
        }
        if (most == 0)
                return;
        digits = (size_t)snprintf(number, sizeof(number), "%" PRIu64, most);
        room = drawing->columns - MIN(drawing->columns - 1, DRAW_INDENT + 3 + label + 2 + digits + 1);
        for (size_t i = rows.first; i <= rows.last; i++) {
                if (bounds[i].level > rows.level)
                        continue;
                buffer_printf(buffer, "%*s%s %*s  %*" PRIu64, DRAW_INDENT, "",
                              bounds[i].usec == USEC_INFINITY ? "  " : drawing->utf8 ? " ≤" : "<=", (int)label, bounds[i].label, (int)digits,
                              rows.counts[i]);
                append_bar(buffer, drawing, rows.counts[i], most, room);
                buffer_append(buffer, "\n", 1);
        }
}
