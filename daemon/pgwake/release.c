/* `pgwake release`: ends a lease, whoever holds it. */
#include "pgwake/request.h"

static bool release_is_number(const char *text) {
        size_t length = strlen(text);

        return length > 0 && length <= 20 && strspn(text, "0123456789") == length;
}

static int release_exec(struct context *context) {
        const char *id = context->options.operands[0], *slug;
        _cleanup_free_ char *path = NULL;
        _cleanup_(answer_deinit) struct answer answer = {0};
        _cleanup_(buffer_deinit) struct buffer line = {0};
        int r;

        if (!release_is_number(id)) {
                complain("release: \"%s\" is no number of a lease; pgwake status NAME shows them", id);
                return EXIT_CODE_USAGE;
        }
        path = client_path("/lease", id, NULL);
        r = request_send(context, &(struct request){.method = REQUEST_DELETE, .path = path, .timeout_usec = CLIENT_ANSWER_USEC}, &answer);
        if (r != 0)
                return r;
        slug = json_string_value(json_object_get(answer.json, "error"));
        if (slug && streq(slug, "no_such_lease") && !context->options.json) {
                complain("release: no lease has the number %s; pgwake status NAME lists those of a database (%s)", id, slug);
                return EXIT_CODE_NOT_READY;
        }
        if (answer.status != 200)
                return tell_refusal(context, &answer, NULL);
        if (context->options.json)
                return tell_error(terminal_write_json(&context->out, answer.json), EXIT_CODE_DONE);
        buffer_printf(&line, "lease %s is ended\n", id);
        return tell_error(terminal_write(&context->out, &line), EXIT_CODE_DONE);
}

const struct command command_release = {
        .name = "release",
        .arguments = "ID",
        .summary = "End somebody's lease.",
        .description = "Ends the lease with this number, which status NAME shows. Who holds it is told, and does not take it again.\n",
        .min_operands = 1,
        .max_operands = 1,
        .missing = "which lease? pgwake status NAME shows their numbers",
        .exec = release_exec,
};
