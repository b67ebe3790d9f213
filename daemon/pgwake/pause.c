/* `pgwake pause` and `pgwake resume`: stop the checks of a database for a time. */
#include "base/duration.h"
#include "pgwake/format.h"
#include "pgwake/request.h"

static int pause_for(struct context *context, const char *name, uint64_t usec) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        char span[DURATION_MAX], time[FORMAT_TIME_MAX];
        char wrong[DECODE_PATH_MAX];
        struct pause_answer paused;
        int r;

        r = request_post(context, "/pause", name, "for", duration_format(span, usec), &answer);
        if (r != 0)
                return r;
        if (answer.status != 200)
                return tell_refusal(context, &answer, name);
        if (context->options.json)
                return tell_error(terminal_write_json(&context->out, answer.json), EXIT_CODE_DONE);
        if (decode(answer.json, pause_fields, &paused, wrong) < 0)
                return tell_wrong_member(context, wrong);
        if (usec == 0)
                buffer_printf(&buffer, "%s is watched again\n", name);
        else if (paused.paused_until_real_usec)
                buffer_printf(&buffer, "%s is paused until %s: no checks, no alarms\n", name,
                              format_time(time, paused.paused_until_real_usec, false));
        else
                buffer_printf(&buffer, "%s is paused: no checks, no alarms\n", name);
        return tell_error(terminal_write(&context->out, &buffer), EXIT_CODE_DONE);
}

static int pause_exec(struct context *context) {
        const struct options *options = &context->options;
        const char *lasts = option_text(options, "for");
        uint64_t usec = 0;

        if (option_is_given(options, "off") == (lasts != NULL)) {
                complain("pause: say either --for T, how long nothing is to be checked, or --off");
                return EXIT_CODE_USAGE;
        }
        if (lasts && request_parse_span("for", lasts, &usec) < 0)
                return EXIT_CODE_USAGE;
        return pause_for(context, options->operands[0], usec);
}

const struct command command_pause = {
        .name = "pause",
        .arguments = "NAME --for T | --off",
        .summary = "Stop checking a database for a while.",
        .description = "For maintenance: NAME is not checked, its state is unknown (paused), and nobody is alarmed.\n",
        .options = (const struct command_option[]){
                {"for", "T", "For how long nothing is to be checked."},
                {"off", NULL, "End the pause."},
                {0},
        },
        .min_operands = 1,
        .max_operands = 1,
        .exec = pause_exec,
};

static int resume_exec(struct context *context) {
        return pause_for(context, context->options.operands[0], 0);
}

const struct command command_resume = {
        .name = "resume",
        .arguments = "NAME",
        .summary = "End a pause.",
        .description = "The same as pause NAME --off.\n",
        .min_operands = 1,
        .max_operands = 1,
        .exec = resume_exec,
};
