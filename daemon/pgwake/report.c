/* `pgwake report`: a database over a period, as a picture or as lines of a key and its value. */
#include "pgwake/report.h"

#include "base/clock.h"
#include "model/check.h"
#include "model/reason.h"
#include "pgwake/format.h"
#include "pgwake/request.h"

#include <errno.h>
#include <inttypes.h>

/* The meaning of a reason, or NULL for an unknown word. */
static const char *report_meaning(const char *slug) {
        enum reason reason;

        return reason_from_slug(slug, &reason) == 0 ? reason_info(reason)->sentence : NULL;
}

/* The column of the values. */
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

/* Truncated, not rounded: 100 % is the whole. */
static char *report_share(char buffer[DURATION_MAX], const struct field_fraction *share) {
        unsigned places = (unsigned)(share->part * 100000 / share->whole);

        if (share->part == share->whole)
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
        const struct history_head *head = &report->answer.head;
        uint64_t all = head->until_real_usec - head->since_real_usec, known_usec = report->answer.report.known_usec;
        struct buffer title = {0};

        buffer_append_string(&title, head->name);
        buffer->failed = buffer->failed || title.failed;
        if (title.data)
                style_append(buffer, drawing->terminal, STYLE_HEAD, title.data);
        buffer_deinit(&title);
        buffer_append(buffer, "\n", 1);
        report_paragraph(buffer, drawing, "from", "%s to %s, %s", format_time(since, head->since_real_usec, false),
                  format_time(until, head->until_real_usec, false), format_span(span, all));
        if (known_usec == 0)
                report_paragraph(buffer, drawing, "known", "nothing");
        else if (usec_add(known_usec, USEC_PER_SEC) < all)
                report_paragraph(buffer, drawing, "known", "%s of it", format_span(known, known_usec));
}

static void report_draw_account(struct buffer *buffer, const struct drawing *drawing, const struct report_body *report) {
        char all[DURATION_MAX], ours[DURATION_MAX], share[DURATION_MAX], part[DURATION_MAX];

        if (report->availability.whole > 0)
                report_paragraph(buffer, drawing, "available", "%s of the known time", report_share(share, &report->availability));
        if (report->awake_usec == USEC_INFINITY)
                return;
        if (report->awake_usec == 0)
                report_paragraph(buffer, drawing, "awake", "never seen");
        else if (report->awake_on_our_demand_usec == USEC_INFINITY)
                report_paragraph(buffer, drawing, "awake", "%s", format_span(all, report->awake_usec));
        else
                report_paragraph(buffer, drawing, "awake", "%s, %s of it (%s) on our demand", format_span(all, report->awake_usec),
                                 format_span(ours, report->awake_on_our_demand_usec),
                                 report_part(part, report->awake_on_our_demand_usec, report->awake_usec));
}

static void report_draw_states(struct buffer *buffer, const struct drawing *drawing, struct field_rows states) {
        _cleanup_(buffer_deinit) struct buffer text = {0};
        const char *separator = "";
        struct named_span state;

        while (field_rows_next(&states, &state)) {
                char span[DURATION_MAX];

                if (state.usec == 0)
                        continue;
                buffer_printf(&text, "%s%s %s", separator, state.name, format_span(span, state.usec));
                separator = ", ";
        }
        if (text.size)
                report_paragraph(buffer, drawing, "states", "%s", text.data);
}

static void report_draw_wakes(struct buffer *buffer, const struct drawing *drawing, const struct wakes_report *wakes) {
        struct field_rows by_cause = wakes->by_cause, distribution = wakes->distribution;
        char p50[DURATION_MAX], p95[DURATION_MAX], p99[DURATION_MAX], max[DURATION_MAX];
        _cleanup_(buffer_deinit) struct buffer causes = {0};
        const char *separator = "; caused by ";
        struct distribution_report bound;
        struct named_count cause;
        uint64_t measured = 0;
        char unknown[64];

        while (field_rows_next(&by_cause, &cause)) {
                if (cause.count == 0)
                        continue;
                buffer_printf(&causes, "%s%s %" PRIu64, separator, cause.name, cause.count);
                separator = ", ";
        }
        if (wakes->count == 0)
                report_paragraph(buffer, drawing, "wakes", "none");
        else
                report_paragraph(buffer, drawing, "wakes", "%" PRIu64 ", %" PRIu64 " of them cold%s", wakes->count, wakes->cold,
                                 causes.data ? causes.data : "");
        if (wakes->latency.p50_usec == USEC_INFINITY)
                return;
        while (field_rows_next(&distribution, &bound))
                measured += bound.count;
        (void)snprintf(unknown, sizeof(unknown), "; of %" PRIu64 " it is not known", wakes->count - MIN(wakes->count, measured));
        report_paragraph(buffer, drawing, "wakes take", "p50 %s, p95 %s, p99 %s, at most %s%s", format_span(p50, wakes->latency.p50_usec),
                         format_span(p95, wakes->latency.p95_usec), format_span(p99, wakes->latency.p99_usec),
                         format_span(max, wakes->latency.max_usec), measured < wakes->count ? unknown : "");
}

