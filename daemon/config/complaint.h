/*
 * What is wrong with a configuration, all of it at once: each complaint names its file and line, what is wrong and what would be right.
 *
 * No complaint repeats a value that may hold a secret: file and line lead to it.
 */
#pragma once

#include "base/buffer.h"

#include <stdint.h>

/* More about one file, and more at all, are only counted: a file of another kind must not fill the memory. */
#define COMPLAINTS_FILE_MAX 100
#define COMPLAINTS_MAX 10000

enum complaint_severity {
        COMPLAINT_ERROR,   /* nothing starts, or the running configuration stays */
        COMPLAINT_WARNING, /* in force all the same */
};

struct complaint {
        enum complaint_severity severity;
        const char *file; /* of struct complaint_file */
        unsigned line;    /* 0: the file as a whole */
        char *text;
        size_t order; /* in which it was made; SIZE_MAX: how many more there are, the last of its file */
};

struct complaint_file {
        char *name;
        size_t n;
        size_t more, more_errors; /* that are only counted */
};

struct complaints {
        struct complaint *items;
        size_t n;
        size_t allocated;
        struct complaint_file *files; /* by name */
        size_t n_files, files_allocated;
        size_t last_file; /* what is complained about once is complained about again */
        size_t n_errors;
        bool failed; /* one was lost for want of memory */
};

_printf_(5, 6) void complaint_add(struct complaints *complaints, enum complaint_severity severity, const char *file, unsigned line,
                                  const char *format, ...);
#define complain_error(complaints, file, line, ...) complaint_add(complaints, COMPLAINT_ERROR, file, line, __VA_ARGS__)
#define complain_warning(complaints, file, line, ...) complaint_add(complaints, COMPLAINT_WARNING, file, line, __VA_ARGS__)

/* Whether one more complaint about FILE would be kept: else its words need not be looked for. */
bool complaints_have_room(struct complaints *complaints, const char *file);

/* Where complaints about one key go, and what they begin with. */
struct complaint_place {
        struct complaints *complaints;
        const char *file;
        unsigned line;
        const char *key; /* NULL: nothing */
};

_printf_(2, 3) void place_error(const struct complaint_place *place, const char *format, ...);
_printf_(2, 3) void place_warning(const struct complaint_place *place, const char *format, ...);

/* By file and line; those of one line stay in the order in which they were made. Behind them, how many more there are. */
void complaints_sort(struct complaints *complaints);

/* "file:line: error: text", without a newline; no ":line" when it is 0. */
void complaint_format(const struct complaint *complaint, struct buffer *buffer);

/* One entry of the log each. */
void complaints_log(const struct complaints *complaints);

void complaints_deinit(struct complaints *complaints);
