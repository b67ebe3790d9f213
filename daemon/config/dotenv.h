/*
 * A dotenv file's text: names with their values, read as python-dotenv 0.21 reads it, which is what the applications in question use.
 *
 * That is: "NAME=value" lines, `export` before them, comments, a value in '...' or "..." that may span lines, escapes in both, and
 * ${NAME} or ${NAME:-default} in every value, also in one between single quotes, replaced by what stands before it in the same text. The
 * environment of this process is not the application's, and is not looked at. A later line of a name goes before an earlier one.
 *
 * Three things are not as there: a byte order mark is cut off, a NUL byte is refused, and what ${NAME} may blow up is bounded.
 */
#pragma once

#include "config/complaint.h"

/* Of a whole text; a process's environment is not much larger. */
#define DOTENV_BYTES_MAX (128 * 1024)

struct dotenv_entry {
        char *name;
        size_t name_length;
        char *value; /* NULL: there is no "=" behind the name */
        unsigned line;
};

struct dotenv {
        struct dotenv_entry *entries; /* in the order of the text */
        size_t n, allocated;
        size_t value_bytes;
};

/*
 * Reads TEXT (SIZE bytes). A line that is not understood is skipped with a warning, as python-dotenv does; complaints never repeat any of
 * the text. PLACE's line is not used. Answers 0; -EINVAL for what is no text (UTF-8) or grows too large; -ENOMEM.
 */
int dotenv_parse(struct dotenv *dotenv, const char *text, size_t size, const struct complaint_place *place);
/* The last entry of NAME, or NULL. */
const struct dotenv_entry *dotenv_find(const struct dotenv *dotenv, const char *name);
/* Wipes and frees. */
void dotenv_deinit(struct dotenv *dotenv);
