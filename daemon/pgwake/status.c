/*
 * `pgwake status`: the present state of the databases. With --watch on a terminal, a picture that is redrawn in place on every event, and
 * once a second because spans grow; elsewhere, a picture (with --json a line) after every event.
 */
#include "pgwake/status-view.h"

#include "base/clock.h"
#include "base/error.h"
#include "pgwake/event-stream.h"
#include "pgwake/format.h"

#include <signal.h>
#include <sys/signalfd.h>

#define REFRESH_USEC USEC_PER_SEC
/* A burst of events causes one picture. */
#define SETTLE_USEC (20 * USEC_PER_MSEC)

struct watch {
        struct context *context;
        const char *name;
        struct event_stream stream;
        struct exchange *exchange; /* the request for the next picture */
        uint64_t ask_boot_usec;    /* when the next request is due */
        struct buffer picture;     /* the last one */
        char notice[320];          /* why it is old, or "" */
        int signals;
        int code;
        bool ended;
};

static void watch_deinit(struct watch *watch) {
        exchange_free(watch->exchange);
        event_stream_deinit(&watch->stream);
        buffer_deinit(&watch->picture);
        close_fd(&watch->signals);
}

static void watch_end(struct watch *watch, int code) {
        watch->ended = true;
        watch->code = code;
}

static int watch_on_event(void *userdata, const char *kind, const char *data) {
        struct watch *watch = userdata;

        (void)kind;
        (void)data;
        watch->ask_boot_usec = MIN(watch->ask_boot_usec, usec_add(clock_boot_usec(), SETTLE_USEC));
        return 0;
}

/* Draws every line over the old one and clears the rest of it, so that nothing flickers. */
static int watch_draw(struct watch *watch) {
        const struct terminal *out = &watch->context->out;
        _cleanup_(buffer_deinit) struct buffer frame = {0};
        const char *p = watch->picture.data ? watch->picture.data : "", *newline;
        unsigned rows = out->rows ? out->rows : 24;

        buffer_append_string(&frame, "\033[H");
        if (watch->notice[0] && rows > 1) {
                style_append(&frame, out, STYLE_BAD, watch->notice);
                buffer_append_string(&frame, "\033[K\r\n");
                rows--;
        }
        for (; rows > 1 && (newline = strchr(p, '\n')); p = newline + 1, rows--) {
                buffer_append(&frame, p, (size_t)(newline - p));
                buffer_append_string(&frame, "\033[K\r\n");
        }
        buffer_append_string(&frame, "\033[J");
        return terminal_write(out, &frame);
}

static int watch_take_picture(struct watch *watch, struct answer *answer) {
        struct context *context = watch->context;
        int r;

        if (answer->status != 200)
                return tell_refusal(context, answer, watch->name);
        if (context->options.json)
                return tell_error(terminal_write_json_line(&context->out, answer->json), 0);
        buffer_clear(&watch->picture);
        r = status_compose(context, watch->name, answer->json, context->out.is_terminal ? context->out.rows : 0, &watch->picture);
        if (r != 0 || context->out.is_terminal)
                return r;
        buffer_append(&watch->picture, "\n", 1);
        return tell_error(terminal_write(&context->out, &watch->picture), 0);
}

/* The picture stays, marked as old, until the daemon is back; a daemon that never answered is reported at once. */
static void watch_on_no_answer(struct watch *watch) {
        struct context *context = watch->context;
        char time[FORMAT_TIME_MAX];

        if (!watch->picture.size && !watch->stream.stood)
                watch_end(watch, tell_no_answer(context, watch->exchange));
        else if (!watch->notice[0]) {
                (void)snprintf(watch->notice, sizeof(watch->notice), "%s: the daemon %s; waiting for it",
                               format_time(time, clock_real_usec(), false), watch->exchange->problem);
                if (!context->out.is_terminal)
                        complain("%s", watch->notice);
        }
}

static void watch_on_answer(struct watch *watch) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        int r;

        if (watch->exchange->error < 0 && watch->exchange->error != -EBADMSG && watch->exchange->error != -EMSGSIZE) {
                watch_on_no_answer(watch);
                return;
        }
        watch->notice[0] = '\0';
        r = answer_read(watch->context, watch->exchange, &answer);
        if (r == 0)
                r = watch_take_picture(watch, &answer);
        if (r != 0)
                watch_end(watch, r);
        else if (terminal_is_gone(&watch->context->out))
                watch_end(watch, EXIT_CODE_DONE);
}

static int watch_ask_when_due(struct watch *watch) {
        _cleanup_free_ char *path = NULL;
        uint64_t now = clock_boot_usec();

        if (watch->exchange || watch->ask_boot_usec > now)
                return 0;
        path = client_path("/status", watch->name, NULL);
        if (!path)
                return -ENOMEM;
        watch->ask_boot_usec = watch->context->out.is_terminal || watch->notice[0] ? now + REFRESH_USEC : USEC_INFINITY;
        return client_start(watch->context->client, &(struct request){.path = path, .timeout_usec = CLIENT_ANSWER_USEC}, &watch->exchange);
}

