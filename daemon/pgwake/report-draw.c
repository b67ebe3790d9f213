#include "pgwake/report.h"

#include "base/clock.h"
#include "pgwake/format.h"

#include <inttypes.h>

/* Where the values begin. */
#define INDENT 14

_printf_(4, 5) static void paragraph(struct buffer *buffer, const struct drawing *drawing, const char *label, const char *format, ...) {
        _cleanup_(buffer_deinit) struct buffer text = {0};
        va_list arguments;

        va_start(arguments, format);
        buffer_vprintf(&text, format, arguments);
        va_end(arguments);
        buffer->failed = buffer->failed || text.failed;
        draw_paragraph(buffer, drawing, label, INDENT, text.data ? text.data : "");
}

/* Cut and not rounded: 100 % is the whole. */
static char *say_share(char buffer[DURATION_MAX], double share) {
        unsigned places = (unsigned)(share * 1e8 + 0.5) / 1000;

        if (share >= 1)
                return strcpy(buffer, "100%");
        (void)snprintf(buffer, DURATION_MAX, "%u.%03u%%", places / 1000, places % 1000);
        return buffer;
}

static char *say_part(char buffer[DURATION_MAX], uint64_t part, uint64_t whole) {
        double share = whole ? (double)MIN(part, whole) / (double)whole : 0;

        (void)snprintf(buffer, DURATION_MAX, "%.1f%%", share * 100);
        return buffer;
}

static void draw_span(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        char since[FORMAT_TIME_MAX], until[FORMAT_TIME_MAX], span[DURATION_MAX], known[DURATION_MAX];
        uint64_t all = report->until_usec - report->since_usec;
        struct buffer title = {0};

        buffer_append_string(&title, report->name);
        buffer->failed = buffer->failed || title.failed;
        if (title.data)
                style_append(buffer, drawing->terminal, STYLE_HEAD, title.data);
        buffer_deinit(&title);
        buffer_append(buffer, "\n", 1);
        paragraph(buffer, drawing, "from", "%s to %s, %s", format_time(since, report->since_usec, false),
                  format_time(until, report->until_usec, false), format_span(span, all));
        if (report->known_usec == 0)
                paragraph(buffer, drawing, "known", "nothing");
        else if (usec_add(report->known_usec, USEC_PER_SEC) < all)
                paragraph(buffer, drawing, "known", "%s of it", format_span(known, report->known_usec));
}

static void draw_account(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        char all[DURATION_MAX], ours[DURATION_MAX], share[DURATION_MAX], part[DURATION_MAX];

        if (report->availability)
                paragraph(buffer, drawing, "available", "%s of the known time", say_share(share, json_number_value(report->availability)));
        if (report->awake_usec == USEC_INFINITY)
                return;
        if (report->awake_usec == 0)
                paragraph(buffer, drawing, "awake", "never seen");
        else if (report->awake_on_demand_usec == USEC_INFINITY)
                paragraph(buffer, drawing, "awake", "%s", format_span(all, report->awake_usec));
        else
                paragraph(buffer, drawing, "awake", "%s, %s of it (%s) on our demand", format_span(all, report->awake_usec),
                          format_span(ours, report->awake_on_demand_usec), say_part(part, report->awake_on_demand_usec, report->awake_usec));
}

static void draw_states(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        _cleanup_(buffer_deinit) struct buffer text = {0};
        const char *name, *separator = "";
        json_t *value;

        json_object_foreach(report->states, name, value) {
                uint64_t usec = json_number_value(value) < 1e12 ? (uint64_t)(json_number_value(value) * 1e6) : USEC_INFINITY;
                char span[DURATION_MAX];

                if (usec == 0)
                        continue;
                buffer_printf(&text, "%s%s %s", separator, name, format_span(span, usec));
                separator = ", ";
        }
        if (text.size)
                paragraph(buffer, drawing, "states", "%s", text.data);
}

static void draw_wakes(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        const struct report_spread *wakes = &report->wakes;
        char p50[DURATION_MAX], p95[DURATION_MAX], p99[DURATION_MAX], max[DURATION_MAX];
        _cleanup_(buffer_deinit) struct buffer causes = {0};
        const char *cause, *separator = "; caused by ";
        uint64_t measured = 0;
        char unknown[64];
        json_t *count;

        json_object_foreach(report->causes, cause, count) {
                if (json_integer_value(count) == 0)
                        continue;
                buffer_printf(&causes, "%s%s %" JSON_INTEGER_FORMAT, separator, cause, json_integer_value(count));
                separator = ", ";
        }
        if (wakes->count == 0)
                paragraph(buffer, drawing, "wakes", "none");
        else
                paragraph(buffer, drawing, "wakes", "%" PRIu64 ", %" PRIu64 " of them cold%s", wakes->count, report->cold,
                          causes.data ? causes.data : "");
        if (wakes->p50_usec == USEC_INFINITY)
                return;
        for (size_t i = 0; i < report->n_distribution; i++)
                measured += report->distribution[i].count;
        (void)snprintf(unknown, sizeof(unknown), "; of %" PRIu64 " it is not known", wakes->count - MIN(wakes->count, measured));
        paragraph(buffer, drawing, "wakes take", "p50 %s, p95 %s, p99 %s, at most %s%s", format_span(p50, wakes->p50_usec),
                  format_span(p95, wakes->p95_usec), format_span(p99, wakes->p99_usec), format_span(max, wakes->max_usec),
                  measured < wakes->count ? unknown : "");
}

