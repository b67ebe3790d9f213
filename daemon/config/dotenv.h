/*
 * Parses the text of a dotenv file into names and values like python-dotenv 0.21, which is what the applications in question use.
 *
 * It supports "NAME=value" lines, `export` before them, comments, values in '...' or "..." that may span lines, escapes in both, and
 * ${NAME} or ${NAME:-default} in every value, even between single quotes, replaced by earlier values of the same text. The environment of
 * this process is not the application's, and is not used. A later line of a name overrides an earlier one.
 *
 * There are three differences: a byte order mark is skipped, a NUL byte is refused, and the expansion of ${NAME} is bounded.
 */
#pragma once

#include "config/complaint.h"

/* For a whole text; a process's environment is not much larger. */
#define DOTENV_BYTES_MAX (128 * 1024)

struct dotenv_entry {
        char *name;
        size_t name_length;
        char *value; /* NULL: no "=" follows the name */
        unsigned line;
};

struct dotenv {
        struct dotenv_entry *entries; /* in the order of the text */
        size_t n, allocated;
        size_t value_bytes;
};

/*
 * Parses TEXT (SIZE bytes). A line that is not understood is skipped with a warning, as in python-dotenv; complaints never repeat any of
 * the text. PLACE's line is not used. Returns 0; -EINVAL if it is not text in UTF-8, or grows too large; -ENOMEM.
 */
int dotenv_parse(struct dotenv *dotenv, const char *text, size_t size, const struct complaint_place *place);
/* The last entry of NAME, or NULL. */
const struct dotenv_entry *dotenv_find(const struct dotenv *dotenv, const char *name);
/* Wipes and frees. */
void dotenv_deinit(struct dotenv *dotenv);
