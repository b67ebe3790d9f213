/*
 * The option table: every key of a configuration file, with its type, default, bounds and help text.
 *
 * Tests compare the sample file, the manual page and --dump-config with it.
 */
#pragma once

#include "base/buffer.h"
#include "config/config.h"

enum option_scope {
        OPTION_GLOBAL,   /* of the daemon: "status.socket" is in the group `status` */
        OPTION_DATABASE, /* of each entry of `databases`, and of `defaults` */
};

enum option_type {
        OPTION_STRING,    /* char * */
        OPTION_ADDRESSES, /* char ** followed by a size_t */
        OPTION_HOSTS,     /* the same, for names */
        OPTION_BOOL,      /* bool */
        OPTION_UNSIGNED,  /* unsigned */
        OPTION_DURATION,  /* uint64_t, microseconds */
        OPTION_SIZE,      /* uint64_t, bytes */
        OPTION_PERCENT,   /* unsigned, thousandths; written "10%" */
        OPTION_HOURS,     /* uint64_t, microseconds; written as a number of hours */
        OPTION_CHOICE,    /* an enumeration; written as one of its words */
        OPTION_WORD,      /* const char *, one of the choices */
};

enum option_flag {
        OPTION_RELOADABLE = 1 << 0, /* takes force on reload; others need a restart */
        OPTION_OWN = 1 << 1,        /* belongs to one database: not allowed in `defaults` */
        OPTION_ZERO = 1 << 2,       /* "0s" is allowed below the minimum */
        OPTION_INFINITY = 1 << 3,   /* "infinity" is allowed */
        OPTION_AUTO = 1 << 4,       /* "auto" is allowed, stored as 0 */
        OPTION_ABSOLUTE = 1 << 5,   /* an absolute path */
        OPTION_EMPTY = 1 << 6,      /* "" is allowed */
        OPTION_SOCKET = 1 << 7,     /* a UNIX socket's path: at most 107 bytes */
};

struct option_choice {
        const char *word;
        int value;
};

struct option {
        const char *path; /* "history.keep", "expect.max_lag" */
        enum option_type type;
        enum option_scope scope;
        unsigned flags;
        const char *default_text; /* as in the file, without quotes; NULL: not set */
        const char *example;      /* for the sample, if there is no default */
        uint64_t minimum, maximum; /* for a list: its length, 0: any */
        const struct option_choice *choices; /* OPTION_CHOICE: ends with a NULL word */
        const char *(*words)(size_t i);      /* OPTION_WORD: word I; NULL past the end */
        const char *help;
        size_t offset;
        size_t present_offset; /* of a bool that tells whether it was set, or 0 */
};

/* Row I of SCOPE; NULL past the end. sources[] has the same index. */
const struct option *option_at(enum option_scope scope, size_t i);
size_t option_count(enum option_scope scope);
/* The index in SCOPE of PATH ("group.key"), or -1. */
int option_find(enum option_scope scope, const char *path);
/* Whether PATH is the name of a group of SCOPE ("status", "expect"). */
bool option_is_group(enum option_scope scope, const char *path);
/*
 * The last word of the known key or group nearest to PATH on the same level: "interval.pong" is compared with the keys of the group
 * `interval` only. Returns whether one is near enough.
 */
#define OPTION_WORD_MAX 32
bool option_nearest(enum option_scope scope, const char *path, char ret_word[OPTION_WORD_MAX]);

/* The allowed values: `a duration from "10ms" to "30d", or "0s", as in "10s"`. */
void option_describe(const struct option *option, struct buffer *buffer);
/* Writes the value in the struct at BASE as in a file, with quotes; returns false if it is not set. */
bool option_format(const struct option *option, const void *base, struct buffer *buffer);
/* Writes TEXT in quotes, escaped for libconfig. */
void option_quote(const char *text, struct buffer *buffer);
/* Word I of an OPTION_CHOICE or OPTION_WORD; NULL past the end, beyond which I must not go. */
const char *option_word(const struct option *option, size_t i);
/* The word of an OPTION_CHOICE's VALUE. */
const char *option_choice_word(const struct option_choice *choices, int value);