static void draw_phases(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        static const struct column columns[] = {
                {"PHASE", false, 0}, {"COUNT", true, 1}, {"P50", true, 0}, {"P95", true, 0}, {"P99", true, 2},
        };
        _cleanup_(table_deinit) struct table table = {.columns = columns, .n_columns = ARRAY_LENGTH(columns)};
        struct terminal terminal = *drawing->terminal;
        char text[DURATION_MAX];

        for (enum phase phase = 0; phase < _PHASE_MAX; phase++) {
                const struct report_spread *spread = &report->phases[phase];

                if (spread->count == 0)
                        continue;
                table_add(&table, STYLE_PLAIN, phase_name(phase));
                (void)snprintf(text, sizeof(text), "%" PRIu64, spread->count);
                table_add(&table, STYLE_PLAIN, text);
                table_add(&table, STYLE_PLAIN, format_span(text, spread->p50_usec));
                table_add(&table, STYLE_PLAIN, format_span(text, spread->p95_usec));
                table_add(&table, STYLE_PLAIN, format_span(text, spread->p99_usec));
        }
        if (table.n_cells == 0 && !table.failed)
                return;
        draw_heading(buffer, drawing, "Phases");
        terminal.columns = (unsigned)drawing->columns;
        if (table_render(&table, &terminal, buffer) < 0)
                buffer->failed = true;
}

static void draw_reason(struct buffer *buffer, const struct drawing *drawing, const char *what, const char *meaning) {
        draw_paragraph(buffer, drawing, "", DRAW_INDENT, what);
        if (meaning)
                draw_paragraph(buffer, drawing, "", 2 * DRAW_INDENT, meaning);
}

static void draw_outages(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        draw_heading(buffer, drawing, "Outages");
        if (report->n_outages == 0)
                draw_paragraph(buffer, drawing, "", DRAW_INDENT, report->known_usec ? "none" : "nothing is known");
        for (size_t i = 0; i < report->n_outages; i++) {
                const struct report_outage *outage = &report->outages[i];
                _cleanup_(buffer_deinit) struct buffer text = {0};
                char span[DURATION_MAX];

                buffer_printf(&text, "%s: %s, %" PRIu64 " %s", outage->reason, format_span(span, outage->usec), outage->count,
                              outage->count == 1 ? "outage" : "outages");
                buffer->failed = buffer->failed || text.failed;
                draw_reason(buffer, drawing, text.data ? text.data : "", report_meaning(outage->reason));
        }
}

/* Among the outages: what it means need not be said twice. */
static bool is_told(const struct report *report, const char *slug) {
        for (size_t i = 0; i < report->n_outages; i++)
                if (streq(report->outages[i].reason, slug))
                        return true;
        return false;
}

static void draw_failures(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        const char *slug;
        json_t *count;

        if (json_object_size(report->failures) == 0)
                return;
        draw_heading(buffer, drawing, "Failed checks");
        json_object_foreach(report->failures, slug, count) {
                _cleanup_(buffer_deinit) struct buffer text = {0};

                buffer_printf(&text, "%s: %" JSON_INTEGER_FORMAT, slug, json_integer_value(count));
                buffer->failed = buffer->failed || text.failed;
                draw_reason(buffer, drawing, text.data ? text.data : "", is_told(report, slug) ? NULL : report_meaning(slug));
        }
}

void report_draw(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        const struct timeline timeline = {report->since_usec, report->until_usec, report->timeline, report->n_timeline};

        draw_span(buffer, drawing, report);
        buffer_append(buffer, "\n", 1);
        timeline_append(buffer, drawing, &timeline);
        buffer_append(buffer, "\n", 1);
        draw_account(buffer, drawing, report);
        draw_states(buffer, drawing, report);
        draw_wakes(buffer, drawing, report);
        if (report->wakes.p50_usec != USEC_INFINITY) {
                draw_heading(buffer, drawing, "How long wakes took");
                bars_append(buffer, drawing, report->distribution, report->n_distribution);
        }
        draw_phases(buffer, drawing, report);
        draw_outages(buffer, drawing, report);
        draw_failures(buffer, drawing, report);
}
