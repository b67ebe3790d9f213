/* `pgwake report`: how a database did over a time, as a picture or as lines of a key and its value. */
#include "pgwake/report.h"

#include "base/clock.h"
#include "model/reason.h"
#include "pgwake/format.h"
#include "pgwake/request.h"

#include <errno.h>
#include <inttypes.h>

/* What a reason means, or NULL for a word that is none of ours. */
static const char *report_meaning(const char *slug) {
        enum reason reason;

        return reason_from_slug(slug, &reason) == 0 ? reason_info(reason)->sentence : NULL;
}

/* Where the values begin. */
#define REPORT_INDENT 14

_printf_(4, 5)
static void report_paragraph(struct buffer *buffer, const struct drawing *drawing, const char *label, const char *format, ...) {
        _cleanup_(buffer_deinit) struct buffer text = {0};
        va_list arguments;

        va_start(arguments, format);
        buffer_vprintf(&text, format, arguments);
        va_end(arguments);
        buffer->failed = buffer->failed || text.failed;
        draw_paragraph(buffer, drawing, label, REPORT_INDENT, text.data ? text.data : "");
}

/* Cut and not rounded: 100 % is the whole. */
static char *report_share(char buffer[DURATION_MAX], double share) {
        unsigned places = (unsigned)(share * 1e8 + 0.5) / 1000;

        if (share >= 1)
                return strcpy(buffer, "100%");
        (void)snprintf(buffer, DURATION_MAX, "%u.%03u%%", places / 1000, places % 1000);
        return buffer;
}

static char *report_part(char buffer[DURATION_MAX], uint64_t part, uint64_t whole) {
        double share = whole ? (double)MIN(part, whole) / (double)whole : 0;

        (void)snprintf(buffer, DURATION_MAX, "%.1f%%", share * 100);
        return buffer;
}

static void report_draw_span(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        char since[FORMAT_TIME_MAX], until[FORMAT_TIME_MAX], span[DURATION_MAX], known[DURATION_MAX];
        uint64_t all = report->until_usec - report->since_usec;
        struct buffer title = {0};

        buffer_append_string(&title, report->name);
        buffer->failed = buffer->failed || title.failed;
        if (title.data)
                style_append(buffer, drawing->terminal, STYLE_HEAD, title.data);
        buffer_deinit(&title);
        buffer_append(buffer, "\n", 1);
        report_paragraph(buffer, drawing, "from", "%s to %s, %s", format_time(since, report->since_usec, false),
                  format_time(until, report->until_usec, false), format_span(span, all));
        if (report->known_usec == 0)
                report_paragraph(buffer, drawing, "known", "nothing");
        else if (usec_add(report->known_usec, USEC_PER_SEC) < all)
                report_paragraph(buffer, drawing, "known", "%s of it", format_span(known, report->known_usec));
}

static void report_draw_account(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        char all[DURATION_MAX], ours[DURATION_MAX], share[DURATION_MAX], part[DURATION_MAX];

        if (report->availability)
                report_paragraph(buffer, drawing, "available", "%s of the known time",
                                 report_share(share, json_number_value(report->availability)));
        if (report->awake_usec == USEC_INFINITY)
                return;
        if (report->awake_usec == 0)
                report_paragraph(buffer, drawing, "awake", "never seen");
        else if (report->awake_on_demand_usec == USEC_INFINITY)
                report_paragraph(buffer, drawing, "awake", "%s", format_span(all, report->awake_usec));
        else
                report_paragraph(buffer, drawing, "awake", "%s, %s of it (%s) on our demand", format_span(all, report->awake_usec),
                          format_span(ours, report->awake_on_demand_usec),
                                 report_part(part, report->awake_on_demand_usec, report->awake_usec));
}

static void report_draw_states(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
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
                report_paragraph(buffer, drawing, "states", "%s", text.data);
}

static void report_draw_wakes(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
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
                report_paragraph(buffer, drawing, "wakes", "none");
        else
                report_paragraph(buffer, drawing, "wakes", "%" PRIu64 ", %" PRIu64 " of them cold%s", wakes->count, report->cold,
                          causes.data ? causes.data : "");
        if (wakes->p50_usec == USEC_INFINITY)
                return;
        for (size_t i = 0; i < report->n_distribution; i++)
                measured += report->distribution[i].count;
        (void)snprintf(unknown, sizeof(unknown), "; of %" PRIu64 " it is not known", wakes->count - MIN(wakes->count, measured));
        report_paragraph(buffer, drawing, "wakes take", "p50 %s, p95 %s, p99 %s, at most %s%s", format_span(p50, wakes->p50_usec),
                  format_span(p95, wakes->p95_usec), format_span(p99, wakes->p99_usec), format_span(max, wakes->max_usec),
                  measured < wakes->count ? unknown : "");
}

