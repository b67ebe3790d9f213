/* The commands of pgwake: one table, from which the dispatch, the usage lines and --help are made. */
#pragma once

#include "pgwake/options.h"
#include "pgwake/terminal.h"

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

struct client;

/* What a command works with. */
struct context {
        struct options options;
        struct terminal out;
        struct terminal err;
        void (*on_sigpipe)(int number); /* what SIGPIPE did when pgwake was started: SIG_DFL or SIG_IGN */
        struct client *client; /* NULL for a command that needs no daemon */
};

struct command {
        const char *name;
        const char *arguments; /* for the usage line */
        const char *summary;
        const char *description;
        const struct option_row *options; /* ends with a NULL name */
        size_t min_operands, max_operands;
        bool offline; /* needs no daemon */
        bool runs;    /* what follows "--" is a program to run */
        int (*run)(struct context *context); /* answers an enum exit_code */
};

int command_status(struct context *context);
int command_wait(struct context *context);
int command_wake(struct context *context);
int command_hold(struct context *context);
int command_release(struct context *context);
int command_check(struct context *context);
int command_events(struct context *context);
int command_history(struct context *context);
int command_report(struct context *context);
int command_pause(struct context *context);
int command_resume(struct context *context);
int command_reload(struct context *context);
int command_reasons(struct context *context);

int pgwake_main(int argc, char **argv);
