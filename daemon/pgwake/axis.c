#include "pgwake/axis.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

/* Between two labels stands their tick and a space. */
#define LABEL_MAX 8
#define GAP 2
/* Of moments that a broken time zone could give without end. */
#define MARKS_MAX 1000

enum form {
        FORM_SECOND,
        FORM_MINUTE,
        FORM_DAY,
        FORM_MONTH,
};

/* How far the marks are from each other, in what people count in. */
struct step {
        uint64_t usec;                      /* about */
        int seconds, minutes, days, months; /* one of them */
        enum form form;
};

static const struct step steps[] = {
        {USEC_PER_SEC, 1, 0, 0, 0, FORM_SECOND},
        {5 * USEC_PER_SEC, 5, 0, 0, 0, FORM_SECOND},
        {15 * USEC_PER_SEC, 15, 0, 0, 0, FORM_SECOND},
        {USEC_PER_MINUTE, 0, 1, 0, 0, FORM_MINUTE},
        {5 * USEC_PER_MINUTE, 0, 5, 0, 0, FORM_MINUTE},
        {15 * USEC_PER_MINUTE, 0, 15, 0, 0, FORM_MINUTE},
        {30 * USEC_PER_MINUTE, 0, 30, 0, 0, FORM_MINUTE},
        {USEC_PER_HOUR, 0, 60, 0, 0, FORM_MINUTE},
        {3 * USEC_PER_HOUR, 0, 180, 0, 0, FORM_MINUTE},
        {6 * USEC_PER_HOUR, 0, 360, 0, 0, FORM_MINUTE},
        {12 * USEC_PER_HOUR, 0, 720, 0, 0, FORM_MINUTE},
        {USEC_PER_DAY, 0, 0, 1, 0, FORM_DAY},
        {2 * USEC_PER_DAY, 0, 0, 2, 0, FORM_DAY},
        {7 * USEC_PER_DAY, 0, 0, 7, 0, FORM_DAY},
        {14 * USEC_PER_DAY, 0, 0, 14, 0, FORM_DAY},
        {30 * USEC_PER_DAY, 0, 0, 0, 1, FORM_MONTH},
        {91 * USEC_PER_DAY, 0, 0, 0, 3, FORM_MONTH},
        {182 * USEC_PER_DAY, 0, 0, 0, 6, FORM_MONTH},
        {365 * USEC_PER_DAY, 0, 0, 0, 12, FORM_MONTH},
        {5 * 365 * USEC_PER_DAY, 0, 0, 0, 60, FORM_MONTH},
        {25 * 365 * USEC_PER_DAY, 0, 0, 0, 300, FORM_MONTH},
};

/* The nearest whose labels have room. */
static const struct step *choose_step(uint64_t span_usec, size_t cells) {
        const struct step *step = steps;

        while (step < &steps[ARRAY_LENGTH(steps) - 1] && step->usec * cells < span_usec * (LABEL_MAX + GAP))
                step++;
        return step;
}

/* The mark at TM or the last one before it. */
static void round_down(struct tm *tm, const struct step *step) {
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

static void name_mark(char label[LABEL_MAX + 1], enum form form, const struct tm *tm) {
        size_t length = 0;

        switch (form) {
        case FORM_SECOND:
                length = strftime(label, LABEL_MAX + 1, "%H:%M:%S", tm);
                break;
        case FORM_MINUTE:
                length = strftime(label, LABEL_MAX + 1, "%H:%M", tm);
                break;
        case FORM_DAY:
                length = strftime(label, LABEL_MAX + 1, "%b %d", tm);
                break;
        case FORM_MONTH:
                length = strftime(label, LABEL_MAX + 1, "%Y-%m", tm);
                break;
        }
        if (length == 0)
                label[0] = '\0';
}

/* The Nth mark from BASE on, counted by the local clock: a change of summer time moves none of them. A day begins with its name. */
static time_t mark(const struct tm *base, const struct step *step, int n, char label[LABEL_MAX + 1]) {
        struct tm tm = *base;
        time_t time;

        tm.tm_sec += n * step->seconds;
        tm.tm_min += n * step->minutes;
        tm.tm_mday += n * step->days;
        tm.tm_mon += n * step->months;
        tm.tm_isdst = -1;
        time = mktime(&tm);
        name_mark(label, step->form == FORM_MINUTE && tm.tm_hour == 0 && tm.tm_min == 0 ? FORM_DAY : step->form, &tm);
        return time;
}

void axis_append(struct buffer *buffer, const struct drawing *drawing, uint64_t since_usec, uint64_t until_usec, size_t cells) {
        uint64_t span = until_usec - since_usec;
        time_t since = (time_t)(since_usec / USEC_PER_SEC);
        const struct step *step = choose_step(span, cells);
        char label[LABEL_MAX + 1];
        size_t column = 0;
        struct tm base;

        if (!localtime_r(&since, &base))
                return;
        round_down(&base, step);
        for (int i = 0; i < MARKS_MAX; i++) {
                time_t time = mark(&base, step, i, label);
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
