/* `pgwake wake`: wakes a database, and with --wait waits for it. */
#include "base/clock.h"
#include "pgwake/format.h"
#include "pgwake/request.h"
#include "pgwake/wait.h"

static int wake_tell(struct context *context, json_t *json) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        struct database_status database;
        char span[DURATION_MAX], wrong[DECODE_PATH_MAX];

        if (decode(json, database_fields, &database, wrong) < 0)
                return tell_wrong_member(context, wrong);
        buffer_printf(&buffer, "%s is ", database.name);
        style_append(&buffer, &context->out, style_of_state(database.state), database.state);
        if (!database.ready && database.expected_ready_usec != USEC_INFINITY)
                buffer_printf(&buffer, ", expected to be ready in about %s", format_span(span, database.expected_ready_usec));
        else if (!database.ready)
                buffer_append_string(&buffer, ", the wake has begun");
        buffer_append(&buffer, "\n", 1);
        return tell_error(terminal_write(&context->out, &buffer), EXIT_CODE_DONE);
}

static int wake_exec(struct context *context) {
        const char *name = context->options.operands[0];
        const char *wait = option_text(&context->options, "wait");
        _cleanup_(answer_deinit) struct answer answer = {0};
        uint64_t wait_usec;
        int r;

        if (wait) {
                if (request_parse_span("wait", wait, &wait_usec) < 0)
                        return EXIT_CODE_USAGE;
                return wait_for_all(context, NULL, true, wait_usec);
        }
        if (option_is_given(&context->options, "spread")) {
                complain("wake: --spread goes with --wait");
                return EXIT_CODE_USAGE;
        }
        r = request_post(context, "/wake", name, NULL, NULL, &answer);
        if (r != 0)
                return r;
        if (answer.status != 200 && answer.status != 202)
                return tell_refusal(context, &answer, name);
        if (context->options.json)
                return tell_error(terminal_write_json(&context->out, answer.json), EXIT_CODE_DONE);
        return wake_tell(context, answer.json);
}

const struct command command_wake = {
        .name = "wake",
        .arguments = "NAME [--wait T] [--spread T]",
        .summary = "Wake a database.",
        .description = "Starts a wake, or joins the one that runs, and says when the database should be ready.\n",
        .options = (const struct command_option[]){
                {"wait", "T", "Wait until the database is ready, T at most."},
                {"spread", "T", "With --wait: be released at a moment of its own within T after it awoke."},
                {0},
        },
        .min_operands = 1,
        .max_operands = 1,
        .exec = wake_exec,
};
