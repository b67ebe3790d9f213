#include "command-line.h"

#include "advice.h"
#include "app.h"
#include "base/descriptor.h"
#include "base/log.h"
#include "base/text.h"
#include "config/address.h"
#include "health/state-machine.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

#ifndef DEFAULT_CONFIG
#define DEFAULT_CONFIG "/etc/pgwaked/pgwaked.conf"
#endif

enum mode {
        MODE_WATCH,
        MODE_CHECK_CONFIG,
        MODE_DUMP_CONFIG,
        MODE_DUMP_MACHINE,
        MODE_VERSION,
        MODE_HELP,
};

/* For --listen. More belong in a file. */
#define LISTEN_MAX 16

/* The parsed command line. */
struct command {
        enum mode mode;
        const char *path; /* NULL: the default */
        bool from_env;
        const char *listen[LISTEN_MAX];
        size_t n_listen;
        int ready_fd; /* -1: none */
};

enum {
        OPTION_FROM_ENV = 256,
        OPTION_LISTEN,
        OPTION_READY_FD,
        OPTION_CHECK_CONFIG,
        OPTION_DUMP_CONFIG,
        OPTION_DUMP_MACHINE,
        OPTION_VERSION,
};

static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"from-env", no_argument, NULL, OPTION_FROM_ENV},
        {"listen", required_argument, NULL, OPTION_LISTEN},
        {"ready-fd", required_argument, NULL, OPTION_READY_FD},
        {"check-config", no_argument, NULL, OPTION_CHECK_CONFIG},
        {"dump-config", no_argument, NULL, OPTION_DUMP_CONFIG},
        {"dump-machine", no_argument, NULL, OPTION_DUMP_MACHINE},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"help", no_argument, NULL, 'h'},
        {0},
};

static void print_help(FILE *file) {
        fputs("Usage: pgwaked [-c FILE | --from-env] [--listen ADDRESS:PORT]... [--ready-fd N]\n"
              "               [--check-config | --dump-config | --dump-machine | --version | --help]\n"
              "\n"
              "Watches PostgreSQL databases that may be asleep, and tells everybody on this machine whether they are awake.\n"
              "Stays in the foreground; SIGHUP reads the configuration again, SIGTERM ends it.\n"
              "\n"
              "  -c, --config FILE   the configuration (default: " DEFAULT_CONFIG ")\n"
              "      --from-env      no file: watch one database, main, as DATABASE_URL says, or POSTGRES_USER,\n"
              "                      POSTGRES_PASSWORD, POSTGRES_HOST, POSTGRES_PORT and POSTGRES_DATABASE_NAME;\n"
              "                      for containers: no history, logs in JSON, sockets where they can be had\n"
              "      --listen ADDRESS:PORT\n"
              "                      answer questions over TCP there too, as status.listen; may be given again\n"
              "      --ready-fd N    write a newline to file descriptor N and close it when ready, as s6 and dinit expect\n"
              "      --check-config  say everything that is wrong with the configuration, and end\n"
              "      --dump-config   print the configuration in force, each value with the place it comes from, and end\n"
              "      --dump-machine  print the table of states and events, and end\n"
              "      --version       print the version, and end\n"
              "  -h, --help          print this, and end\n"
              "\n"
              "Exit status: 0 after a signal, 64 for wrong usage, 78 for a bad configuration, 1 for anything else.\n",
              file);
}

static int refuse_usage(const char *word, const char *what) {
        fprintf(stderr, "pgwaked: '%s' %s\nTry 'pgwaked --help'.\n", word, what);
        return EX_USAGE;
}

