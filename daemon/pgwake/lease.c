/* Leases that pgwake does not hold itself: `pgwake hold --for` and `pgwake release`. */
#include "pgwake/lease.h"

#include "base/duration.h"
#include "pgwake/holder.h"
#include "pgwake/format.h"

#include <inttypes.h>

static int ask_lease(struct context *context, const char *owner, uint64_t for_usec, struct answer *ret_answer) {
        char span[DURATION_MAX];
        const struct parameter parameters[] = {{"owner", owner}, {"for", duration_format(span, for_usec)}, {0}};
        _cleanup_free_ char *path = client_path("/lease", context->options.operands[0], parameters);

        return request_send(context, &(struct request){.method = REQUEST_POST, .path = path, .timeout_usec = CLIENT_ANSWER_USEC}, ret_answer);
}

static int tell_lease(struct context *context, json_t *json) {
        _cleanup_(buffer_deinit) struct buffer line = {0};
        struct lease_fields {
                uint64_t id;
                const char *until;
        } lease = {0};
        const struct field fields[] = {
                {"lease.id", FIELD_COUNT, true, offsetof(struct lease_fields, id)},
                {"lease.until", FIELD_TEXT, true, offsetof(struct lease_fields, until)},
        };
        char time[FORMAT_TIME_MAX];
        const char *wrong;

        if (decode_fields(json, fields, ARRAY_LENGTH(fields), &lease, &wrong) < 0)
                return tell_malformed(context, "no lease in it");
        if (context->options.json)
                return tell_error(terminal_write_json(&context->out, json), EXIT_CODE_DONE);
        buffer_printf(&line, "lease %" PRIu64 " of %s until %s\n", lease.id, context->options.operands[0],
                      format_time(time, decode_time(lease.until), false));
        return tell_error(terminal_write(&context->out, &line), EXIT_CODE_DONE);
}

int lease_take_for(struct context *context, const char *owner, uint64_t for_usec) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        const char *advice;
        int r;

        r = ask_lease(context, owner, for_usec, &answer);
        if (r == 0 && answer.status != 201) {
                r = tell_refusal(context, &answer, context->options.operands[0]);
                advice = holder_advice(json_string_value(json_object_get(answer.json, "error")));
                if (advice)
                        complain("%s", advice);
        } else if (r == 0)
                r = tell_lease(context, answer.json);
        return r == 0 ? EXIT_CODE_DONE : EXIT_CODE_OWN_FAILURE;
}

static bool is_number(const char *text) {
        size_t length = strlen(text);

        return length > 0 && length <= 20 && strspn(text, "0123456789") == length;
}

static int release_exec(struct context *context) {
        const char *id = context->options.operands[0], *slug;
        _cleanup_free_ char *path = NULL;
        _cleanup_(answer_deinit) struct answer answer = {0};
        _cleanup_(buffer_deinit) struct buffer line = {0};
        int r;

        if (!is_number(id)) {
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
