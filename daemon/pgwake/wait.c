/* `pgwake wait` and `pgwake wake --wait`: any number of databases, one loop, no polling. */
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/duration.h"
#include "base/text.h"
#include "pgwake/event-stream.h"
#include "pgwake/format.h"
#include "pgwake/wait-client.h"
#include "pgwake/wait.h"

#include <errno.h>

/* How many databases are requested at once; the others follow when these are reached. */
#define HELD_AT_ONCE 32
#define DRAW_USEC (100 * USEC_PER_MSEC)
/* The daemon's limit. */
#define SPREAD_MAX_USEC (5 * USEC_PER_MINUTE)

struct waiting {
        struct context *context;
        struct wait_aim aim;
        struct wait_client *clients;
        size_t n;
        struct event_stream stream;
        bool streaming;
        struct progress progress;
        uint64_t started_boot_usec;
};

static void waiting_deinit(struct waiting *waiting) {
        for (size_t i = 0; i < waiting->n; i++)
                wait_client_deinit(&waiting->clients[i]);
        free(waiting->clients);
        event_stream_deinit(&waiting->stream);
        progress_clear(&waiting->progress);
}

static int waiting_on_event(void *userdata, const char *kind, const char *data) {
        struct waiting *waiting = userdata;
        _cleanup_(json_freep) json_t *json = NULL;
        struct event_status event;
        int r;

        /* The missed events may contain the awaited one. */
        if (streq(kind, "gap")) {
                for (size_t i = 0; i < waiting->n; i++)
                        waiting->clients[i].look_wanted = true;
                return 0;
        }
        r = event_read(data, waiting->context->options.json, &json, &event);
        if (r < 0)
                return r;
        for (size_t i = 0; r == 0 && i < waiting->n; i++) {
                struct wait_client *client = &waiting->clients[i];

                if (client->stage != WAIT_PENDING || !streq(client->name, event.database))
                        continue;
                if (streq(event.kind, "removed")) {
                        client->stage = WAIT_OVER;
                        r = wait_client_learn(client, "removed", NULL, "It is no longer configured.");
                } else if (event.state) {
                        client->look_wanted = waiting->progress.terminal->is_terminal;
                        r = wait_client_learn(client, event.state, event.reason, event.message);
                }
        }
        return r;
}

/* For a state the stream is the source; for readiness it only feeds the progress line, and may fail. */
static int waiting_turn_stream(struct waiting *waiting, uint64_t now) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        int r;

        if (!waiting->streaming)
                return 0;
        r = event_stream_turn(&waiting->stream, now);
        if (r < 0)
                return tell_error(r, EXIT_CODE_NOT_READY);
        if (r == STREAM_OPENED)
                for (size_t i = 0; i < waiting->n; i++)
                        waiting->clients[i].look_wanted = true;
        if (r != STREAM_ENDED)
                return 0;
        if (!waiting->aim.state) {
                waiting->streaming = false;
                return 0;
        }
        progress_clear(&waiting->progress);
        r = answer_read(waiting->context, waiting->stream.exchange, &answer);
        return r != 0 ? r : tell_refusal(waiting->context, &answer, waiting->n == 1 ? waiting->clients[0].name : NULL);
}

static size_t waiting_count_stage(const struct waiting *waiting, enum wait_stage stage) {
        size_t count = 0;

        for (size_t i = 0; i < waiting->n; i++)
                count += waiting->clients[i].stage == stage;
        return count;
}

static int waiting_start(struct waiting *waiting, uint64_t now, uint64_t *ret_next) {
        uint64_t next = USEC_INFINITY;
        size_t under_way = 0;
        int r = 0;

        for (size_t i = 0; i < waiting->n; i++)
                under_way += waiting->clients[i].held || waiting->clients[i].look;
        for (size_t i = 0; r == 0 && i < waiting->n && under_way < HELD_AT_ONCE; i++) {
                struct wait_client *client = &waiting->clients[i];
                bool idle = !client->held && !client->look;

                r = wait_client_start(client, now);
                under_way += idle && (client->held || client->look);
                next = MIN(next, wait_client_next(client));
        }
        *ret_next = next;
        return r < 0 ? tell_error(r, EXIT_CODE_NOT_READY) : 0;
}