/* REFUSAL is getopt_long()'s result: ':' if a value is missing. */
static int refuse_option(char **argv, int refusal) {
        const char *names[ARRAY_LENGTH(long_options) - 1], *word = argv[optind - 1], *nearest;
        char letter[] = {'-', (char)optopt, '\0'};

        if (refusal == ':' && optopt == OPTION_LISTEN)
                return refuse_usage(word, "needs an address with a port");
        if (refusal == ':')
                return refuse_usage(word, optopt == 'c' ? "needs a file" : "needs a number");
        /* The letter of an option that has a long form too: "--help=yes". */
        if (optopt >= OPTION_FROM_ENV || (optopt == 'h' && starts_with(word, "--")))
                return refuse_usage(word, "takes no value");
        if (optopt > 0)
                return refuse_usage(letter, "is no option of pgwaked");
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                names[i] = long_options[i].name;
        nearest = text_nearest(word + strspn(word, "-"), names, ARRAY_LENGTH(names));
        if (nearest) {
                fprintf(stderr, "pgwaked: '%s' is no option of pgwaked; did you mean '--%s'?\nTry 'pgwaked --help'.\n", word, nearest);
                return EX_USAGE;
        }
        return refuse_usage(word, "is no option of pgwaked");
}

static int add_listen(struct command *command, const char *address) {
        struct sockaddr_storage parsed;
        socklen_t length;

        if (address_parse(address, &parsed, &length) < 0)
                return refuse_usage(address, "is no numeric address with a port; expected one like 0.0.0.0:9817");
        if (command->n_listen == LISTEN_MAX)
                return refuse_usage(address, "is one address too many; expected the others in a configuration file");
        command->listen[command->n_listen++] = address;
        return 0;
}

static int take_ready_fd(struct command *command, const char *text) {
        int r = descriptor_parse_ready(text, &command->ready_fd);

        if (r == -EBADF)
                return refuse_usage(text, "is no file descriptor that is open for writing; expected the one that the supervisor passes");
        return r < 0 ? refuse_usage(text, "is no number of a file descriptor; expected one from 3 on") : 0;
}

static int command_line_parse(int argc, char **argv, struct command *command) {
        int c, r;

        opterr = 0;
        while ((c = getopt_long(argc, argv, ":c:h", long_options, NULL)) >= 0)
                switch (c) {
                case 'c':
                        /* An unset variable of a script; otherwise the folder beside it would be searched for conf.d. */
                        if (!*optarg)
                                return refuse_usage(optarg, "is no file; -c wants a file's path");
                        command->path = optarg;
                        break;
                case OPTION_FROM_ENV:
                        command->from_env = true;
                        break;
                case OPTION_LISTEN:
                        r = add_listen(command, optarg);
                        if (r != 0)
                                return r;
                        break;
                case OPTION_READY_FD:
                        r = take_ready_fd(command, optarg);
                        if (r != 0)
                                return r;
                        break;
                case 'h':
                        command->mode = MODE_HELP;
                        break;
                case OPTION_CHECK_CONFIG:
                        command->mode = MODE_CHECK_CONFIG;
                        break;
                case OPTION_DUMP_CONFIG:
                        command->mode = MODE_DUMP_CONFIG;
                        break;
                case OPTION_DUMP_MACHINE:
                        command->mode = MODE_DUMP_MACHINE;
                        break;
                case OPTION_VERSION:
                        command->mode = MODE_VERSION;
                        break;
                default:
                        return refuse_option(argv, c);
                }
        if (optind < argc)
                return refuse_usage(argv[optind], "is one word too many");
        if (command->from_env && command->path)
                return refuse_usage("--from-env", "stands for a configuration file; expected it without -c");
        return 0;
}

static void print_buffer(struct buffer *buffer) {
        if (buffer_finish(buffer) == 0 && buffer->size)
                (void)fwrite(buffer->data, 1, buffer->size, stdout);
        buffer_deinit(buffer);
}

static void print_complaints(const struct complaints *complaints, FILE *file) {
        for (size_t i = 0; i < complaints->n; i++) {
                _cleanup_(buffer_deinit) struct buffer line = {0};

                complaint_format(&complaints->items[i], &line);
                if (buffer_finish(&line) == 0)
                        fprintf(file, "%s\n", line.data);
        }
}