static void report_draw_phases(struct buffer *buffer, const struct drawing *drawing, struct field_rows phases) {
        static const struct column columns[] = {
                {"PHASE", false, 0}, {"COUNT", true, 1}, {"P50", true, 0}, {"P95", true, 0}, {"P99", true, 2},
        };
        _cleanup_(table_deinit) struct table table = {.columns = columns, .n_columns = ARRAY_LENGTH(columns)};
        struct terminal terminal = *drawing->terminal;
        struct phase_report phase;
        char text[DURATION_MAX];

        while (field_rows_next(&phases, &phase)) {
                const struct spread *spread = &phase.spread;

                if (spread->count == 0)
                        continue;
                table_add(&table, STYLE_PLAIN, phase.name);
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

/* "-" if no reason was kept. */
static const char *outage_reason(const struct outage_report *outage) {
        return outage->reason ? outage->reason : "-";
}

static void report_draw_outages(struct buffer *buffer, const struct drawing *drawing, const struct report_body *report) {
        struct field_rows outages = report->outages;
        struct outage_report outage;
        size_t n = 0;

        draw_heading(buffer, drawing, "Outages");
        for (; field_rows_next(&outages, &outage); n++) {
                _cleanup_(buffer_deinit) struct buffer text = {0};
                char span[DURATION_MAX];

                buffer_printf(&text, "%s: %s, %" PRIu64 " %s", outage_reason(&outage), format_span(span, outage.usec), outage.count,
                              outage.count == 1 ? "outage" : "outages");
                buffer->failed = buffer->failed || text.failed;
                report_draw_reason(buffer, drawing, text.data ? text.data : "", report_meaning(outage_reason(&outage)));
        }
        if (n == 0)
                draw_paragraph(buffer, drawing, "", DRAW_INDENT, report->known_usec ? "none" : "nothing is known");
}

/* The meaning of a reason that is among the outages need not be repeated. */
static bool report_is_told(struct field_rows outages, const char *slug) {
        struct outage_report outage;

        while (field_rows_next(&outages, &outage))
                if (streq(outage_reason(&outage), slug))
                        return true;
        return false;
}

static void report_draw_failures(struct buffer *buffer, const struct drawing *drawing, const struct report_body *report) {
        struct field_rows failures = report->failures;
        struct named_count failure;
        bool any = false;

        while (field_rows_next(&failures, &failure)) {
                _cleanup_(buffer_deinit) struct buffer text = {0};

                if (!any)
                        draw_heading(buffer, drawing, "Failed checks");
                any = true;
                buffer_printf(&text, "%s: %" PRIu64, failure.name, failure.count);
                buffer->failed = buffer->failed || text.failed;
                report_draw_reason(buffer, drawing, text.data ? text.data : "",
                                   report_is_told(report->outages, failure.name) ? NULL : report_meaning(failure.name));
        }
}

void report_draw(struct buffer *buffer, const struct drawing *drawing, const struct report *report) {
        const struct report_body *body = &report->answer.report;
        const struct timeline timeline = {report->answer.head.since_real_usec, report->answer.head.until_real_usec, report->timeline,
                                          report->n_timeline};

        report_draw_span(buffer, drawing, report);
        buffer_append(buffer, "\n", 1);
        timeline_append(buffer, drawing, &timeline);
        buffer_append(buffer, "\n", 1);
        report_draw_account(buffer, drawing, body);
        report_draw_states(buffer, drawing, body->states);
        report_draw_wakes(buffer, drawing, &body->wakes);
        if (body->wakes.latency.p50_usec != USEC_INFINITY) {
                draw_heading(buffer, drawing, "How long wakes took");
                bars_append(buffer, drawing, report->distribution, report->n_distribution);
        }
        report_draw_phases(buffer, drawing, body->phases);
        report_draw_outages(buffer, drawing, body);
        report_draw_failures(buffer, drawing, body);
}

/*
 * The report without a picture: one fact per line, its key first, all times in seconds. The keys never change, since users grep for them.
 */
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

/* A key from the daemon becomes one word, whatever it contains. */
static void report_append_word(struct buffer *buffer, const char *word) {
        for (; *word; word++)
                buffer_append(buffer, *word == ' ' ? "_" : word, 1);
}

static void report_list_counts(struct buffer *buffer, const char *key, struct field_rows counts) {
        struct named_count count;

        while (field_rows_next(&counts, &count)) {
                buffer_printf(buffer, "%s ", key);
                report_append_word(buffer, count.name);
                buffer_printf(buffer, " %" PRIu64 "\n", count.count);
        }
}

static void report_list_states(struct buffer *buffer, struct field_rows states) {
        struct named_span state;

        while (field_rows_next(&states, &state)) {
                buffer_append_string(buffer, "state_seconds ");
                report_append_word(buffer, state.name);
                buffer_printf(buffer, " %" PRIu64 ".%06" PRIu64 "\n", state.usec / USEC_PER_SEC, state.usec % USEC_PER_SEC);
        }
}

struct spread report_phase(struct field_rows phases, const char *name) {
        struct phase_report phase;

        while (field_rows_next(&phases, &phase))
                if (streq(phase.name, name))
                        return phase.spread;
        return (struct spread){0, USEC_INFINITY, USEC_INFINITY, USEC_INFINITY, USEC_INFINITY};
}

static void report_list_phases(struct buffer *buffer, struct field_rows phases) {
        for (enum phase phase = 0; phase < _PHASE_MAX; phase++) {
                struct spread spread = report_phase(phases, phase_name(phase));

                buffer_printf(buffer, "phase %s count %" PRIu64 " p50_seconds ", phase_name(phase), spread.count);
                report_append_seconds(buffer, spread.p50_usec);
                buffer_append_string(buffer, " p95_seconds ");
                report_append_seconds(buffer, spread.p95_usec);
                buffer_append_string(buffer, " p99_seconds ");
                report_append_seconds(buffer, spread.p99_usec);
                buffer_append(buffer, "\n", 1);
        }
}

static void report_list_outages(struct buffer *buffer, struct field_rows outages) {
        struct outage_report outage;

        while (field_rows_next(&outages, &outage)) {
                const char *meaning = report_meaning(outage_reason(&outage));

                buffer_append_string(buffer, "outages ");
                report_append_word(buffer, outage_reason(&outage));
                buffer_printf(buffer, " count %" PRIu64 " seconds ", outage.count);
                report_append_seconds(buffer, outage.usec);
                buffer_printf(buffer, "%s%s\n", meaning ? " meaning " : "", meaning ? meaning : "");
        }
}

static void report_list_distribution(struct buffer *buffer, struct field_rows distribution) {
        struct distribution_report bound;

        while (field_rows_next(&distribution, &bound)) {
                if (bound.count == 0)
                        continue;
                buffer_append_string(buffer, "wakes_up_to_seconds ");
                report_append_seconds(buffer, bound.up_to_usec);
                buffer_printf(buffer, " %" PRIu64 "\n", bound.count);
        }
}

static void report_list_time(struct buffer *buffer, const char *key, uint64_t real_usec) {
        char time[CLOCK_RFC3339_MAX];

        buffer_printf(buffer, "%s %s\n", key, clock_format_rfc3339(time, real_usec));
}

static void report_list_availability(struct buffer *buffer, const struct field_fraction *availability) {
        if (availability->whole == 0)
                buffer_append_string(buffer, "availability -\n");
        else
                buffer_printf(buffer, "availability %.8f\n", (double)availability->part / (double)availability->whole);
}

void report_list(struct buffer *buffer, const struct report *report) {
        const struct report_body *body = &report->answer.report;
        const struct spread *latency = &body->wakes.latency;

        buffer_append_string(buffer, "name ");
        report_append_word(buffer, report->answer.head.name);
        buffer_append(buffer, "\n", 1);
        report_list_time(buffer, "since", report->answer.head.since_real_usec);
        report_list_time(buffer, "until", report->answer.head.until_real_usec);
        report_list_seconds(buffer, "known_seconds", body->known_usec);
        report_list_availability(buffer, &body->availability);
        report_list_seconds(buffer, "awake_seconds", body->awake_usec);
        report_list_seconds(buffer, "awake_on_our_demand_seconds", body->awake_on_our_demand_usec);
        report_list_states(buffer, body->states);
        report_list_count(buffer, "wakes", body->wakes.count);
        report_list_count(buffer, "wakes_cold", body->wakes.cold);
        report_list_counts(buffer, "wakes_by_cause", body->wakes.by_cause);
        report_list_seconds(buffer, "wakes_p50_seconds", latency->p50_usec);
        report_list_seconds(buffer, "wakes_p95_seconds", latency->p95_usec);
        report_list_seconds(buffer, "wakes_p99_seconds", latency->p99_usec);
        report_list_seconds(buffer, "wakes_max_seconds", latency->max_usec);
        report_list_distribution(buffer, body->wakes.distribution);
        report_list_phases(buffer, body->phases);
        report_list_outages(buffer, body->outages);
        report_list_counts(buffer, "failures", body->failures);
}

static int report_show(struct context *context, json_t *json) {
        _cleanup_(report_deinit) struct report report = {0};
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        struct drawing drawing;
        char wrong[DECODE_PATH_MAX];
        int r;

        r = report_read(json, &report, wrong);
        if (r == -EBADMSG)
                return tell_wrong_member(context, wrong);
        if (r < 0)
                return tell_error(r, EXIT_CODE_NOT_READY);
        drawing_init(&drawing, &context->out);
        /* Without colours nothing can be drawn, or a program reads the output. */
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
