#include "base/json.h"

#include "base/clock.h"
#include "base/text.h"

#include <inttypes.h>

/* The number of bytes at P that a JSON string contains unchanged. */
static size_t plain_length(const char *p) {
        size_t length = 0;

        while ((unsigned char)p[length] >= 0x20 && (unsigned char)p[length] < 0x7f && p[length] != '"' && p[length] != '\\')
                length++;
        return length;
}

/* Appends one character that is not plain ASCII; returns its length in bytes. */
static size_t append_character(struct buffer *buffer, const char *p) {
        size_t length = text_decode(p, NULL);

        if (length == 0) {
                buffer_append_string(buffer, "\\ufffd");
                return 1;
        }
        if (*p == '"' || *p == '\\')
                buffer_printf(buffer, "\\%c", *p);
        else if (*p == '\n')
                buffer_append_string(buffer, "\\n");
        else if (length == 1)
                buffer_printf(buffer, "\\u%04x", (unsigned char)*p);
        else
                buffer_append(buffer, p, length);
        return length;
}

void json_append_string(struct buffer *buffer, const char *text) {
        const char *p = text;

        buffer_append(buffer, "\"", 1);
        for (;;) {
                size_t length = plain_length(p);

                buffer_append(buffer, p, length);
                p += length;
                if (!*p)
                        break;
                p += append_character(buffer, p);
        }
        buffer_append(buffer, "\"", 1);
}

static void begin_value(struct json_writer *w, const char *key) {
        if (w->comma)
                buffer_append(w->buffer, ",", 1);
        if (key) {
                json_append_string(w->buffer, key);
                buffer_append(w->buffer, ":", 1);
        }
        w->comma = true;
}

static void json_begin(struct json_writer *w, const char *key, const char *bracket) {
        begin_value(w, key);
        buffer_append(w->buffer, bracket, 1);
        w->comma = false;
}

static void json_end(struct json_writer *w, const char *bracket) {
        buffer_append(w->buffer, bracket, 1);
        w->comma = true;
}

void json_begin_object(struct json_writer *w, const char *key) {
        json_begin(w, key, "{");
}

void json_end_object(struct json_writer *w) {
        json_end(w, "}");
}

void json_begin_array(struct json_writer *w, const char *key) {
        json_begin(w, key, "[");
}

void json_end_array(struct json_writer *w) {
        json_end(w, "]");
}

void json_absent(struct json_writer *w, const char *key) {
        begin_value(w, key);
        buffer_append(w->buffer, "null", 4);
}

void json_text(struct json_writer *w, const char *key, const char *text) {
        if (!text) {
                json_absent(w, key);
                return;
        }
        begin_value(w, key);
        json_append_string(w->buffer, text);
}

void json_bool(struct json_writer *w, const char *key, bool value) {
        begin_value(w, key);
        buffer_append_string(w->buffer, value ? "true" : "false");
}

void json_unsigned(struct json_writer *w, const char *key, uint64_t value) {
        begin_value(w, key);
        buffer_printf(w->buffer, "%" PRIu64, value);
}

void json_seconds(struct json_writer *w, const char *key, uint64_t usec) {
        if (usec == USEC_INFINITY) {
                json_absent(w, key);
                return;
        }
        begin_value(w, key);
        buffer_printf(w->buffer, "%" PRIu64 ".%06" PRIu64, usec / USEC_PER_SEC, usec % USEC_PER_SEC);
}

void json_fraction(struct json_writer *w, const char *key, uint64_t part, uint64_t whole) {
        uint64_t places = (uint64_t)((long double)part / (long double)whole * 1e8L);

        if (part < whole && places >= 100000000)
                places = 99999999;
        begin_value(w, key);
        buffer_printf(w->buffer, "%" PRIu64 ".%08" PRIu64, places / 100000000, places % 100000000);
}

void json_time(struct json_writer *w, const char *key, uint64_t real_usec) {
        char text[CLOCK_RFC3339_MAX];

        json_text(w, key, real_usec && real_usec != USEC_INFINITY ? clock_format_rfc3339(text, real_usec) : NULL);
}
