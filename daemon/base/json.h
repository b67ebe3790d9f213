/*
 * Writes JSON into a buffer, one value at a time, with commas added automatically. Answers to frequent requests are composed here without a
 * tree. jansson is used only for reading, and no name here is one of its own: otherwise a program that links both would make jansson call
 * ours.
 */
#pragma once

#include "base/buffer.h"

#include <stdint.h>

/* Appends TEXT as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD. */
void json_append_string(struct buffer *buffer, const char *text);

struct json_writer {
        struct buffer *buffer;
        bool comma; /* a comma must precede the next value or key */
};

/* KEY is NULL inside an array and at the top. */
void json_begin_object(struct json_writer *w, const char *key);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);
/* A NULL text is null. */
void json_text(struct json_writer *w, const char *key, const char *text);
void json_bool(struct json_writer *w, const char *key, bool value);
void json_unsigned(struct json_writer *w, const char *key, uint64_t value);
void json_absent(struct json_writer *w, const char *key);
/* Microseconds as a number of seconds; USEC_INFINITY is null. */
void json_seconds(struct json_writer *w, const char *key, uint64_t usec);
/* PART of WHOLE (above 0) as a number from 0 to 1, truncated after the eighth place, so that only the whole is ever 1. */
void json_fraction(struct json_writer *w, const char *key, uint64_t part, uint64_t whole);
/* Realtime as RFC 3339 UTC; 0 and USEC_INFINITY are null. */
void json_time(struct json_writer *w, const char *key, uint64_t real_usec);
