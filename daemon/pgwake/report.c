#include "pgwake/report.h"

#include "pgwake/history.h"

#include <errno.h>

static int show(struct context *context, json_t *json) {
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
        if (since && !history_is_time("report", "since", since))
                return EXIT_CODE_USAGE;
        path = client_path("/history", options->operands[0], (const struct parameter[]){{"kind", "report"}, {"since", since}, {0}});
        r = request_send(context, &(struct request){.path = path, .timeout_usec = HISTORY_ANSWER_USEC}, &answer);
        if (r != 0)
                return r;
        if (answer.status != 200)
                return tell_refusal(context, &answer, options->operands[0]);
        if (options->json)
                return tell_error(terminal_write_json(&context->out, answer.json), EXIT_CODE_DONE);
        return show(context, answer.json);
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