/* Shows the first database that is not reached yet. */
static void waiting_draw(struct waiting *waiting, uint64_t now) {
        for (size_t i = 0; i < waiting->n; i++) {
                const struct wait_client *client = &waiting->clients[i];
                struct progress_view view = {
                        .name = client->name,
                        .state = client->state,
                        .reason = client->reason && *client->reason ? client->reason : NULL,
                        .expected_boot_usec = waiting->aim.state ? USEC_INFINITY : client->expected_boot_usec,
                        .done = waiting_count_stage(waiting, WAIT_REACHED),
                        .total = waiting->n,
                };

                if (client->stage == WAIT_PENDING) {
                        progress_draw(&waiting->progress, now, &view);
                        return;
                }
        }
}

static int waiting_take_answers(struct waiting *waiting, uint64_t now) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < waiting->n; i++) {
                struct wait_client *client = &waiting->clients[i];

                /* Messages below need a line of their own. */
                if ((client->held && client->held->done) || (client->look && client->look->done))
                        progress_clear(&waiting->progress);
                r = wait_client_turn(client, now);
        }
        return r;
}

/* The time is over while only the stream is open, or between two requests. */
static void waiting_end_overdue(struct waiting *waiting, uint64_t now) {
        if (now < waiting->aim.deadline_boot_usec)
                return;
        for (size_t i = 0; i < waiting->n; i++) {
                struct wait_client *client = &waiting->clients[i];
                bool asking = client->held || client->lost_boot_usec;

                if (client->stage == WAIT_PENDING && !asking && (waiting->aim.state || client->state))
                        client->stage = WAIT_OVER;
        }
}

static int waiting_turn(struct waiting *waiting) {
        uint64_t now = clock_boot_usec(), next;
        int r;

        r = waiting_turn_stream(waiting, now);
        if (r == 0)
                r = waiting_start(waiting, now, &next);
        if (r != 0)
                return r;
        waiting_draw(waiting, now);
        if (waiting->progress.terminal->is_terminal)
                next = MIN(next, now + DRAW_USEC);
        if (waiting->aim.deadline_boot_usec > now)
                next = MIN(next, waiting->aim.deadline_boot_usec);
        if (waiting->streaming)
                next = MIN(next, waiting->stream.retry_boot_usec);
        r = client_turn(waiting->context->client, next, NULL, 0);
        if (r < 0)
                return tell_error(r, EXIT_CODE_NOT_READY);
        now = clock_boot_usec();
        r = waiting_take_answers(waiting, now);
        if (r == 0)
                waiting_end_overdue(waiting, now);
        return r;
}

/* Empty texts are unknown: null. */
static json_t *waiting_one_to_json(const struct wait_client *client) {
        const char *reason = client->reason && *client->reason ? client->reason : NULL;
        const char *message = client->message && *client->message ? client->message : NULL;

        return json_pack("{s:s, s:b, s:s?, s:s?, s:s?}", "name", client->name, "reached", client->stage == WAIT_REACHED, "state",
                         client->state, "reason", reason, "message", message);
}

static int waiting_tell_json(const struct waiting *waiting, bool reached, uint64_t elapsed_usec) {
        _cleanup_(json_freep) json_t *json = NULL;
        json_t *databases = json_array();

        json = json_pack("{s:b, s:f, s:o}", "reached", reached, "elapsed_seconds", (double)elapsed_usec / 1e6, "databases", databases);
        for (size_t i = 0; json && i < waiting->n; i++)
                if (json_array_append_new(databases, waiting_one_to_json(&waiting->clients[i])) < 0)
                        return -ENOMEM;
        return json ? terminal_write_json(&waiting->context->out, json) : -ENOMEM;
}

