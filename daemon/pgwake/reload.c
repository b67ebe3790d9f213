/* `pgwake reload`: the daemon reads its configuration again, and its complaints are told. */
#include "pgwake/decode.h"
#include "pgwake/request.h"

#include <errno.h>
#include <inttypes.h>

/* "file:line: severity: message", as compilers say it. */
static int reload_append_complaint(struct buffer *buffer, json_t *json) {
        struct complaint {
                const char *file, *severity, *message;
                uint64_t line;
        } complaint = {.severity = "error"};
        const struct field fields[] = {
                {"message", FIELD_TEXT, true, offsetof(struct complaint, message)},
                {"file", FIELD_TEXT, false, offsetof(struct complaint, file)},
                {"line", FIELD_COUNT, false, offsetof(struct complaint, line)},
                {"severity", FIELD_TEXT, false, offsetof(struct complaint, severity)},
        };
        const char *wrong;

        if (decode_fields(json, fields, ARRAY_LENGTH(fields), &complaint, &wrong) < 0)
                return -EBADMSG;
        if (complaint.file && complaint.line)
                buffer_printf(buffer, "%s:%" PRIu64 ": ", complaint.file, complaint.line);
        else if (complaint.file)
                buffer_printf(buffer, "%s: ", complaint.file);
        buffer_printf(buffer, "%s: %s\n", complaint.severity, complaint.message);
        return 0;
}

static int reload_append_complaints(struct buffer *buffer, json_t *json) {
        json_t *complaints = json_object_get(json, "complaints"), *complaint;
        size_t i;

        if (complaints && !json_is_null(complaints) && !json_is_array(complaints))
                return -EBADMSG;
        json_array_foreach(complaints, i, complaint)
                if (reload_append_complaint(buffer, complaint) < 0)
                        return -EBADMSG;
        return 0;
}

static int reload_append_counts(struct buffer *buffer, json_t *json) {
        struct reload_counts {
                uint64_t added, removed, changed, unchanged;
        } counts = {0};
        const struct field fields[] = {
                {"added", FIELD_COUNT, false, offsetof(struct reload_counts, added)},
                {"removed", FIELD_COUNT, false, offsetof(struct reload_counts, removed)},
                {"changed", FIELD_COUNT, false, offsetof(struct reload_counts, changed)},
                {"unchanged", FIELD_COUNT, false, offsetof(struct reload_counts, unchanged)},
        };
        const char *wrong;

        if (decode_fields(json, fields, ARRAY_LENGTH(fields), &counts, &wrong) < 0)
                return -EBADMSG;
        buffer_printf(buffer, "reloaded: %" PRIu64 " added, %" PRIu64 " removed, %" PRIu64 " changed, %" PRIu64 " unchanged\n",
                      counts.added, counts.removed, counts.changed, counts.unchanged);
        return 0;
}

/* Complaints go to stderr, where the caller of a failing command looks. */
static int reload_tell(struct context *context, const struct answer *answer) {
        _cleanup_(buffer_deinit) struct buffer complaints = {0}, counts = {0};
        bool done = answer->status == 200;
        int r;

        if (reload_append_complaints(&complaints, answer->json) < 0 || (done && reload_append_counts(&counts, answer->json) < 0))
                return tell_malformed(context, "complaints or counts are not as promised");
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
