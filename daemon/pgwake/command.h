/*
 * What a command of pgwake is, and what it works with. Each command stands in its own file, all that is said of it beside what it does;
 * command.c lists them, reads the command line by what they say, and runs the one that is asked for.
 */
#pragma once

#include "base/macro.h"
#include "pgwake/terminal.h"

#include <assert.h>
#include <stdint.h>

/* As pg_isready's. */
enum exit_code {
        EXIT_CODE_DONE = 0,
        EXIT_CODE_NOT_READY = 1, /* or refused */
        EXIT_CODE_NO_ANSWER = 2,
        EXIT_CODE_USAGE = 3,
        /* Of hold, whose other codes are those of the program that it runs; as env, nohup and timeout have them. */
        EXIT_CODE_OWN_FAILURE = 125,
        EXIT_CODE_CANNOT_RUN = 126,
        EXIT_CODE_NOT_FOUND = 127,
};

struct command_option {
        const char *name;     /* without its dashes */
        const char *argument; /* what to call it in the help; NULL for a flag */
        const char *help;
};

struct option_value {
        const struct command_option *option;
        const char *text; /* "" for a flag; NULL: not given */
};

#define OPTIONS_MAX 16

/* What a command line says. */
struct options {
        const char *command;
        const char **operands; /* what is no option, the command's name not counted */
        size_t n_operands;
        char **program;  /* of argv: what follows the first "--" behind the command's name, or NULL; these are operands too, unless */
        size_t n_before; /* a command takes them as a program to run: then its operands are those before */
        struct option_value values[OPTIONS_MAX]; /* of all options that the command knows */
        size_t n_values;
        bool json;
};

/* What was given as --NAME, "" for a flag; NULL when it was not. NAME is one of the command's options. */
static inline const char *option_text(const struct options *options, const char *name) {
        for (size_t i = 0; i < options->n_values; i++)
                if (streq(options->values[i].option->name, name))
                        return options->values[i].text;
        assert(!"an option of this command");
        return NULL;
}

static inline bool option_is_given(const struct options *options, const char *name) {
        return option_text(options, name) != NULL;
}

struct client;

/* What a command works with. */
struct context {
        struct options options;
        struct terminal out;
        struct terminal err;
        void (*on_sigpipe)(int number); /* what SIGPIPE did when pgwake was started: SIG_DFL or SIG_IGN */
        struct client *client; /* NULL for a command that needs no daemon */
};

#define OPERANDS_MANY SIZE_MAX

struct command {
        const char *name;
        const char *arguments; /* for the usage line */
        const char *summary;
        const char *description;
        const struct command_option *options; /* beside those that all have; ends with a NULL name. NULL: none */
        size_t min_operands, max_operands;
        const char *missing; /* what is asked where there are fewer operands; NULL: "which database?" */
        bool offline; /* needs no daemon */
        bool runs;    /* what follows "--" is a program to run */
        int (*exec)(struct context *context); /* answers an enum exit_code */
};

int pgwake_main(int argc, char **argv);
