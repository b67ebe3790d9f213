#include "base/json.h"

#include "base/clock.h"

#include <inttypes.h>

/* The length of the well-formed UTF-8 sequence at P (RFC 3629, table 3-7 of Unicode), or 0. */
static size_t utf8_length(const unsigned char *p) {
        size_t length;

        if (p[0] < 0x80)
                return 1;
        if (p[0] < 0xC2 || p[0] > 0xF4)
                return 0;
        length = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
        if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
                return 0;
        for (size_t i = 1; i < length; i++)
                if ((p[i] & 0xC0) != 0x80)
                        return 0;
        return length;
}

/* How many bytes at P stand in a JSON string as they are. */
static size_t plain_length(const unsigned char *p) {
        size_t length = 0;

        while (p[length] >= 0x20 && p[length] < 0x7f && p[length] != '"' && p[length] != '\\')
                length++;
        return length;
}

/* One character that is not plain ASCII; answers its length in bytes. */
static size_t append_character(struct buffer *buffer, const unsigned char *p) {
        size_t length = utf8_length(p);

        if (length == 0) {
                buffer_append_string(buffer, "\\ufffd");
                return 1;
        }
        if (*p == '"' || *p == '\\')
                buffer_printf(buffer, "\\%c", *p);
        else if (*p == '\n')
                buffer_append_string(buffer, "\\n");
        else if (*p < 0x20 || *p == 0x7f)
                buffer_printf(buffer, "\\u%04x", *p);
        else
                buffer_append(buffer, p, length);
        return length;
}

void json_append_string(struct buffer *buffer, const char *text) {
        const unsigned char *p = (const unsigned char *)text;

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

static void begin(struct json_writer *w, const char *key, const char *bracket) {
        begin_value(w, key);
        buffer_append(w->buffer, bracket, 1);
        w->comma = false;
}

static void end(struct json_writer *w, const char *bracket) {
        buffer_append(w->buffer, bracket, 1);
        w->comma = true;
}

void json_begin_object(struct json_writer *w, const char *key) {
        begin(w, key, "{");
}

void json_end_object(struct json_writer *w) {
        end(w, "}");
}

void json_begin_array(struct json_writer *w, const char *key) {
        begin(w, key, "[");
}

void json_end_array(struct json_writer *w) {
        end(w, "]");
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

void json_time(struct json_writer *w, const char *key, uint64_t real_usec) {
        char text[CLOCK_RFC3339_MAX];

        json_text(w, key, real_usec && real_usec != USEC_INFINITY ? clock_format_rfc3339(text, real_usec) : NULL);
}
