/* Output of pgwake: the stream (whether it is a terminal, its size, whether it wants colours), and the functions that write to it. */
#pragma once

#include "base/buffer.h"
#include "model/state.h"

#include <jansson.h>
#include <stdio.h>

static inline void json_freep(json_t **json) {
        json_decref(*json);
}

enum style {
        STYLE_PLAIN,
        STYLE_GOOD,
        STYLE_BUSY,
        STYLE_QUIET,
        STYLE_WARN,
        STYLE_BAD,
        STYLE_HEAD,
};

struct terminal {
        FILE *file;
        bool is_terminal; /* one that understands \r and escapes */
        bool colour;
        unsigned columns; /* 0: no limit */
        unsigned rows;    /* 0: no limit */
};

void terminal_open(struct terminal *terminal, FILE *file);
/* Reads the size again, after SIGWINCH. */
void terminal_measure(struct terminal *terminal);

/* Colour only repeats information that the text has. */
void style_append(struct buffer *buffer, const struct terminal *terminal, enum style style, const char *text);
/* The style for a state's name; plain for any other word. */
enum style style_of_state(const char *state);

/* Writes and flushes; 0, or a negative errno: -EPIPE if the reader has gone. */
int terminal_write(const struct terminal *terminal, const struct buffer *buffer);
/* Whether the reader has gone. */
bool terminal_is_gone(const struct terminal *terminal);
/* JSON as text that is safe on a terminal: ASCII, indented only on a terminal. A document ends with a newline. */
int terminal_write_json(const struct terminal *terminal, const json_t *json);
/* On one line, for any reader. */
int terminal_write_json_line(const struct terminal *terminal, const json_t *json);

/* Prints an error on one line, cleaned as a whole: "pgwake: ..." on stderr, unless complain_to() sets something else (NULL: nowhere). */
void complain_to(FILE *file, const char *prefix);
_printf_(1, 2) void complain(const char *format, ...);
