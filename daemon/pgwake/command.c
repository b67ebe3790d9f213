#include "pgwake/command.h"

#include "base/error.h"
#include "base/text.h"
#include "pgwake/request.h"

#include <fcntl.h>
#include <signal.h>

#define SOCKET_CONTROL "/run/pgwaked/control.sock"
#define SOCKET_STATUS "/run/pgwaked/status.sock"

/* In the order of --help. Each is the `const struct command command_NAME` of a file. */
#define COMMANDS(command) \
        command(status) \
        command(wait) \
        command(wake) \
        command(hold) \
        command(release) \
        command(check) \
        command(events) \
        command(history) \
        command(report) \
        command(pause) \
        command(resume) \
        command(reload) \
        command(reasons)

#define COMMAND_DECLARE(name) extern const struct command command_##name;
#define COMMAND_ADDRESS(name) &command_##name,

COMMANDS(COMMAND_DECLARE)

static const struct command *const commands[] = {COMMANDS(COMMAND_ADDRESS)};

/* Options of every command. */
static const struct command_option common_options[] = {
        {"json", NULL, "Answer with JSON, for programs."},
        {"socket", "PATH", "The daemon's socket ($PGWAKE_SOCKET)."},
        {"help", NULL, "Explain the command."},
        {"version", NULL, "Say the version."},
};

static const struct command *command_find(const char *name) {
        for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
                if (streq(commands[i]->name, name))
                        return commands[i];
        return NULL;
}

static int usage_error_command(const char *word) {
        const char *names[ARRAY_LENGTH(commands)], *nearest;

        for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
                names[i] = commands[i]->name;
        nearest = text_nearest(word, names, ARRAY_LENGTH(names));
        complain("unknown command \"%s\"%s%s%s", word, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                 nearest ? "\"?" : "; pgwake --help lists them");
        return EXIT_CODE_USAGE;
}

/* Adds the command's own options before the common ones: this is the order for suggesting a similar option. */
static void options_add_own(struct options *options, const struct command_option *own) {
        struct option_value common[ARRAY_LENGTH(common_options)];

        assert(options->n_values == ARRAY_LENGTH(common));
        memcpy(common, options->values, sizeof(common));
        options->n_values = 0;
        for (; own && own->name; own++) {
                assert(options->n_values < OPTIONS_MAX - ARRAY_LENGTH(common));
                options->values[options->n_values++] = (struct option_value){own, NULL};
        }
        memcpy(&options->values[options->n_values], common, sizeof(common));
        options->n_values += ARRAY_LENGTH(common);
}

static int options_refuse(const struct options *options, const char *word) {
        const char *names[OPTIONS_MAX], *nearest, *command = options->command;

        for (size_t i = 0; i < options->n_values; i++)
                names[i] = options->values[i].option->name;
        nearest = text_nearest(word, names, options->n_values);
        complain("%s%sunknown option --%s%s%s%s", command ? command : "", command ? ": " : "", word, nearest ? "; did you mean --" : "",
                 nearest ? nearest : "", nearest ? "?" : "");
        return 1;
}

/* WORD is "name" or "name=value"; otherwise the value may be *NEXT, which is then set to NULL. */
static int options_take(struct options *options, const char *word, const char **next) {
        struct option_value *taken = NULL;
        size_t length = strcspn(word, "=");
        _cleanup_free_ char *name = strndup(word, length);
        const char *value = word[length] ? word + length + 1 : NULL;

        if (!name)
                return -ENOMEM;
        for (size_t i = 0; i < options->n_values; i++)
                if (streq(options->values[i].option->name, name))
                        taken = &options->values[i];
        if (!taken)
                return options_refuse(options, name);
        if (!taken->option->argument) {
                if (value) {
                        complain("--%s takes no value", name);
                        return 1;
                }
                taken->text = "";
                return 0;
        }
        if (!value)
                value = steal_pointer(next);
        if (!value) {
                complain("--%s wants a value: --%s %s", name, name, taken->option->argument);
                return 1;
        }
        taken->text = value;
        return 0;
}

/* Takes the first word that is no option. False for an unknown command: which options may follow it is unknown. */
static bool options_take_command(struct options *options, const char *word) {
        const struct command *command = command_find(word);

        options->command = word;
        options_add_own(options, command ? command->options : NULL);
        return command || streq(word, "help");
}

