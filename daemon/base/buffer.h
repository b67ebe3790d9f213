/*
 * A growing string of bytes, always NUL-terminated. It remembers a failed allocation until buffer_finish(), so that a long text can be
 * composed without a check per line.
 */
#pragma once

#include "base/macro.h"

#include <stdarg.h>

struct buffer {
        char *data;
        size_t size;
        size_t allocated;
        bool failed;
};

void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_append_string(struct buffer *buffer, const char *text);
_printf_(2, 3) void buffer_printf(struct buffer *buffer, const char *format, ...);
_printf_(2, 0) void buffer_vprintf(struct buffer *buffer, const char *format, va_list arguments);
/* Empties it and keeps the memory. */
void buffer_clear(struct buffer *buffer);
/* 0, or -ENOMEM if anything was lost. */
int buffer_finish(const struct buffer *buffer);
/* The text, which the caller owns now, or NULL if anything was lost. */
char *buffer_steal(struct buffer *buffer);
void buffer_deinit(struct buffer *buffer);
