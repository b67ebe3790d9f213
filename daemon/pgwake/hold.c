/* `pgwake hold`: keeps a database awake while a program runs, until a signal, or by a lease with a time limit. */
#include "base/clock.h"
#include "base/duration.h"
#include "base/macro.h"
#include "base/text.h"
#include "model/memory.h"
#include "pgwake/child.h"
#include "pgwake/format.h"
#include "pgwake/lease-client.h"
#include "pgwake/request.h"
#include "pgwake/sanitize.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-login.h>

#define DRAW_USEC (100 * USEC_PER_MSEC)

static bool service_ends_with(const char *text, const char *end) {
        size_t length = strlen(text), end_length = strlen(end);

        return length >= end_length && streq(text + length - end_length, end);
}

/* The system service in which pgwake runs ("report.service"), owned by the caller; NULL if there is none. */
static char *service_unit(void) {
        _cleanup_free_ char *unit = NULL;

        if (sd_pid_get_unit(0, &unit) < 0 || !service_ends_with(unit, ".service"))
                return NULL;
        /* A user's service manager tells less than the user's name. */
        if (starts_with(unit, "user@"))
                return NULL;
        return steal_pointer(&unit);
}

/* Our unit, else user and process: "report.service", "user alice, process 1234". Returns BUFFER. */
static char *lease_owner_default(char buffer[LEASE_OWNER_MAX + 1]) {
        _cleanup_free_ char *unit = service_unit();
        const struct passwd *user;

        if (unit)
                return text_copy(buffer, LEASE_OWNER_MAX + 1, unit);
        user = getpwuid(getuid());
        if (user)
                (void)snprintf(buffer, LEASE_OWNER_MAX + 1, "user %.100s, process %ld", user->pw_name, (long)getpid());
        else
                (void)snprintf(buffer, LEASE_OWNER_MAX + 1, "user %lu, process %ld", (unsigned long)getuid(), (long)getpid());
        return buffer;
}

/* Whether the daemon accepts TEXT: printable, not empty, at most LEASE_OWNER_MAX bytes. */
static bool lease_owner_is_valid(const char *text) {
        return *text && strlen(text) <= LEASE_OWNER_MAX && sanitize_is_clean(text);
}

struct hold {
        struct context *context;
        const char *name;
        char **program; /* NULL: held until a signal */
        struct lease_client client;
        struct child child;
        struct progress progress;
        uint64_t started_boot_usec, deadline_boot_usec;
        bool begun; /* the database was awake: the program was started, or the service is ready */
        bool noted;
        char status[512]; /* the last message to the service manager */
        bool ended;
        int code;
};

static void hold_end(struct hold *hold, int code) {
        hold->ended = true;
        hold->code = code;
}

static void hold_run_program(struct hold *hold) {
        int r = child_start(&hold->child, hold->program);

        if (r == 0)
                return;
        complain("cannot run %s: %s", hold->program[0], strerror(-r));
        hold_end(hold, r == -ENOENT ? EXIT_CODE_NOT_FOUND : EXIT_CODE_CANNOT_RUN);
}

/* A reader that has gone is no reason to release the lease. */
static void hold_announce(const struct hold *hold) {
        const struct terminal *out = &hold->context->out;
        _cleanup_(buffer_deinit) struct buffer line = {0};

        if (hold->context->options.json)
                (void)terminal_write_json_line(out, hold->client.lease);
        else {
                buffer_printf(&line, "%s is %s and held by lease %" PRIu64 ", until SIGTERM or Ctrl-C\n", hold->name, hold->client.state,
                              hold->client.id);
                (void)terminal_write(out, &line);
        }
        (void)sd_notify(0, "READY=1");
}

static void hold_begin(struct hold *hold) {
        progress_clear(&hold->progress);
        hold->begun = true;
        lease_client_settle(&hold->client);
        if (hold->program)
                hold_run_program(hold);
        else
                hold_announce(hold);
}

static void hold_give_up(struct hold *hold, uint64_t now) {
        const struct lease_client *client = &hold->client;
        bool explains = *client->reason && !streq(client->reason, "ok");
        char span[DURATION_MAX];

        progress_clear(&hold->progress);
        (void)format_span(span, now - hold->started_boot_usec);
        if (client->stage == LEASE_HELD)
                complain("%s is %s after %s%s%s%s%s%s; the lease is given back", hold->name, client->state, span, explains ? " (" : "",
                         explains ? client->reason : "", explains ? ")" : "", *client->message ? ": " : "", client->message);
        else
                complain("%s: no lease after %s%s%s", hold->name, span, *client->loss.text ? ": " : "", client->loss.text);
        hold_end(hold, EXIT_CODE_OWN_FAILURE);
}

