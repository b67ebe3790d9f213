/* The command line, by tables: every command lists its options, and what is not listed is answered with the nearest that is. */
#pragma once

#include "base/macro.h"

/* What the options of all commands say; a text is NULL when its option was not given. */
struct options {
        bool help, version, json;
        bool watch, wake, nagios, follow, off, csv, plain, remove_all;
        const char *socket;
        const char *for_what, *timeout, *wait, *accept, *owner, *spread, *kind, *since, *until, *limit;
        const char **operands; /* what is no option, the command's name not counted */
        size_t n_operands;
        char **program;     /* of argv: what follows the first "--" behind the command's name, or NULL; these are operands too, unless */
        size_t n_before;    /* a command takes them as a program to run: then its operands are those before */
        const char *command;
};

struct option_row {
        const char *name;     /* without its dashes */
        const char *argument; /* what to call it in the help; NULL for a flag */
        const char *help;
        size_t offset; /* in struct options: a bool, or with an argument a const char * */
};

/* --help, --json, --socket, --version: known to every command. */
extern const struct option_row options_common[];
extern const size_t options_n_common;

/*
 * Reads ARGV. FIND answers the options of a command (a list that ends with a NULL name), or NULL for a word that is none.
 * Answers 0; 1 when it complained and the usage is wrong; -ENOMEM. The operands are the caller's to free.
 */
int options_parse(struct options *ret_options, int argc, char **argv, const struct option_row *(*find)(const char *command));