static void watch_on_signal(struct watch *watch) {
        struct signalfd_siginfo info;

        if (read(watch->signals, &info, sizeof(info)) != sizeof(info))
                return;
        if (info.ssi_signo != SIGWINCH) {
                watch_end(watch, EXIT_CODE_DONE);
                return;
        }
        terminal_measure(&watch->context->out);
        watch->ask_boot_usec = 0;
}

static int watch_turn_stream(struct watch *watch) {
        int r;

        r = event_stream_turn(&watch->stream, clock_boot_usec());
        /* After a gap the picture may be entirely different. */
        if (r == STREAM_OPENED || r == STREAM_LOST)
                watch->ask_boot_usec = 0;
        if (r == STREAM_ENDED) {
                _cleanup_(answer_deinit) struct answer answer = {0};

                r = answer_read(watch->context, watch->stream.exchange, &answer);
                watch_end(watch, r != 0 ? r : tell_refusal(watch->context, &answer, watch->name));
        }
        return r < 0 ? r : 0;
}

static int watch_turn(struct watch *watch) {
        const struct pollfd fds[] = {
                {.fd = watch->signals, .events = POLLIN},
                {.fd = fileno(watch->context->out.file)},
        };
        bool news = false;
        uint64_t next;
        int r;

        r = watch_turn_stream(watch);
        if (r == 0 && !watch->ended)
                r = watch_ask_when_due(watch);
        if (r < 0 || watch->ended)
                return r;
        next = MIN(watch->exchange ? USEC_INFINITY : watch->ask_boot_usec, watch->stream.retry_boot_usec);
        r = client_turn(watch->context->client, next, fds, ARRAY_LENGTH(fds));
        if (r < 0)
                return r;
        watch_on_signal(watch);
        if (watch->exchange && watch->exchange->done) {
                watch_on_answer(watch);
                watch->exchange = exchange_free(watch->exchange);
                news = true;
        }
        if (!watch->ended && terminal_is_gone(&watch->context->out))
                watch_end(watch, EXIT_CODE_DONE);
        return news && !watch->ended && watch->context->out.is_terminal ? watch_draw(watch) : 0;
}

static int watch_open_signals(int *ret_fd) {
        sigset_t set;
        int fd;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGHUP);
        (void)sigaddset(&set, SIGWINCH);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return error_from_errno();
        fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd < 0)
                return error_from_errno();
        *ret_fd = fd;
        return 0;
}

/* Switches to a separate screen without cursor and wrapping, and back. */
static void watch_switch_screen(const struct context *context, bool own) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};

        if (!context->out.is_terminal)
                return;
        buffer_append_string(&buffer, own ? "\033[?1049h\033[?25l\033[?7l" : "\033[?7h\033[?25h\033[?1049l");
        (void)terminal_write(&context->out, &buffer);
}

/* Returns an exit code. */
static int status_watch(struct context *context, const char *name) {
        _cleanup_(watch_deinit) struct watch watch = {.context = context, .name = name, .signals = -1, .ask_boot_usec = USEC_INFINITY};
        bool own_screen = false;
        int r;

        if (context->options.json)
                context->out.is_terminal = false;
        r = watch_open_signals(&watch.signals);
        if (r == 0)
                r = event_stream_init(&watch.stream, context->client, name, watch_on_event, &watch);
        while (r == 0 && !watch.ended) {
                /* The separate screen needs a daemon that answered: earlier errors are reported on the ordinary one. */
                if (!own_screen && watch.stream.stood) {
                        watch_switch_screen(context, true);
                        own_screen = true;
                }
                r = watch_turn(&watch);
        }
        if (own_screen) {
                watch_switch_screen(context, false);
                (void)terminal_write(&context->out, &watch.picture);
        }
        return tell_error(r, r < 0 ? EXIT_CODE_DONE : watch.code);
}

static int status_exec(struct context *context) {
        const char *name = context->options.n_operands ? context->options.operands[0] : NULL;
        _cleanup_(answer_deinit) struct answer answer = {0};
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        int r;

        if (option_is_given(&context->options, "watch"))
                return status_watch(context, name);
        r = request_get(context, "/status", name, &answer);
        if (r != 0)
                return r;
        if (answer.status != 200)
                return tell_refusal(context, &answer, name);
        if (context->options.json)
                return tell_error(terminal_write_json(&context->out, answer.json), EXIT_CODE_DONE);
        r = status_compose(context, name, answer.json, 0, &buffer);
        if (r != 0)
                return r;
        return tell_error(terminal_write(&context->out, &buffer), EXIT_CODE_DONE);
}

const struct command command_status = {
        .name = "status",
        .arguments = "[NAME] [--watch]",
        .summary = "Show the databases, or all that is known of one.",
        .description =
                "Shows a table of all databases, or everything that is known of one. The answer comes from the daemon's\n"
                "memory: nothing is woken or asked. Exits 0 when the daemon answered, whatever it said; use check to judge.\n",
        .options = (const struct command_option[]){
                {"watch", NULL, "Show it anew at every change, until Ctrl-C."},
                {0},
        },
        .max_operands = 1,
        .exec = status_exec,
};
