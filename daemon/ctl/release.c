/* `pgwake release`: ends a lease by its number, whoever holds it. */
#include "ctl/ask.h"

static bool is_number(const char *text) {
        size_t length = strlen(text);

        return length > 0 && length <= 20 && strspn(text, "0123456789") == length;
}

int command_release(struct context *context) {
        const char *id = context->options.operands[0];
        _cleanup_free_ char *path = NULL;
        _cleanup_(answer_deinit) struct answer answer = {0};
        _cleanup_(buffer_deinit) struct buffer line = {0};
        int r;

        if (!is_number(id)) {
                complain("release: \"%s\" is no number of a lease; pgwake status NAME shows them", id);
                return EXIT_CODE_USAGE;
        }
        path = client_path("/lease", id, NULL);
        r = ask(context, &(struct request){.method = REQUEST_DELETE, .path = path, .timeout_usec = CLIENT_ANSWER_USEC}, &answer);
        if (r != 0)
                return r;
        if (answer.status != 200)
                return tell_refusal(context, &answer, NULL);
        if (context->options.json)
                return tell_error(terminal_write_json(&context->out, answer.json), EXIT_CODE_DONE);
        buffer_printf(&line, "lease %s is ended\n", id);
        return tell_error(terminal_write(&context->out, &line), EXIT_CODE_DONE);
}
