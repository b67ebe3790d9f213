/* Where pgwake writes: what the stream is (a terminal, its size, whether it likes colours), and the few ways to write to it. */
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
/* Asks for the size again, after SIGWINCH. */
void terminal_measure(struct terminal *terminal);

/* Colour only repeats what the text says already. */
void style_append(struct buffer *buffer, const struct terminal *terminal, enum style style, const char *text);
/* The style of a state's name; plain for a word that is none. */
enum style style_of_state(const char *state);

/* Writes and flushes; 0, or a negative errno: -EPIPE when nobody reads any more. */
int terminal_write(const struct terminal *terminal, const struct buffer *buffer);
/* Whether the one who read is gone. */
bool terminal_is_gone(const struct terminal *terminal);
/* JSON as text that is safe on a terminal: ASCII, indented only for people. A document is followed by a newline. */
int terminal_write_json(const struct terminal *terminal, const json_t *json);
/* As one line, whoever reads. */
int terminal_write_json_line(const struct terminal *terminal, const json_t *json);

/* A line that says what is wrong, cleaned as a whole: "pgwake: ..." on stderr, unless complain_to() said otherwise (NULL: nowhere). */
void complain_to(FILE *file, const char *prefix);
_printf_(1, 2) void complain(const char *format, ...);
