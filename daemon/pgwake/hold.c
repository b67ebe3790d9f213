/* `pgwake hold`: a database is kept awake while a program runs, or until a signal. */
#include "base/clock.h"
#include "base/duration.h"
#include "pgwake/child.h"
#include "pgwake/holder.h"
#include "pgwake/lease.h"
#include "pgwake/owner.h"
#include "pgwake/format.h"
#include "pgwake/service.h"
#include "pgwake/wait.h"

#include <errno.h>
#include <inttypes.h>

#define DRAW_USEC (100 * USEC_PER_MSEC)

struct hold {
        struct context *context;
        const char *name;
        char **program; /* NULL: it is held until a signal */
        struct holder holder;
        struct child child;
        struct progress progress;
        uint64_t started_boot_usec, deadline_boot_usec;
        bool begun; /* the database was awake: the program runs, or the service is ready */
        bool noted;
        char status[512]; /* what the service manager was told last */
        bool ended;
        int code;
};

static void end(struct hold *hold, int code) {
        hold->ended = true;
        hold->code = code;
}

static void run_program(struct hold *hold) {
        int r = child_start(&hold->child, hold->program);

        if (r == 0)
                return;
        complain("cannot run %s: %s", hold->program[0], strerror(-r));
        end(hold, r == -ENOENT ? EXIT_CODE_NOT_FOUND : EXIT_CODE_CANNOT_RUN);
}

/* That nobody reads it is no reason to let go. */
static void announce(const struct hold *hold) {
        const struct terminal *out = &hold->context->out;
        _cleanup_(buffer_deinit) struct buffer line = {0};

        if (hold->context->options.json)
                (void)terminal_write_json_line(out, hold->holder.lease);
        else {
                buffer_printf(&line, "%s is %s and held by lease %" PRIu64 ", until SIGTERM or Ctrl-C\n", hold->name, hold->holder.state,
                              hold->holder.id);
                (void)terminal_write(out, &line);
        }
        service_notify("READY=1");
}

static void begin(struct hold *hold) {
        progress_clear(&hold->progress);
        hold->begun = true;
        holder_settle(&hold->holder);
        if (hold->program)
                run_program(hold);
        else
                announce(hold);
}

static void give_up(struct hold *hold, uint64_t now) {
        const struct holder *holder = &hold->holder;
        bool explains = *holder->reason && !streq(holder->reason, "ok");
        char span[DURATION_MAX];

        progress_clear(&hold->progress);
        (void)format_span(span, now - hold->started_boot_usec);
        if (holder->stage == HOLDER_HELD)
                complain("%s is %s after %s%s%s%s%s%s; the lease is given back", hold->name, holder->state, span, explains ? " (" : "",
                         explains ? holder->reason : "", explains ? ")" : "", *holder->message ? ": " : "", holder->message);
        else
                complain("%s: no lease after %s%s%s", hold->name, span, *holder->loss.text ? ": " : "", holder->loss.text);
        end(hold, EXIT_CODE_OWN_FAILURE);
}

/* What the service manager shows, as far as it changed. A program that runs has the socket for itself. */
static void tell_manager(struct hold *hold) {
        const struct holder *holder = &hold->holder;
        bool explains = *holder->reason && !streq(holder->reason, "ok");
        char status[sizeof(hold->status)];
        int length;

        if (hold->program)
                return;
        if (holder->stage != HOLDER_HELD)
                length = snprintf(status, sizeof(status), "STATUS=Asking for a lease of %s", hold->name);
        else
                length = snprintf(status, sizeof(status), "STATUS=%s %s: %s%s%s%s", hold->begun ? "Holding" : "Waiting for", hold->name,
                                  holder->state, explains ? " (" : "", explains ? holder->reason : "", explains ? ")" : "");
        if (length <= 0 || streq(status, hold->status))
                return;
        memcpy(hold->status, status, sizeof(status));
        service_notify(status);
}

static void draw(struct hold *hold, uint64_t now) {
        const struct holder *holder = &hold->holder;
        struct progress_view view = {
                .name = hold->name,
                .state = *holder->state ? holder->state : NULL,
                .reason = *holder->reason ? holder->reason : NULL,
                .expected_boot_usec = holder->expected_boot_usec,
        };

        if (!hold->begun)
                progress_draw(&hold->progress, now, &view);
}