/* Updates the service manager's status if it changed. A running program has the socket for itself. */
static void hold_tell_manager(struct hold *hold) {
        const struct lease_client *client = &hold->client;
        bool explains = *client->reason && !streq(client->reason, "ok");
        char status[sizeof(hold->status)];
        int length;

        if (hold->program)
                return;
        if (client->stage != LEASE_HELD)
                length = snprintf(status, sizeof(status), "STATUS=Asking for a lease of %s", hold->name);
        else
                length = snprintf(status, sizeof(status), "STATUS=%s %s: %s%s%s%s", hold->begun ? "Holding" : "Waiting for", hold->name,
                                  client->state, explains ? " (" : "", explains ? client->reason : "", explains ? ")" : "");
        if (length <= 0 || streq(status, hold->status))
                return;
        memcpy(hold->status, status, sizeof(status));
        (void)sd_notify(0, status);
}

static void hold_draw(struct hold *hold, uint64_t now) {
        const struct lease_client *client = &hold->client;
        struct progress_view view = {
                .name = hold->name,
                .state = *client->state ? client->state : NULL,
                .reason = *client->reason ? client->reason : NULL,
                .expected_boot_usec = client->expected_boot_usec,
        };

        if (!hold->begun)
                progress_draw(&hold->progress, now, &view);
}

/* Reports once that time alone will not help. */
static void hold_note_obstacle(struct hold *hold) {
        const struct lease_client *client = &hold->client;

        if (hold->noted || hold->begun || !streq(client->state, "blocked"))
                return;
        hold->noted = true;
        progress_clear(&hold->progress);
        complain("%s is blocked (%s), a person must act: %s", hold->name, client->reason, client->message);
}

static void hold_take_signals(struct hold *hold) {
        int number = 0, news;

        while (!hold->ended && (news = child_take_signal(&hold->child, &number)) != CHILD_NOTHING) {
                if (news == CHILD_ENDED)
                        hold_end(hold, 0);
                else if (news == CHILD_RESIZED)
                        terminal_measure(&hold->context->err);
                else {
                        progress_clear(&hold->progress);
                        lease_client_deinit(&hold->client);
                        hold_end(hold, hold->program ? child_die_of(number) : EXIT_CODE_DONE);
                }
        }
}

static void hold_take_news(struct hold *hold) {
        uint64_t now = clock_boot_usec();
        struct exchange *exchange = hold->client.exchange;
        int r;

        /* Messages below need a line of their own. */
        if (!exchange || exchange->done || now >= lease_client_next(&hold->client))
                progress_clear(&hold->progress);
        r = lease_client_turn(&hold->client, now);
        if (r != 0)
                hold_end(hold, r);
        else if (hold->client.stage == LEASE_LEFT && !hold->program)
                hold_end(hold, EXIT_CODE_OWN_FAILURE);
        else if (!hold->begun && hold->client.ready)
                hold_begin(hold);
        else if (!hold->begun && now >= hold->deadline_boot_usec)
                hold_give_up(hold, now);
}

static void hold_turn(struct hold *hold) {
        struct pollfd fd = {.fd = hold->child.signals, .events = POLLIN};
        uint64_t now = clock_boot_usec(), next = lease_client_next(&hold->client);
        int r;

        hold_note_obstacle(hold);
        hold_tell_manager(hold);
        hold_draw(hold, now);
        if (!hold->begun)
                next = MIN(next, hold->deadline_boot_usec);
        if (!hold->begun && hold->context->err.is_terminal)
                next = MIN(next, now + DRAW_USEC);
        r = client_turn(hold->context->client, next, &fd, 1);
        /* Running out of memory is no reason to abandon a running program. */
        if (r < 0 && hold->child.pid)
                (void)poll(&fd, 1, 1000);
        else if (r < 0)
                hold_end(hold, tell_error(r, EXIT_CODE_OWN_FAILURE));
        hold_take_signals(hold);
        if (!hold->ended)
                hold_take_news(hold);
}

static int hold_run(struct hold *hold, const char *owner) {
        /* While the machine starts, sockets exist long before the daemon. */
        bool patient = getenv("NOTIFY_SOCKET") != NULL;
        int r;

        r = child_init(&hold->child, hold->program != NULL, hold->context->on_sigpipe);
        if (r == 0)
                r = lease_client_init(&hold->client, hold->context, hold->name, owner, patient, hold->deadline_boot_usec);
        if (r < 0) {
                (void)tell_error(r, EXIT_CODE_OWN_FAILURE);
                return EXIT_CODE_OWN_FAILURE;
        }
        hold_take_news(hold);
        while (!hold->ended)
                hold_turn(hold);
        progress_clear(&hold->progress);
        if (!hold->program)
                (void)sd_notify(0, "STOPPING=1");
        return hold->code;
}

static int hold_until_end(struct context *context, const char *owner, uint64_t timeout_usec) {
        uint64_t now = clock_boot_usec();
        struct hold hold = {
                .context = context,
                .name = context->options.operands[0],
                .program = context->options.program,
                .child = {.signals = -1},
                .progress = {.terminal = &context->err, .started_boot_usec = now},
                .started_boot_usec = now,
                .deadline_boot_usec = usec_add(now, timeout_usec),
        };
        int r;

        r = hold_run(&hold, owner);
        /* The lease ends before anybody learns that the program ended. */
        lease_client_deinit(&hold.client);
        child_deinit(&hold.child);
        return hold.child.pid && r == 0 ? child_exit_as(hold.child.status) : r;
}

