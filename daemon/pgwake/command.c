#include "pgwake/command.h"

#include "base/error.h"
#include "base/text.h"
#include "pgwake/request.h"

#include <fcntl.h>
#include <signal.h>

#define SOCKET_CONTROL "/run/pgwaked/control.sock"
#define SOCKET_STATUS "/run/pgwaked/status.sock"

#define FLAG(name, member, help) {name, NULL, help, offsetof(struct options, member)}
#define VALUE(name, argument, member, help) {name, argument, help, offsetof(struct options, member)}
#define END {NULL, NULL, NULL, 0}

static const struct option_row options_status[] = {
        FLAG("watch", watch, "Show it anew at every change, until Ctrl-C."),
        END,
};
static const struct option_row options_wait[] = {
        VALUE("for", "STATE", for_what, "Wait for this state instead of ready: asleep, waking, awake, down, ..."),
        VALUE("timeout", "T", timeout, "Give up after T (30s, 5min); without it wait for ever."),
        FLAG("wake", wake, "Wake the databases too; to wait alone wakes nothing."),
        VALUE("spread", "T", spread, "Be released at a moment of its own within T after it awoke: no storm."),
        END,
};
static const struct option_row options_wake[] = {
        VALUE("wait", "T", wait, "Wait until the database is ready, T at most."),
        VALUE("spread", "T", spread, "With --wait: be released at a moment of its own within T after it awoke."),
        END,
};
static const struct option_row options_hold[] = {
        VALUE("owner", "TEXT", owner, "Who needs it, for others to read; by default the own unit, or user and process."),
        VALUE("timeout", "T", timeout, "Give up when the database is not awake after T (30s, 5min)."),
        VALUE("for", "T", for_what, "Without COMMAND: take a lease that lasts T by the clock, and return at once."),
        END,
};
static const struct option_row options_check[] = {
        VALUE("accept", "asleep", accept, "A sleeping database that could be woken is fine too."),
        FLAG("nagios", nagios, "Answer as a monitoring plugin: one line with figures, exit codes 0 to 3."),
        END,
};
static const struct option_row options_events[] = {
        FLAG("follow", follow, "Go on with the events to come, until Ctrl-C."),
        END,
};
static const struct option_row options_history[] = {
        VALUE("kind", "KIND", kind, "wakes (this is the default), states, outages or hours."),
        VALUE("since", "T", since, "From T on: back from now (36h, 7d), or a moment (2026-11-22T16:00:00Z); by default 7d."),
        VALUE("until", "T", until, "Up to T, which is written in the same way."),
        VALUE("limit", "N", limit, "The newest N rows, 100000 at most; by default 1000."),
        FLAG("csv", csv, "Answer with comma-separated values, for spreadsheets."),
        FLAG("plain", plain, "As where there is no terminal: nothing is cut, times in UTC, spans in seconds."),
        END,
};
static const struct option_row options_report[] = {
        VALUE("since", "T", since, "From T on: back from now (36h, 7d), or a moment (2026-11-22T16:00:00Z); by default 7d."),
        FLAG("plain", plain, "As where there is no terminal: nothing is drawn, one fact a line, spans in seconds."),
        END,
};
static const struct option_row options_pause[] = {
        VALUE("for", "T", for_what, "For how long nothing is to be checked."),
        FLAG("off", off, "End the pause."),
        END,
};
static const struct option_row options_reload[] = {
        FLAG("remove-all", remove_all, "Take it also where it leaves no database."),
        END,
};
static const struct option_row options_none[] = {END};

#define MANY ((size_t)-1)

