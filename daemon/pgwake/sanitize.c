#include "pgwake/sanitize.h"

#include "base/text.h"

#include <errno.h>

static bool is_hostile(uint32_t character) {
        if (character < 0x20 || (character >= 0x7F && character < 0xA0))
                return true;
        /* Marks that change the direction of text, and line and paragraph separators. */
        return character == 0x061C || character == 0x200E || character == 0x200F || (character >= 0x2028 && character <= 0x202E) ||
               (character >= 0x2066 && character <= 0x2069);
}

void sanitize_append(struct buffer *buffer, const char *text) {
        while (*text) {
                uint32_t character = 0;
                size_t length = text_decode(text, &character);

                if (length == 0)
                        buffer_printf(buffer, "\\x%02x", (unsigned char)*text);
                else if (!is_hostile(character))
                        buffer_append(buffer, text, length);
                else
                        buffer_printf(buffer, character < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)character);
                text += MAX(length, (size_t)1);
        }
}

bool sanitize_is_clean(const char *text) {
        while (*text) {
                uint32_t character = 0;
                size_t length = text_decode(text, &character);

                if (length == 0 || is_hostile(character))
                        return false;
                text += length;
        }
        return true;
}

static int sanitize_string(json_t *value) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};

        if (sanitize_is_clean(json_string_value(value)))
                return 0;
        sanitize_append(&buffer, json_string_value(value));
        if (buffer_finish(&buffer) < 0)
                return -ENOMEM;
        return json_string_setn_nocheck(value, buffer.data, buffer.size) < 0 ? -ENOMEM : 0;
}

static bool has_clean_keys(json_t *object) {
        const char *key;
        json_t *value;

        json_object_foreach(object, key, value)
                if (!sanitize_is_clean(key))
                        return false;
        return true;
}

/* Keys cannot be changed in place: the members move through a second object. */
static int sanitize_keys(json_t *object) {
        json_t *copy, *value;
        const char *key;
        int r = 0;

        if (has_clean_keys(object))
                return 0;
        copy = json_object();
        json_object_foreach(object, key, value) {
                _cleanup_(buffer_deinit) struct buffer buffer = {0};

                sanitize_append(&buffer, key);
                if (buffer_finish(&buffer) < 0 || json_object_set(copy, buffer.data ? buffer.data : "", value) < 0)
                        r = -ENOMEM;
        }
        if (json_object_clear(object) < 0 || json_object_update(object, copy) < 0)
                r = -ENOMEM;
        json_decref(copy);
        return r;
}

/* jansson refuses documents deeper than 2048, which bounds the recursion. */
int sanitize_json(json_t *value) {
        json_t *member;
        const char *key;
        size_t i;
        int r = 0;

        if (json_is_string(value))
                return sanitize_string(value);
        if (json_is_array(value))
                json_array_foreach(value, i, member)
                        if (r == 0)
                                r = sanitize_json(member);
        if (json_is_object(value)) {
                json_object_foreach(value, key, member)
                        if (r == 0)
                                r = sanitize_json(member);
                if (r == 0)
                        r = sanitize_keys(value);
        }
        return r;
}