static int hold_ask_lease(struct context *context, const char *owner, uint64_t for_usec, struct answer *ret_answer) {
        char span[DURATION_MAX];
        const struct parameter parameters[] = {{"owner", owner}, {"for", duration_format(span, for_usec)}, {0}};
        _cleanup_free_ char *path = client_path("/lease", context->options.operands[0], parameters);
        const struct request request = {.method = REQUEST_POST, .path = path, .timeout_usec = CLIENT_ANSWER_USEC};

        return request_send(context, &request, ret_answer);
}

static int hold_tell_lease(struct context *context, json_t *json) {
        _cleanup_(buffer_deinit) struct buffer line = {0};
        char time[FORMAT_TIME_MAX], wrong[DECODE_PATH_MAX];
        struct lease_answer answer;

        if (decode(json, lease_answer_fields, &answer, wrong) < 0 || !answer.lease.until_real_usec)
                return tell_malformed(context, "no lease in it");
        if (context->options.json)
                return tell_error(terminal_write_json(&context->out, json), EXIT_CODE_DONE);
        buffer_printf(&line, "lease %" PRIu64 " of %s until %s\n", answer.lease.id, context->options.operands[0],
                      format_time(time, answer.lease.until_real_usec, false));
        return tell_error(terminal_write(&context->out, &line), EXIT_CODE_DONE);
}

static int hold_for_a_time(struct context *context, const char *owner, uint64_t for_usec) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        const char *advice;
        int r;

        r = hold_ask_lease(context, owner, for_usec, &answer);
        if (r == 0 && answer.status != 201) {
                r = tell_refusal(context, &answer, context->options.operands[0]);
                advice = format_advice(json_string_value(json_object_get(answer.json, "error")));
                if (advice)
                        complain("%s", advice);
        } else if (r == 0)
                r = hold_tell_lease(context, answer.json);
        return r == 0 ? EXIT_CODE_DONE : EXIT_CODE_OWN_FAILURE;
}

/* 0, or -EINVAL for wrong usage (reported). */
static int hold_check_usage(const struct options *options) {
        const char *owner = option_text(options, "owner");
        bool lasts = option_is_given(options, "for");

        if (options->program && !*options->program) {
                complain("hold: no COMMAND follows --");
                return -EINVAL;
        }
        if (lasts && options->program) {
                complain("hold: either --for T or a COMMAND: with a COMMAND the lease lasts as long as that runs");
                return -EINVAL;
        }
        if (lasts && option_is_given(options, "timeout")) {
                complain("hold: --for T does not wait, so it has no --timeout");
                return -EINVAL;
        }
        if (owner && !lease_owner_is_valid(owner)) {
                complain("hold: --owner wants printable text of at most %d bytes", LEASE_OWNER_MAX);
                return -EINVAL;
        }
        return 0;
}

static int hold_exec(struct context *context) {
        const struct options *options = &context->options;
        const char *lasts = option_text(options, "for"), *timeout = option_text(options, "timeout"), *given = option_text(options, "owner");
        uint64_t for_usec = 0, timeout_usec = USEC_INFINITY;
        char owner[LEASE_OWNER_MAX + 1];

        if (hold_check_usage(options) < 0)
                return EXIT_CODE_USAGE;
        if (timeout && request_parse_span("timeout", timeout, &timeout_usec) < 0)
                return EXIT_CODE_USAGE;
        if (lasts && request_parse_span("for", lasts, &for_usec) < 0)
                return EXIT_CODE_USAGE;
        if (lasts && (for_usec == 0 || for_usec == USEC_INFINITY)) {
                complain("hold: --for wants a time that ends");
                return EXIT_CODE_USAGE;
        }
        if (given)
                (void)snprintf(owner, sizeof(owner), "%s", given);
        else
                (void)lease_owner_default(owner);
        return lasts ? hold_for_a_time(context, owner, for_usec) : hold_until_end(context, owner, timeout_usec);
}

const struct command command_hold = {
        .name = "hold",
        .arguments = "NAME [--owner TEXT] [--timeout T] [--for T] [-- COMMAND...]",
        .summary = "Keep a database awake, while COMMAND runs.",
        .description =
                "Takes a lease: NAME is woken and stays awake until the lease ends. When it is awake, COMMAND is started, and the\n"
                "lease ends with it; without COMMAND it is held until SIGTERM or Ctrl-C. A restart of the daemon is survived:\n"
                "the lease is taken again, and COMMAND notices nothing. Exits with COMMAND's own code, or dies of its signal;\n"
                "125 when there is no lease or NAME is not awake in time, 126 when COMMAND cannot be run, 127 when it is not found.\n",
        .options = (const struct command_option[]){
                {"owner", "TEXT", "Who needs it, for others to read; by default the own unit, or user and process."},
                {"timeout", "T", "Give up when the database is not awake after T (30s, 5min)."},
                {"for", "T", "Without COMMAND: take a lease that lasts T by the clock, and return at once."},
                {0},
        },
        .min_operands = 1,
        .max_operands = 1,
        .runs = true,
        .exec = hold_exec,
};
