/*
 * Errors and warnings about a configuration, all of them at once: each names its file and line, the mistake and what was expected.
 *
 * No complaint repeats a value that may be a secret: file and line lead to it.
 */
#pragma once

#include "base/buffer.h"

#include <stdint.h>

/* Beyond these limits, for one file and for all, complaints are only counted: a file of another kind must not fill the memory. */
#define COMPLAINTS_FILE_MAX 100
#define COMPLAINTS_MAX 10000

enum complaint_severity {
        COMPLAINT_ERROR,   /* the daemon does not start, or keeps the running configuration */
        COMPLAINT_WARNING, /* the configuration takes force all the same */
};

struct complaint {
        enum complaint_severity severity;
        const char *file; /* of struct complaint_file */
        unsigned line;    /* 0: the file as a whole */
        char *text;
        size_t order; /* in which they were made; SIZE_MAX: the number of further ones, the last of its file */
};

struct complaint_file {
        char *name;
        size_t n;
        size_t more, more_errors; /* only counted */
};

struct complaints {
        struct complaint *items;
        size_t n;
        size_t allocated;
        struct complaint_file *files; /* sorted by name */
        size_t n_files, files_allocated;
        size_t last_file; /* complaints about one file tend to come together */
        size_t n_errors;
        bool failed; /* one was lost because memory ran out */
};

_printf_(5, 6) void complaint_add(struct complaints *complaints, enum complaint_severity severity, const char *file, unsigned line,
                                  const char *format, ...);
#define complain_error(complaints, file, line, ...) complaint_add(complaints, COMPLAINT_ERROR, file, line, __VA_ARGS__)
#define complain_warning(complaints, file, line, ...) complaint_add(complaints, COMPLAINT_WARNING, file, line, __VA_ARGS__)

/* Whether another complaint about FILE would be kept. If not, its text need not be prepared. */
bool complaints_have_room(struct complaints *complaints, const char *file);

/* The file, line and prefix of complaints about one key. */
struct complaint_place {
        struct complaints *complaints;
        const char *file;
        unsigned line;
        const char *key; /* NULL: no prefix */
};

_printf_(2, 3) void place_error(const struct complaint_place *place, const char *format, ...);
_printf_(2, 3) void place_warning(const struct complaint_place *place, const char *format, ...);

/* By file and line, those of one line in the order in which they were made, and after all of a file the number of further ones. */
void complaints_sort(struct complaints *complaints);

/* "file:line: error: text", without a newline; no ":line" when it is 0. */
void complaint_format(const struct complaint *complaint, struct buffer *buffer);

/* Logs each as one entry. */
void complaints_log(const struct complaints *complaints);

void complaints_deinit(struct complaints *complaints);
