/*
 * The commands of pgwake, and what they work with. Each command has its own file, with its help beside its code; command.c lists them,
 * parses the command line by their descriptions, and runs the one that was given.
 */
#pragma once

#include "base/macro.h"
#include "pgwake/terminal.h"

#include <assert.h>
#include <stdint.h>

/* The same as pg_isready's. */
enum exit_code {
        EXIT_CODE_DONE = 0,
        EXIT_CODE_NOT_READY = 1, /* or refused */
        EXIT_CODE_NO_ANSWER = 2,
        EXIT_CODE_USAGE = 3,
        /* Only for hold, whose other codes are those of the program that it runs; as in env, nohup and timeout. */
        EXIT_CODE_OWN_FAILURE = 125,
        EXIT_CODE_CANNOT_RUN = 126,
        EXIT_CODE_NOT_FOUND = 127,
};

struct command_option {
        const char *name;     /* without its dashes */
        const char *argument; /* its name in the help; NULL for a flag */
        const char *help;
};

struct option_value {
        const struct command_option *option;
        const char *text; /* "" for a flag; NULL: not given */
};

#define OPTIONS_MAX 16

/* The parsed command line. */
struct options {
        const char *command;
        const char **operands; /* arguments that are no options, without the command's name */
        size_t n_operands;
        char **program;  /* argv after the first "--" behind the command's name, or NULL; also operands, unless */
        size_t n_before; /* a command runs them as a program: then its operands are those before */
        struct option_value values[OPTIONS_MAX]; /* of all options that the command knows */
        size_t n_values;
        bool json;
};

/* The value of --NAME, "" for a flag; NULL if it was not given. NAME is one of the command's options. */
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

/* A command's environment. */
struct context {
        struct options options;
        struct terminal out;
        struct terminal err;
        void (*on_sigpipe)(int number); /* the disposition of SIGPIPE at the start: SIG_DFL or SIG_IGN */
        struct client *client; /* NULL if the command needs no daemon */
};

#define OPERANDS_MANY SIZE_MAX

struct command {
        const char *name;
        const char *arguments; /* for the usage line */
        const char *summary;
        const char *description;
        const struct command_option *options; /* in addition to the common ones; ends with a NULL name. NULL: none */
        size_t min_operands, max_operands;
        const char *missing; /* asked if operands are missing; NULL: "which database?" */
        bool offline; /* needs no daemon */
        bool runs;    /* the part after "--" is a program to run */
        int (*exec)(struct context *context); /* returns an enum exit_code */
};

int pgwake_main(int argc, char **argv);