static int check(const struct config *config, struct complaints *complaints, int r) {
        if (r >= 0)
                advice_complain(config, complaints);
        complaints_sort(complaints);
        print_complaints(complaints, stderr);
        if (r < 0)
                return EX_CONFIG;
        advice_print(config, stdout);
        return EXIT_SUCCESS;
}

static int dump(const struct config *config, const struct complaints *complaints, int r) {
        struct buffer text = {0};

        print_complaints(complaints, stderr);
        if (r < 0)
                return EX_CONFIG;
        config_dump(config, &text);
        print_buffer(&text);
        return EXIT_SUCCESS;
}

/* PATH is the configuration's name in messages. */
static int watch(const char *path, const struct config_environment *environment, int ready_fd, struct config **config,
                 struct complaints *complaints, int r) {
        if (r >= 0) {
                log_open((*config)->log_format, (*config)->log_level);
                advice_complain(*config, complaints);
                complaints_sort(complaints);
        } else
                log_open(environment->from_env && !log_stderr_is_journal() ? LOG_FORMAT_JSON : LOG_FORMAT_AUTO, LOG_INFO);
        complaints_log(complaints);
        if (r < 0) {
                log_error("The configuration %s cannot be used: nothing is started", path);
                return EX_CONFIG;
        }
        r = app_run(path, environment, ready_fd, steal_pointer(config));
        if (r < 0)
                return EXIT_FAILURE;
        return EXIT_SUCCESS;
}

/* Reports output that was not written completely: a dump that a full disk cut short must not look complete. */
static int end_output(int status) {
        if (fflush(stdout) == 0 && !ferror(stdout))
                return status;
        fprintf(stderr, "pgwaked: cannot write the output: %s\n", strerror(errno));
        return status == EXIT_SUCCESS ? EXIT_FAILURE : status;
}

static int with_config(const struct command *command) {
        /* Never freed: a thread that reads the configuration from a disk that hangs outlives the loop (config-thread.h), and uses it. */
        static struct config_environment environment;
        const char *path = command->from_env ? "environment" : command->path ? command->path : DEFAULT_CONFIG;
        _cleanup_(complaints_deinit) struct complaints complaints = {0};
        _cleanup_(config_freep) struct config *config = NULL;
        int r;

        environment = (struct config_environment){
                .credentials_may_lack = command->mode != MODE_WATCH,
                .from_env = command->from_env,
                .listen = command->listen,
                .n_listen = command->n_listen,
        };
        if (config_environment_take(&environment) < 0) {
                fputs("pgwaked: out of memory\n", stderr);
                return EXIT_FAILURE;
        }
        r = config_load(path, &environment, &complaints, &config);
        if (r < 0 && r != -EINVAL) {
                fprintf(stderr, "pgwaked: %s: %s\n", path, strerror(-r));
                return EXIT_FAILURE;
        }
        if (command->mode == MODE_CHECK_CONFIG)
                return end_output(check(config, &complaints, r));
        if (command->mode == MODE_DUMP_CONFIG)
                return end_output(dump(config, &complaints, r));
        return watch(path, &environment, command->ready_fd, &config, &complaints, r);
}

int command_line_run(int argc, char **argv) {
        static struct command command = {.mode = MODE_WATCH, .ready_fd = -1};
        struct buffer text = {0};
        int r;

        r = command_line_parse(argc, argv, &command);
        if (r != 0)
                return r;
        switch (command.mode) {
        case MODE_HELP:
                print_help(stdout);
                return end_output(EXIT_SUCCESS);
        case MODE_VERSION:
                puts("pgwaked " PACKAGE_VERSION);
                return end_output(EXIT_SUCCESS);
        case MODE_DUMP_MACHINE:
                machine_print(&text);
                print_buffer(&text);
                return end_output(EXIT_SUCCESS);
        case MODE_WATCH:
        case MODE_CHECK_CONFIG:
        case MODE_DUMP_CONFIG:
                break;
        }
        return with_config(&command);
}