static void report_draw_phases(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
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

static void report_draw_reason(struct buffer *buffer, const struct drawing *drawing, const char *what, const char *meaning) {
        draw_paragraph(buffer, drawing, "", DRAW_INDENT, what);
        if (meaning)
                draw_paragraph(buffer, drawing, "", 2 * DRAW_INDENT, meaning);
}

static void report_draw_outages(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
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
                report_draw_reason(buffer, drawing, text.data ? text.data : "", report_meaning(outage->reason));
        }
}

/* Among the outages: what it means need not be said twice. */
static bool report_is_told(const struct report *report, const char *slug) {
        for (size_t i = 0; i < report->n_outages; i++)
                if (streq(report->outages[i].reason, slug))
                        return true;
        return false;
}

static void report_draw_failures(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        const char *slug;
        json_t *count;

        if (json_object_size(report->failures) == 0)
                return;
        draw_heading(buffer, drawing, "Failed checks");
        json_object_foreach(report->failures, slug, count) {
                _cleanup_(buffer_deinit) struct buffer text = {0};

                buffer_printf(&text, "%s: %" JSON_INTEGER_FORMAT, slug, json_integer_value(count));
                buffer->failed = buffer->failed || text.failed;
                report_draw_reason(buffer, drawing, text.data ? text.data : "", report_is_told(report, slug) ? NULL : report_meaning(slug));
        }
}

void report_draw(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        const struct timeline timeline = {report->since_usec, report->until_usec, report->timeline, report->n_timeline};

        report_draw_span(buffer, drawing, report);
        buffer_append(buffer, "\n", 1);
        timeline_append(buffer, drawing, &timeline);
        buffer_append(buffer, "\n", 1);
        report_draw_account(buffer, drawing, report);
        report_draw_states(buffer, drawing, report);
        report_draw_wakes(buffer, drawing, report);
        if (report->wakes.p50_usec != USEC_INFINITY) {
                draw_heading(buffer, drawing, "How long wakes took");
                bars_append(buffer, drawing, report->distribution, report->n_distribution);
        }
        report_draw_phases(buffer, drawing, report);
        report_draw_outages(buffer, drawing, report);
        report_draw_failures(buffer, drawing, report);
}

/* The report without a picture: one fact a line, its key first, all times in seconds. The keys are for ever: people grep for them. */
static void report_append_seconds(struct buffer *buffer, uint64_t usec) {
        if (usec == USEC_INFINITY)
                buffer_append_string(buffer, "-");
        else if (usec % USEC_PER_SEC == 0)
                buffer_printf(buffer, "%" PRIu64, usec / USEC_PER_SEC);
        else
                buffer_printf(buffer, "%" PRIu64 ".%06" PRIu64, usec / USEC_PER_SEC, usec % USEC_PER_SEC);
}

static void report_list_seconds(struct buffer *buffer, const char *key, uint64_t usec) {
        buffer_printf(buffer, "%s ", key);
        report_append_seconds(buffer, usec);
        buffer_append(buffer, "\n", 1);
}

static void report_list_count(struct buffer *buffer, const char *key, uint64_t count) {
        buffer_printf(buffer, "%s %" PRIu64 "\n", key, count);
}

/* A key of the daemon's is one word, whatever it holds. */
static void report_append_word(struct buffer *buffer, const char *word) {
        for (; *word; word++)
                buffer_append(buffer, *word == ' ' ? "_" : word, 1);
}