static void waiting_tell_not_reached(const struct wait_client *client, const char *span) {
        const char *reason = client->reason && !streq(client->reason, "ok") ? client->reason : "";
        const char *message = client->message ? client->message : "";

        complain("%s is %s after %s%s%s%s%s%s", client->name, client->state ? client->state : "unknown", span, *reason ? " (" : "", reason,
                 *reason ? ")" : "", *message ? ": " : "", message);
}

static int waiting_tell_people(const struct waiting *waiting, uint64_t elapsed_usec) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        char span[DURATION_MAX];

        (void)format_span(span, elapsed_usec);
        for (size_t i = 0; i < waiting->n; i++) {
                const struct wait_client *client = &waiting->clients[i];

                if (client->stage == WAIT_REACHED)
                        buffer_printf(&buffer, "%s is %s after %s\n", client->name, client->state, span);
                else
                        waiting_tell_not_reached(client, span);
        }
        return terminal_write(&waiting->context->out, &buffer);
}

/* The end: every database is reached, or one will not be. */
static int waiting_tell(struct waiting *waiting) {
        bool reached = waiting_count_stage(waiting, WAIT_REACHED) == waiting->n;
        uint64_t elapsed = usec_sub(clock_boot_usec(), waiting->started_boot_usec);
        int r;

        progress_clear(&waiting->progress);
        r = waiting->context->options.json ? waiting_tell_json(waiting, reached, elapsed) : waiting_tell_people(waiting, elapsed);
        return tell_error(r, reached ? EXIT_CODE_DONE : EXIT_CODE_NOT_READY);
}

static int waiting_prepare(struct waiting *waiting, uint64_t timeout_usec) {
        const struct options *options = &waiting->context->options;
        int r = 0;

        waiting->started_boot_usec = clock_boot_usec();
        waiting->aim.deadline_boot_usec = usec_add(waiting->started_boot_usec, timeout_usec);
        waiting->progress = (struct progress){.terminal = &waiting->context->err, .started_boot_usec = waiting->started_boot_usec};
        waiting->clients = calloc(options->n_operands, sizeof(*waiting->clients));
        if (!waiting->clients)
                return -ENOMEM;
        waiting->n = options->n_operands;
        for (size_t i = 0; i < waiting->n; i++)
                wait_client_init(&waiting->clients[i], waiting->context, &waiting->aim, options->operands[i]);
        waiting->streaming = waiting->aim.state || waiting->progress.terminal->is_terminal;
        if (waiting->streaming)
                r = event_stream_init(&waiting->stream, waiting->context->client, waiting->n == 1 ? waiting->clients[0].name : NULL,
                                      waiting_on_event, waiting);
        return r;
}

/* Reads --spread; -EINVAL (reported) for a value that the daemon would refuse. */
static int waiting_read_spread(const struct options *options, struct wait_aim *aim) {
        const char *spread = option_text(options, "spread");

        if (!spread)
                return 0;
        if (aim->state) {
                complain("--spread goes with waiting for ready, not for another state");
                return -EINVAL;
        }
        if (request_parse_span("spread", spread, &aim->spread_usec) < 0)
                return -EINVAL;
        if (aim->spread_usec > SPREAD_MAX_USEC) {
                complain("--spread: %s is too long; at most 5min", spread);
                return -EINVAL;
        }
        aim->spread = spread;
        return 0;
}

int wait_for_all(struct context *context, const char *state, bool wake, uint64_t timeout_usec) {
        _cleanup_(waiting_deinit) struct waiting waiting = {.context = context, .aim = {.state = state, .wake = wake}};
        int r;

        if (waiting_read_spread(&context->options, &waiting.aim) < 0)
                return EXIT_CODE_USAGE;
        r = waiting_prepare(&waiting, timeout_usec);
        if (r < 0)
                return tell_error(r, EXIT_CODE_NOT_READY);
        while (waiting_count_stage(&waiting, WAIT_PENDING) > 0 && waiting_count_stage(&waiting, WAIT_OVER) == 0) {
                r = waiting_turn(&waiting);
                if (r != 0)
                        return r;
        }
        return waiting_tell(&waiting);
}