static const struct command commands[] = {
        {
                "status", "[NAME] [--watch]", "Show the databases, or all that is known of one.",
                "Shows a table of all databases, or everything that is known of one. The answer comes from the daemon's\n"
                "memory: nothing is woken or asked. Exits 0 when the daemon answered, whatever it said; use check to judge.\n",
                options_status, 0, 1, false, false, command_status,
        },
        {
                "wait", "NAME... [--for STATE] [--timeout T] [--wake] [--spread T]", "Wait until databases are ready.",
                "Waits until every NAME was ready, and returns in that moment. To wait is no demand: a sleeping database\n"
                "stays asleep unless somebody else wakes it, or --wake is given.\n",
                options_wait, 1, MANY, false, false, command_wait,
        },
        {
                "wake", "NAME [--wait T] [--spread T]", "Wake a database.",
                "Starts a wake, or joins the one that runs, and says when the database should be ready.\n",
                options_wake, 1, 1, false, false, command_wake,
        },
        {
                "hold", "NAME [--owner TEXT] [--timeout T] [--for T] [-- COMMAND...]", "Keep a database awake, while COMMAND runs.",
                "Takes a lease: NAME is woken and stays awake until the lease ends. When it is awake, COMMAND is started, and the\n"
                "lease ends with it; without COMMAND it is held until SIGTERM or Ctrl-C. A restart of the daemon is survived:\n"
                "the lease is taken again, and COMMAND notices nothing. Exits with COMMAND's own code, or dies of its signal;\n"
                "125 when there is no lease or NAME is not awake in time, 126 when COMMAND cannot be run, 127 when it is not found.\n",
                options_hold, 1, 1, false, true, command_hold,
        },
        {
                "release", "ID", "End somebody's lease.",
                "Ends the lease with this number, which status NAME shows. Who holds it is told, and does not take it again.\n",
                options_none, 1, 1, false, false, command_release,
        },
        {
                "check", "NAME [--accept asleep] [--nagios]", "Judge one database by an exit code.",
                "Says in one line whether NAME is ready and why not: exit code 0 or 1. With --nagios the codes are 0 OK\n"
                "(ready, accepted or paused), 1 WARNING (asleep, waking, degraded), 2 CRITICAL (full, down, blocked) and\n"
                "3 UNKNOWN (unknown, or no answer from the daemon).\n",
                options_check, 1, 1, false, false, command_check,
        },
        {
                "events", "[NAME] [--follow]", "Show what happened.",
                "Shows the events that the daemon still holds. With --follow it goes on, over restarts of the daemon too.\n",
                options_events, 0, 1, false, false, command_events,
        },
        {
                "history", "NAME [--kind KIND] [--since T] [--until T] [--limit N] [--csv | --plain]",
                "Show what the daemon remembers of a database.",
                "Shows rows of the daemon's history, the newest last: wakes, changes of state, outages, or what each hour added up to.\n",
                options_history, 1, 1, false, false, command_history,
        },
        {
                "report", "NAME [--since T] [--plain]", "Show how a database did over a time.",
                "Shows how available it was, how long it was awake and for whom, how long its wakes took, and why it was out. On a\n"
                "terminal that has colours its states and its wakes are drawn.\n",
                options_report, 1, 1, false, false, command_report,
        },
        {
                "pause", "NAME --for T | --off", "Stop checking a database for a while.",
                "For maintenance: NAME is not checked, its state is unknown (paused), and nobody is alarmed.\n",
                options_pause, 1, 1, false, false, command_pause,
        },
        {
                "resume", "NAME", "End a pause.", "The same as pause NAME --off.\n", options_none, 1, 1, false, false, command_resume,
        },
        {
                "reload", "[--remove-all]", "Read the configuration again.",
                "Prints the daemon's complaints about its configuration. A bad one is refused: the one before stays in\n"
                "force, and the exit code is 1.\n",
                options_reload, 0, 0, false, false, command_reload,
        },
        {
                "reasons", "[SLUG]", "Explain why a database is not ready.",
                "Lists all reasons, or says what one means and what to do. Needs no daemon.\n",
                options_none, 0, 1, true, false, command_reasons,
        },
};

static const struct command *command_find(const char *name) {
        for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
                if (streq(commands[i].name, name))
                        return &commands[i];
        return NULL;
}

static const struct option_row *find_options(const char *name) {
        const struct command *command = command_find(name);

        if (streq(name, "help"))
                return options_none;
        return command ? command->options : NULL;
}

static int usage_error_command(const char *word) {
        const char *names[ARRAY_LENGTH(commands)], *nearest;

        for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
                names[i] = commands[i].name;
        nearest = text_nearest(word, names, ARRAY_LENGTH(names));
        complain("unknown command \"%s\"%s%s%s", word, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                 nearest ? "\"?" : "; pgwake --help lists them");
        return EXIT_CODE_USAGE;
}

static void append_options(struct buffer *buffer, const struct option_row *rows, size_t n) {
        for (size_t i = 0; i < n && rows[i].name; i++) {
                char option[64];

                (void)snprintf(option, sizeof(option), "--%s%s%s", rows[i].name, rows[i].argument ? " " : "",
                               rows[i].argument ? rows[i].argument : "");
                buffer_printf(buffer, "  %-18s %s\n", option, rows[i].help);
        }
}

static void append_usage(struct buffer *buffer, const struct command *command) {
        /* Behind a program's name the options are the program's. */
        buffer_printf(buffer, "usage: pgwake %s%s%s%s%s\n", command->name, command->runs ? " [--json] [--socket PATH]" : "",
                      *command->arguments ? " " : "", command->arguments, command->runs ? "" : " [--json] [--socket PATH]");
}