/* Once: that the time alone will not help. */
static void note_obstacle(struct hold *hold) {
        const struct holder *holder = &hold->holder;

        if (hold->noted || hold->begun || !streq(holder->state, "blocked"))
                return;
        hold->noted = true;
        progress_clear(&hold->progress);
        complain("%s is blocked (%s), a person must act: %s", hold->name, holder->reason, holder->message);
}

static void take_signals(struct hold *hold) {
        int number = 0, news;

        while (!hold->ended && (news = child_take_signal(&hold->child, &number)) != CHILD_NOTHING) {
                if (news == CHILD_ENDED)
                        end(hold, 0);
                else if (news == CHILD_RESIZED)
                        terminal_measure(&hold->context->err);
                else {
                        progress_clear(&hold->progress);
                        holder_deinit(&hold->holder);
                        end(hold, hold->program ? child_die_of(number) : EXIT_CODE_DONE);
                }
        }
}

static void take_news(struct hold *hold) {
        uint64_t now = clock_boot_usec();
        struct exchange *exchange = hold->holder.exchange;
        int r;

        /* What is told there stands on a line of its own. */
        if (!exchange || exchange->done || now >= holder_next(&hold->holder))
                progress_clear(&hold->progress);
        r = holder_turn(&hold->holder, now);
        if (r != 0)
                end(hold, r);
        else if (hold->holder.stage == HOLDER_LEFT && !hold->program)
                end(hold, EXIT_CODE_OWN_FAILURE);
        else if (!hold->begun && hold->holder.ready)
                begin(hold);
        else if (!hold->begun && now >= hold->deadline_boot_usec)
                give_up(hold, now);
}

static void turn(struct hold *hold) {
        struct pollfd fd = {.fd = hold->child.signals, .events = POLLIN};
        uint64_t now = clock_boot_usec(), next = holder_next(&hold->holder);
        int r;

        note_obstacle(hold);
        tell_manager(hold);
        draw(hold, now);
        if (!hold->begun)
                next = MIN(next, hold->context->err.is_terminal ? MIN(now + DRAW_USEC, hold->deadline_boot_usec) : hold->deadline_boot_usec);
        r = client_turn(hold->context->client, next, &fd, 1);
        /* A program that runs is not left alone for want of memory. */
        if (r < 0 && hold->child.pid)
                (void)poll(&fd, 1, 1000);
        else if (r < 0)
                end(hold, tell_error(r, EXIT_CODE_OWN_FAILURE));
        take_signals(hold);
        if (!hold->ended)
                take_news(hold);
}

static int run(struct hold *hold, const char *owner) {
        int r;

        r = child_init(&hold->child, hold->program != NULL, hold->context->on_sigpipe);
        if (r == 0)
                r = holder_init(&hold->holder, hold->context, hold->name, owner, hold->deadline_boot_usec);
        if (r < 0) {
                (void)tell_error(r, EXIT_CODE_OWN_FAILURE);
                return EXIT_CODE_OWN_FAILURE;
        }
        take_news(hold);
        while (!hold->ended)
                turn(hold);
        progress_clear(&hold->progress);
        if (!hold->program)
                service_notify("STOPPING=1");
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

        r = run(&hold, owner);
        /* The lease ends before anybody learns that the program did. */
        holder_deinit(&hold.holder);
        child_deinit(&hold.child);
        return hold.child.pid && r == 0 ? child_exit_as(hold.child.status) : r;
}

/* 0, or -EINVAL when the usage is wrong (it was told). */
static int check_usage(const struct options *options) {
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
        if (owner && !owner_is_valid(owner)) {
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

        if (check_usage(options) < 0)
                return EXIT_CODE_USAGE;
        if (timeout && parse_span("timeout", timeout, &timeout_usec) < 0)
                return EXIT_CODE_USAGE;
        if (lasts && parse_span("for", lasts, &for_usec) < 0)
                return EXIT_CODE_USAGE;
        if (lasts && (for_usec == 0 || for_usec == USEC_INFINITY)) {
                complain("hold: --for wants a time that ends");
                return EXIT_CODE_USAGE;
        }
        if (given)
                (void)snprintf(owner, sizeof(owner), "%s", given);
        else
                (void)owner_default(owner);
        return lasts ? lease_take_for(context, owner, for_usec) : hold_until_end(context, owner, timeout_usec);
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
