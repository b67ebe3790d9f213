/* The commands of pgwake: one table, from which the dispatch, the usage lines and --help are made. */
#pragma once

#include "ctl/options.h"
#include "ctl/terminal.h"

/* As pg_isready's. */
enum exit_code {
        EXIT_CODE_DONE = 0,
        EXIT_CODE_NOT_READY = 1, /* or refused */
        EXIT_CODE_NO_ANSWER = 2,
        EXIT_CODE_USAGE = 3,
};

struct client;

/* What a command works with. */
struct context {
        struct options options;
        struct terminal out;
        struct terminal err;
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
        int (*run)(struct context *context); /* answers an enum exit_code */
};

int command_status(struct context *context);
int command_wait(struct context *context);
int command_wake(struct context *context);
int command_check(struct context *context);
int command_events(struct context *context);
int command_pause(struct context *context);
int command_resume(struct context *context);
int command_reload(struct context *context);
int command_reasons(struct context *context);

int pgwake_main(int argc, char **argv);