/* Parses ARGV. Returns 0; 1 after a complaint about wrong usage; -ENOMEM. The caller frees the operands. */
static int options_parse(struct options *options, int argc, char **argv) {
        bool ended = false;
        int r;

        options->operands = calloc((size_t)argc + 1, sizeof(*options->operands));
        if (!options->operands)
                return -ENOMEM;
        for (; options->n_values < ARRAY_LENGTH(common_options); options->n_values++)
                options->values[options->n_values].option = &common_options[options->n_values];
        for (int i = 1; i < argc; i++) {
                const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;

                if (!ended && streq(word, "--")) {
                        ended = true;
                        options->program = options->command ? argv + i + 1 : NULL;
                        options->n_before = options->n_operands;
                } else if (!ended && (starts_with(word, "--") || streq(word, "-h"))) {
                        const char *unused = next;

                        r = options_take(options, streq(word, "-h") ? "help" : word + 2, &unused);
                        if (r != 0)
                                return r;
                        i += next && !unused;
                } else if (!ended && word[0] == '-' && word[1]) {
                        complain("unknown option %s; options have two dashes and a word", word);
                        return 1;
                } else if (options->command) {
                        options->operands[options->n_operands++] = word;
                } else if (!options_take_command(options, word))
                        break;
        }
        options->json = option_is_given(options, "json");
        return 0;
}

static void append_options(struct buffer *buffer, const struct command_option *rows, size_t n) {
        for (size_t i = 0; rows && i < n && rows[i].name; i++) {
                char option[64];

                (void)snprintf(option, sizeof(option), "--%s%s%s", rows[i].name, rows[i].argument ? " " : "",
                               rows[i].argument ? rows[i].argument : "");
                buffer_printf(buffer, "  %-18s %s\n", option, rows[i].help);
        }
}

static void append_usage(struct buffer *buffer, const struct command *command) {
        /* After a program's name, options belong to the program. */
        buffer_printf(buffer, "usage: pgwake %s%s%s%s%s\n", command->name, command->runs ? " [--json] [--socket PATH]" : "",
                      *command->arguments ? " " : "", command->arguments, command->runs ? "" : " [--json] [--socket PATH]");
}

static void append_overview(struct buffer *buffer) {
        buffer_append_string(buffer, "usage: pgwake COMMAND [...]\n\n"
                                     "Talks to pgwaked, which watches PostgreSQL databases that may be asleep.\n\n");
        for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
                buffer_printf(buffer, "  %-18s %s\n", commands[i]->name, commands[i]->summary);
        buffer_append(buffer, "\n", 1);
        append_options(buffer, common_options, ARRAY_LENGTH(common_options));
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
                append_options(&buffer, common_options, ARRAY_LENGTH(common_options));
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
                complain("%s: %s", command->name, command->missing ? command->missing : "which database?");
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

/* The control socket if it can be opened: it answers everything that the status socket does, and more. */
static const char *choose_socket(const struct options *options) {
        const char *environment = getenv("PGWAKE_SOCKET"), *given = option_text(options, "socket");

        if (given)
                return given;
        if (environment && *environment)
                return environment;
        return faccessat(AT_FDCWD, SOCKET_CONTROL, R_OK | W_OK, AT_EACCESS) == 0 ? SOCKET_CONTROL : SOCKET_STATUS;
}

static int command_run(struct context *context, const struct command *command) {
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
        r = command->exec(context);
        context->client = client_free(context->client);
        return r;
}

static int dispatch(struct context *context) {
        struct options *options = &context->options;
        const struct command *command = NULL;
        bool help = option_is_given(options, "help");
        const char *word = options->command;

        /* Some users try "pgwake help wait" first. */
        if (word && streq(word, "help")) {
                help = true;
                word = options->n_operands ? options->operands[0] : NULL;
        }
        if (word && !(command = command_find(word)))
                return usage_error_command(word);
        if (help)
                return tell_help(&context->out, command);
        if (option_is_given(options, "version"))
                return tell_version(&context->out);
        if (!command) {
                complain("which command? pgwake --help lists them");
                return EXIT_CODE_USAGE;
        }
        if (command->runs && options->program)
                options->n_operands = options->n_before;
        if (options->n_operands < command->min_operands || options->n_operands > command->max_operands)
                return usage_error_operands(command, options);
        return command_run(context, command);
}

int pgwake_main(int argc, char **argv) {
        struct context context = {0};
        int r;

        /* A reader that leaves causes a write error; a signal would hide whether the command itself succeeded. */
        context.on_sigpipe = signal(SIGPIPE, SIG_IGN);
        terminal_open(&context.out, stdout);
        terminal_open(&context.err, stderr);
        r = options_parse(&context.options, argc, argv);
        if (r == 0)
                r = dispatch(&context);
        else
                r = r < 0 ? tell_error(r, EXIT_CODE_USAGE) : EXIT_CODE_USAGE;
        free(context.options.operands);
        return r;
}