static int wait_usage_error_state(const char *word) {
        const char *names[_STATE_MAX + 1] = {"ready"}, *nearest;
        _cleanup_(buffer_deinit) struct buffer list = {0};

        for (enum state state = 0; state < _STATE_MAX; state++)
                names[state + 1] = state_name(state);
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                buffer_printf(&list, "%s%s", i == 0 ? "" : i + 1 < ARRAY_LENGTH(names) ? ", " : " and ", names[i]);
        nearest = text_nearest(word, names, ARRAY_LENGTH(names));
        complain("wait: \"%s\" is no state; there are %s%s%s%s", word, buffer_finish(&list) == 0 ? list.data : "others",
                 nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
        return EXIT_CODE_USAGE;
}

/* Reads --ready-fd, and checks it before the waiting begins. Returns 0, or an exit code. */
static int wait_take_ready_fd(const struct options *options, int *ret_fd) {
        const char *text = option_text(options, "ready-fd");
        int r = text ? descriptor_parse_ready(text, ret_fd) : 0;

        if (r == -EBADF)
                complain("wait: --ready-fd %s is not open for writing; expected the file descriptor that the supervisor passes", text);
        else if (r < 0)
                complain("wait: --ready-fd wants the number of a file descriptor, from 3 on, not \"%s\"", text);
        return r < 0 ? EXIT_CODE_USAGE : 0;
}

static int wait_tell_ready(int ready_fd) {
        int r = descriptor_tell_ready(ready_fd);

        if (r < 0)
                complain("wait: cannot write to --ready-fd: %s", strerror(-r));
        return r < 0 ? EXIT_CODE_NOT_READY : EXIT_CODE_DONE;
}

static int wait_exec(struct context *context) {
        const struct options *options = &context->options;
        const char *for_state = option_text(options, "for"), *timeout = option_text(options, "timeout");
        uint64_t timeout_usec = USEC_INFINITY;
        enum state state;
        int ready_fd = -1, code;

        if (for_state && streq(for_state, "ready"))
                for_state = NULL;
        if (for_state && state_from_name(for_state, &state) < 0)
                return wait_usage_error_state(for_state);
        if (timeout && request_parse_span("timeout", timeout, &timeout_usec) < 0)
                return EXIT_CODE_USAGE;
        code = wait_take_ready_fd(options, &ready_fd);
        if (code == 0)
                code = wait_for_all(context, for_state, option_is_given(options, "wake"), timeout_usec);
        return code == EXIT_CODE_DONE ? wait_tell_ready(ready_fd) : code;
}

const struct command command_wait = {
        .name = "wait",
        .arguments = "NAME... [--for STATE] [--timeout T] [--wake] [--spread T] [--ready-fd N]",
        .summary = "Wait until databases are ready.",
        .description =
                "Waits until every NAME was ready, and returns in that moment. To wait is no demand: a sleeping database\n"
                "stays asleep unless somebody else wakes it, or --wake is given.\n",
        .options = (const struct command_option[]){
                {"for", "STATE", "Wait for this state instead of ready: asleep, waking, awake, down, ..."},
                {"timeout", "T", "Give up after T (30s, 5min); without it wait for ever."},
                {"wake", NULL, "Wake the databases too; to wait alone wakes nothing."},
                {"ready-fd", "N", "Then write a newline to file descriptor N and close it, as s6 and dinit expect."},
                {"spread", "T", "Be released at a moment of its own within T after it awoke: no storm."},
                {0},
        },
        .min_operands = 1,
        .max_operands = OPERANDS_MANY,
        .exec = wait_exec,
};