static void append_overview(struct buffer *buffer) {
        buffer_append_string(buffer, "usage: pgwake COMMAND [...]\n\n"
                                     "Talks to pgwaked, which watches PostgreSQL databases that may be asleep.\n\n");
        for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
                buffer_printf(buffer, "  %-18s %s\n", commands[i].name, commands[i].summary);
        buffer_append(buffer, "\n", 1);
        append_options(buffer, options_common, options_n_common);
        buffer_append_string(buffer, "\nExit codes: 0 ready or done, 1 not ready or refused, 2 the daemon did not answer, 3 wrong usage;\n"
                                     "of hold COMMAND's own, or 125 to 127.\n"
                                     "pgwake COMMAND --help explains a command; pgwake(1) has it all.\n");
}

static int tell_help(const struct terminal *terminal, const struct command *command) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};

        if (command) {
                append_usage(&buffer, command);
                buffer_printf(&buffer, "\n%s\n", command->description);
                append_options(&buffer, command->options, SIZE_MAX);
                append_options(&buffer, options_common, options_n_common);
        } else
                append_overview(&buffer);
        return tell_error(terminal_write(terminal, &buffer), EXIT_CODE_DONE);
}

static int tell_version(const struct terminal *terminal) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};

        buffer_append_string(&buffer, "pgwake " PACKAGE_VERSION "\n");
        return tell_error(terminal_write(terminal, &buffer), EXIT_CODE_DONE);
}

static int usage_error_operands(const struct command *command, const struct options *options) {
        _cleanup_(buffer_deinit) struct buffer usage = {0};

        if (options->n_operands < command->min_operands)
                complain(streq(command->name, "release") ? "%s: which lease? pgwake status NAME shows their numbers" : "%s: which database?",
                         command->name);
        else if (command->runs)
                complain("%s: \"%s\" is one word too many; a COMMAND is written behind --", command->name,
                         options->operands[command->max_operands]);
        else
                complain("%s: \"%s\" is one word too many", command->name, options->operands[command->max_operands]);
        append_usage(&usage, command);
        if (buffer_finish(&usage) == 0)
                (void)fputs(usage.data, stderr);
        return EXIT_CODE_USAGE;
}

/* Control where it may be opened: it answers everything that status does, and more. */
static const char *choose_socket(const struct options *options) {
        const char *environment = getenv("PGWAKE_SOCKET");

        if (options->socket)
                return options->socket;
        if (environment && *environment)
                return environment;
        return faccessat(AT_FDCWD, SOCKET_CONTROL, R_OK | W_OK, AT_EACCESS) == 0 ? SOCKET_CONTROL : SOCKET_STATUS;
}

static int run(struct context *context, const struct command *command) {
        int r;

        for (size_t i = 0; i < context->options.n_operands; i++)
                if (!*context->options.operands[i]) {
                        complain("%s: a name cannot be empty", command->name);
                        return EXIT_CODE_USAGE;
                }
        if (!command->offline) {
                r = client_new(choose_socket(&context->options), &context->client);
                if (r < 0)
                        return tell_error(r, EXIT_CODE_NO_ANSWER);
        }
        r = command->run(context);
        context->client = client_free(context->client);
        return r;
}

static int dispatch(struct context *context) {
        struct options *options = &context->options;
        const struct command *command = NULL;
        bool help = options->help;
        const char *word = options->command;

        /* "pgwake help wait" is what some people try first. */
        if (word && streq(word, "help")) {
                help = true;
                word = options->n_operands ? options->operands[0] : NULL;
        }
        if (word && !(command = command_find(word)))
                return usage_error_command(word);
        if (help)
                return tell_help(&context->out, command);
        if (options->version)
                return tell_version(&context->out);
        if (!command) {
                complain("which command? pgwake --help lists them");
                return EXIT_CODE_USAGE;
        }
        if (command->runs && options->program)
                options->n_operands = options->n_before;
        if (options->n_operands < command->min_operands || options->n_operands > command->max_operands)
                return usage_error_operands(command, options);
        return run(context, command);
}

int pgwake_main(int argc, char **argv) {
        struct context context = {0};
        int r;

        /* A reader that leaves is an error of the write; a signal would hide whether the command itself succeeded. */
        context.on_sigpipe = signal(SIGPIPE, SIG_IGN);
        terminal_open(&context.out, stdout);
        terminal_open(&context.err, stderr);
        r = options_parse(&context.options, argc, argv, find_options);
        if (r != 0)
                return r < 0 ? tell_error(r, EXIT_CODE_USAGE) : EXIT_CODE_USAGE;
        r = dispatch(&context);
        free(context.options.operands);
        return r;
}
