/* `pgwake reload`: makes the daemon read its configuration again, and reports its complaints. */
#include "pgwake/decode.h"
#include "pgwake/request.h"

#include <errno.h>
#include <inttypes.h>

/* "file:line: severity: message", like compilers. */
static void reload_append_complaints(struct buffer *buffer, struct field_rows complaints) {
        struct complaint_status complaint;

        while (field_rows_next(&complaints, &complaint)) {
                if (complaint.file && complaint.line)
                        buffer_printf(buffer, "%s:%" PRIu64 ": ", complaint.file, complaint.line);
                else if (complaint.file)
                        buffer_printf(buffer, "%s: ", complaint.file);
                buffer_printf(buffer, "%s: %s\n", complaint.severity ? complaint.severity : "error", complaint.message);
        }
}

/* Complaints go to stderr, where users look when a command fails. */
static int reload_tell(struct context *context, const struct answer *answer) {
        _cleanup_(buffer_deinit) struct buffer complaints = {0}, counts = {0};
        bool done = answer->status == 200;
        char wrong[DECODE_PATH_MAX];
        struct reload_answer read;
        int r;

        if (decode(answer->json, reload_fields, &read, wrong) < 0)
                return tell_wrong_member(context, wrong);
        reload_append_complaints(&complaints, read.complaints);
        if (done)
                buffer_printf(&counts, "reloaded: %" PRIu64 " added, %" PRIu64 " removed, %" PRIu64 " changed, %" PRIu64 " unchanged\n",
                              read.added, read.removed, read.changed, read.unchanged);
        r = terminal_write(&context->err, &complaints);
        if (r == 0)
                r = terminal_write(&context->out, &counts);
        if (!done)
                complain("the configuration was refused; the one before stays in force");
        return tell_error(r, done ? EXIT_CODE_DONE : EXIT_CODE_NOT_READY);
}

static int reload_exec(struct context *context) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        int r, code;

        r = request_post(context, "/reload", NULL, option_is_given(&context->options, "remove-all") ? "remove" : NULL, "all", &answer);
        if (r != 0)
                return r;
        if (answer.status != 200 && answer.status != 422)
                return tell_refusal(context, &answer, NULL);
        code = answer.status == 200 ? EXIT_CODE_DONE : EXIT_CODE_NOT_READY;
        if (context->options.json)
                return tell_error(terminal_write_json(&context->out, answer.json), code);
        return reload_tell(context, &answer);
}

const struct command command_reload = {
        .name = "reload",
        .arguments = "[--remove-all]",
        .summary = "Read the configuration again.",
        .description =
                "Prints the daemon's complaints about its configuration. A bad one is refused: the one before stays in\n"
                "force, and the exit code is 1.\n",
        .options = (const struct command_option[]){
                {"remove-all", NULL, "Take it also where it leaves no database."},
                {0},
        },
        .exec = reload_exec,
};
