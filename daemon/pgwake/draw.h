/* What is drawn for people: how wide, with which characters, and text that stays inside. */
#pragma once

#include "pgwake/terminal.h"

/* Narrower than this nothing is drawn, and wider than that nothing is easier to read. */
#define DRAW_COLUMNS_MIN 40
#define DRAW_COLUMNS_MAX 200
#define DRAW_INDENT 2

struct drawing {
        const struct terminal *terminal;
        bool utf8;      /* blocks and lines; else letters and ASCII */
        size_t columns; /* no line is longer */
};

/* For TERMINAL in the locale of the environment. */
void drawing_init(struct drawing *ret, const struct terminal *terminal);

/* TEXT, COUNT times. */
void draw_repeat(struct buffer *buffer, const char *text, size_t count);
/*
 * LABEL in the first INDENT columns, and TEXT beside it, broken between words (and inside those that are wider than all that is left), but
 * not between a number and its unit, into lines that are indented as well. LABEL may be empty; one that is too long is cut.
 */
void draw_paragraph(struct buffer *buffer, const struct drawing *drawing, const char *label, size_t indent, const char *text);
/* A heading of its own line, in STYLE_HEAD. */
void draw_heading(struct buffer *buffer, const struct drawing *drawing, const char *text);
