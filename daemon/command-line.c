#include "command-line.h"

#include "app.h"
#include "base/log.h"
#include "base/text.h"
#include "advice.h"
#include "target/machine.h"

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

enum {
        OPTION_CHECK_CONFIG = 256,
        OPTION_DUMP_CONFIG,
        OPTION_DUMP_MACHINE,
        OPTION_VERSION,
};

static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, OPTION_CHECK_CONFIG},
        {"dump-config", no_argument, NULL, OPTION_DUMP_CONFIG},
        {"dump-machine", no_argument, NULL, OPTION_DUMP_MACHINE},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"help", no_argument, NULL, 'h'},
        {0},
};

static void print_help(FILE *file) {
        fputs("Usage: pgwaked [-c FILE] [--check-config | --dump-config | --dump-machine | --version | --help]\n"
              "\n"
              "Watches PostgreSQL databases that may be asleep, and tells everybody on this machine whether they are awake.\n"
              "Stays in the foreground; SIGHUP reads the configuration again, SIGTERM ends it.\n"
              "\n"
              "  -c, --config FILE   the configuration (default: " DEFAULT_CONFIG ")\n"
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

static int refuse_option(char **argv) {
        const char *names[ARRAY_LENGTH(long_options) - 1], *word = argv[optind - 1], *nearest;
        char letter[] = {'-', (char)optopt, '\0'};

        if (optopt == 'c')
                return refuse_usage(word, "needs a file");
        /* The letter of an option that has a long form too: "--help=yes". */
        if (optopt >= OPTION_CHECK_CONFIG || (optopt == 'h' && starts_with(word, "--")))
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

static int parse(int argc, char **argv, enum mode *ret_mode, const char **ret_path) {
        enum mode mode = MODE_WATCH;
        int c;

        opterr = 0;
        while ((c = getopt_long(argc, argv, ":c:h", long_options, NULL)) >= 0)
                switch (c) {
                case 'c':
                        *ret_path = optarg;
                        break;
                case 'h':
                        mode = MODE_HELP;
                        break;
                case OPTION_CHECK_CONFIG:
                        mode = MODE_CHECK_CONFIG;
                        break;
                case OPTION_DUMP_CONFIG:
                        mode = MODE_DUMP_CONFIG;
                        break;
                case OPTION_DUMP_MACHINE:
                        mode = MODE_DUMP_MACHINE;
                        break;
                case OPTION_VERSION:
                        mode = MODE_VERSION;
                        break;
                default:
                        return refuse_option(argv);
                }
        if (optind < argc)
                return refuse_usage(argv[optind], "is one word too many");
        *ret_mode = mode;
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

static int watch(const char *path, const struct config_environment *environment, struct config **config, struct complaints *complaints,
                 int r) {
        if (r >= 0) {
                log_open((*config)->log_format, (*config)->log_level);
                advice_complain(*config, complaints);
                complaints_sort(complaints);
        } else
                log_open(LOG_FORMAT_AUTO, LOG_INFO);
        complaints_log(complaints);
        if (r < 0) {
                log_error("The configuration %s cannot be used: nothing is started", path);
                return EX_CONFIG;
        }
        r = app_run(path, environment, steal_pointer(config));
        if (r < 0)
                return EXIT_FAILURE;
        return EXIT_SUCCESS;
}

/* What was printed is all there, or it is said: a dump that a full disk cut short must not look whole. */
static int end_output(int status) {
        if (fflush(stdout) == 0 && !ferror(stdout))
                return status;
        fprintf(stderr, "pgwaked: cannot write the output: %s\n", strerror(errno));
        return status == EXIT_SUCCESS ? EXIT_FAILURE : status;
}

static int with_config(enum mode mode, const char *path) {
        _cleanup_(config_environment_deinit) struct config_environment environment = {0};
        _cleanup_(complaints_deinit) struct complaints complaints = {0};
        _cleanup_(config_freep) struct config *config = NULL;
        int r;

        if (config_environment_take(&environment) < 0) {
                fputs("pgwaked: out of memory\n", stderr);
                return EXIT_FAILURE;
        }
        environment.credentials_may_lack = mode != MODE_WATCH;
        r = config_load(path, &environment, &complaints, &config);
        if (r < 0 && r != -EINVAL) {
                fprintf(stderr, "pgwaked: %s: %s\n", path, strerror(-r));
                return EXIT_FAILURE;
        }
        if (mode == MODE_CHECK_CONFIG)
                return end_output(check(config, &complaints, r));
        if (mode == MODE_DUMP_CONFIG)
                return end_output(dump(config, &complaints, r));
        return watch(path, &environment, &config, &complaints, r);
}

int command_line_run(int argc, char **argv) {
        const char *path = DEFAULT_CONFIG;
        struct buffer text = {0};
        enum mode mode;
        int r;

        r = parse(argc, argv, &mode, &path);
        if (r != 0)
                return r;
        switch (mode) {
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
        return with_config(mode, path);
}
