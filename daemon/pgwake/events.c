/* `pgwake events`: past events, and with --follow further ones as they happen, one per line. */
#include "base/clock.h"
#include "pgwake/event-stream.h"
#include "pgwake/request.h"

#include <errno.h>

struct printing {
        struct context *context;
        int error; /* of writing */
};

static int events_print_event(void *userdata, const char *kind, const char *data) {
        struct printing *printing = userdata;
        const struct options *options = &printing->context->options;
        _cleanup_(buffer_deinit) struct buffer line = {0};
        _cleanup_(json_freep) json_t *json = NULL;
        struct event_status event;
        int r;

        if (streq(kind, "gap")) {
                complain("some events are missing here: the daemon holds them no more");
                return 0;
        }
        r = event_read(data, options->json, &json, &event);
        if (r < 0)
                return r;
        if (options->json)
                printing->error = terminal_write_json_line(&printing->context->out, json);
        else {
                event_append(&line, &printing->context->out, &event);
                printing->error = terminal_write(&printing->context->out, &line);
        }
        return printing->error;
}

/* Reports how an exchange ended: a refusal, or no answer. */
static int events_tell_end(struct context *context, const struct exchange *exchange, const char *name) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        int r;

        if (exchange->error == 0 && exchange->status == 200)
                return EXIT_CODE_DONE;
        r = answer_read(context, exchange, &answer);
        return r != 0 ? r : tell_refusal(context, &answer, name);
}

/* Prints the events that the daemon still holds, and ends. */
static int events_print_stored(struct context *context, struct event_stream *stream, const char *name) {
        _cleanup_free_ char *path = NULL;
        _cleanup_(exchange_freep) struct exchange *exchange = NULL;
        const struct printing *printing = stream->userdata;
        struct request request = {
                .timeout_usec = CLIENT_ANSWER_USEC,
                .last_event_id = "0",
                .receive = event_stream_receive,
                .userdata = stream,
        };
        int r;

        if (asprintf(&path, "%s%cfollow=0", stream->path, name ? '&' : '?') < 0)
                return tell_error(-ENOMEM, EXIT_CODE_NOT_READY);
        request.path = path;
        r = client_start(context->client, &request, &exchange);
        while (r == 0 && !exchange->done)
                r = client_turn(context->client, USEC_INFINITY, NULL, 0);
        if (r < 0 || printing->error < 0)
                return tell_error(r < 0 ? r : printing->error, EXIT_CODE_DONE);
        return events_tell_end(context, exchange, name);
}

static int events_print_forever(struct context *context, struct event_stream *stream, const char *name) {
        const struct printing *printing = stream->userdata;
        const struct pollfd out = {.fd = fileno(context->out.file)};
        bool lost = false;
        int r;

        for (;;) {
                r = event_stream_turn(stream, clock_boot_usec());
                if (r < 0 || printing->error < 0)
                        return tell_error(r < 0 ? r : printing->error, EXIT_CODE_DONE);
                if (r == STREAM_ENDED)
                        return events_tell_end(context, stream->exchange, name);
                if (r == STREAM_LOST) {
                        complain("the daemon at %s is gone; waiting for it", client_socket(context->client));
                        lost = true;
                } else if (r == STREAM_OPENED && lost)
                        complain("the daemon at %s is back", client_socket(context->client));
                if (r != 0)
                        continue;
                /* The output's descriptor is watched for a reader that leaves: without events nothing else would show it. */
                r = client_turn(context->client, stream->retry_boot_usec, &out, 1);
                if (r < 0)
                        return tell_error(r, EXIT_CODE_NOT_READY);
                if (terminal_is_gone(&context->out))
                        return EXIT_CODE_DONE;
        }
}

static int events_exec(struct context *context) {
        const char *name = context->options.n_operands ? context->options.operands[0] : NULL;
        _cleanup_(event_stream_deinit) struct event_stream stream = {0};
        struct printing printing = {.context = context};
        int r;

        r = event_stream_init(&stream, context->client, name, events_print_event, &printing);
        if (r < 0)
                return tell_error(r, EXIT_CODE_NOT_READY);
        stream.replay = true;
        if (option_is_given(&context->options, "follow"))
                return events_print_forever(context, &stream, name);
        return events_print_stored(context, &stream, name);
}

const struct command command_events = {
        .name = "events",
        .arguments = "[NAME] [--follow]",
        .summary = "Show what happened.",
        .description = "Shows the events that the daemon still holds. With --follow it goes on, over restarts of the daemon too.\n",
        .options = (const struct command_option[]){
                {"follow", NULL, "Go on with the events to come, until Ctrl-C."},
                {0},
        },
        .max_operands = 1,
        .exec = events_exec,
};