static void report_list_counts(struct buffer *buffer, const char *key, json_t *object) {
        const char *word;
        json_t *value;

        json_object_foreach(object, word, value) {
                buffer_printf(buffer, "%s ", key);
                report_append_word(buffer, word);
                if (json_is_integer(value))
                        buffer_printf(buffer, " %" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
                else
                        buffer_printf(buffer, " %.6f\n", json_real_value(value));
        }
}

static void report_list_phases(struct buffer *buffer, const struct report *report) {
        for (enum phase phase = 0; phase < _PHASE_MAX; phase++) {
                const struct report_spread *spread = &report->phases[phase];

                buffer_printf(buffer, "phase %s count %" PRIu64 " p50_seconds ", phase_name(phase), spread->count);
                report_append_seconds(buffer, spread->p50_usec);
                buffer_append_string(buffer, " p95_seconds ");
                report_append_seconds(buffer, spread->p95_usec);
                buffer_append_string(buffer, " p99_seconds ");
                report_append_seconds(buffer, spread->p99_usec);
                buffer_append(buffer, "\n", 1);
        }
}

static void report_list_outages(struct buffer *buffer, const struct report *report) {
        for (size_t i = 0; i < report->n_outages; i++) {
                const struct report_outage *outage = &report->outages[i];
                const char *meaning = report_meaning(outage->reason);

                buffer_append_string(buffer, "outages ");
                report_append_word(buffer, outage->reason);
                buffer_printf(buffer, " count %" PRIu64 " seconds ", outage->count);
                report_append_seconds(buffer, outage->usec);
                buffer_printf(buffer, "%s%s\n", meaning ? " meaning " : "", meaning ? meaning : "");
        }
}

static void report_list_distribution(struct buffer *buffer, const struct report *report) {
        for (size_t i = 0; i < report->n_distribution; i++) {
                if (report->distribution[i].count == 0)
                        continue;
                buffer_append_string(buffer, "wakes_up_to_seconds ");
                report_append_seconds(buffer, report->distribution[i].up_to_usec);
                buffer_printf(buffer, " %" PRIu64 "\n", report->distribution[i].count);
        }
}

void report_list(struct buffer *buffer, const struct report *report) {
        buffer_append_string(buffer, "name ");
        report_append_word(buffer, report->name);
        buffer_printf(buffer, "\nsince %s\nuntil %s\n", report->since, report->until);
        report_list_seconds(buffer, "known_seconds", report->known_usec);
        if (report->availability)
                buffer_printf(buffer, "availability %.8f\n", json_number_value(report->availability));
        else
                buffer_append_string(buffer, "availability -\n");
        report_list_seconds(buffer, "awake_seconds", report->awake_usec);
        report_list_seconds(buffer, "awake_on_our_demand_seconds", report->awake_on_demand_usec);
        report_list_counts(buffer, "state_seconds", report->states);
        report_list_count(buffer, "wakes", report->wakes.count);
        report_list_count(buffer, "wakes_cold", report->cold);
        report_list_counts(buffer, "wakes_by_cause", report->causes);
        report_list_seconds(buffer, "wakes_p50_seconds", report->wakes.p50_usec);
        report_list_seconds(buffer, "wakes_p95_seconds", report->wakes.p95_usec);
        report_list_seconds(buffer, "wakes_p99_seconds", report->wakes.p99_usec);
        report_list_seconds(buffer, "wakes_max_seconds", report->wakes.max_usec);
        report_list_distribution(buffer, report);
        report_list_phases(buffer, report);
        report_list_outages(buffer, report);
        report_list_counts(buffer, "failures", report->failures);
}

static int report_show(struct context *context, json_t *json) {
        _cleanup_(report_deinit) struct report report = {0};
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        struct drawing drawing;
        const char *wrong;
        int r;

        r = report_read(json, &report, &wrong);
        if (r == -EBADMSG) {
                char what[128];

                (void)snprintf(what, sizeof(what), "\"%s\" is missing or has the wrong type", wrong);
                return tell_malformed(context, what);
        }
        if (r < 0)
                return tell_error(r, EXIT_CODE_NOT_READY);
        drawing_init(&drawing, &context->out);
        /* Who wants no colours reads it where nothing can be drawn, or with a program. */
        if (context->out.colour && !option_is_given(&context->options, "plain"))
                report_draw(&buffer, &drawing, &report);
        else
                report_list(&buffer, &report);
        return tell_error(terminal_write(&context->out, &buffer), EXIT_CODE_DONE);
}

static int report_exec(struct context *context) {
        const struct options *options = &context->options;
        _cleanup_(answer_deinit) struct answer answer = {0};
        const char *since = option_text(options, "since");
        _cleanup_free_ char *path = NULL;
        int r;

        if (options->json && option_is_given(options, "plain")) {
                complain("report: --json and --plain exclude each other");
                return EXIT_CODE_USAGE;
        }
        if (since && !request_is_past_time("report", "since", since))
                return EXIT_CODE_USAGE;
        path = client_path("/history", options->operands[0], (const struct parameter[]){{"kind", "report"}, {"since", since}, {0}});
        r = request_send(context, &(struct request){.path = path, .timeout_usec = REQUEST_HISTORY_USEC}, &answer);
        if (r != 0)
                return r;
        if (answer.status != 200)
                return tell_refusal(context, &answer, options->operands[0]);
        if (options->json)
                return tell_error(terminal_write_json(&context->out, answer.json), EXIT_CODE_DONE);
        return report_show(context, answer.json);
}

const struct command command_report = {
        .name = "report",
        .arguments = "NAME [--since T] [--plain]",
        .summary = "Show how a database did over a time.",
        .description =
                "Shows how available it was, how long it was awake and for whom, how long its wakes took, and why it was out. On a\n"
                "terminal that has colours its states and its wakes are drawn.\n",
        .options = (const struct command_option[]){
                {"since", "T", "From T on: back from now (36h, 7d), or a moment (2026-11-22T16:00:00Z); by default 7d."},
                {"plain", NULL, "As where there is no terminal: nothing is drawn, one fact a line, spans in seconds."},
                {0},
        },
        .min_operands = 1,
        .max_operands = 1,
        .exec = report_exec,
};
