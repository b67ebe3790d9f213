/* The commands that tell the daemon to do something: wake, pause, resume, reload. */
#include "base/clock.h"
#include "base/duration.h"
#include "pgwake/request.h"
#include "pgwake/format.h"
#include "pgwake/wait.h"

#include <errno.h>
#include <inttypes.h>

static int tell_wake(struct context *context, json_t *json) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        struct database_view database;
        char span[DURATION_MAX];
        const char *wrong;

        if (decode_database(json, &database, &wrong) < 0)
                return tell_malformed(context, wrong);
        buffer_printf(&buffer, "%s is ", database.name);
        style_append(&buffer, &context->out, style_of_state(database.state), database.state);
        if (!database.ready && database.expected_usec != USEC_INFINITY)
                buffer_printf(&buffer, ", expected to be ready in about %s", format_span(span, database.expected_usec));
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
                if (parse_span("wait", wait, &wait_usec) < 0)
                        return EXIT_CODE_USAGE;
                return wait_for(context, NULL, true, wait_usec);
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
        return tell_wake(context, answer.json);
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

static int pause_for(struct context *context, const char *name, uint64_t usec) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        char span[DURATION_MAX], time[FORMAT_TIME_MAX];
        const char *until;
        int r;

        r = request_post(context, "/pause", name, "for", duration_format(span, usec), &answer);
        if (r != 0)
                return r;
        if (answer.status != 200)
                return tell_refusal(context, &answer, name);
        if (context->options.json)
                return tell_error(terminal_write_json(&context->out, answer.json), EXIT_CODE_DONE);
        until = json_string_value(json_object_get(answer.json, "paused_until"));
        if (usec == 0)
                buffer_printf(&buffer, "%s is watched again\n", name);
        else if (until)
                buffer_printf(&buffer, "%s is paused until %s: no checks, no alarms\n", name, format_time(time, decode_time(until), false));
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
        if (lasts && parse_span("for", lasts, &usec) < 0)
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

/* "file:line: severity: message", as compilers say it. */
static int append_complaint(struct buffer *buffer, json_t *json) {
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

static int append_complaints(struct buffer *buffer, json_t *json) {
        json_t *complaints = json_object_get(json, "complaints"), *complaint;
        size_t i;

        if (complaints && !json_is_null(complaints) && !json_is_array(complaints))
                return -EBADMSG;
        json_array_foreach(complaints, i, complaint)
                if (append_complaint(buffer, complaint) < 0)
                        return -EBADMSG;
        return 0;
}

static int append_counts(struct buffer *buffer, json_t *json) {
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
static int tell_reload(struct context *context, const struct answer *answer) {
        _cleanup_(buffer_deinit) struct buffer complaints = {0}, counts = {0};
        bool done = answer->status == 200;
        int r;

        if (append_complaints(&complaints, answer->json) < 0 || (done && append_counts(&counts, answer->json) < 0))
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
        return tell_reload(context, &answer);
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
