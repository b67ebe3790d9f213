#include "base/text.h"

#include "base/nearest.h"

#include <ctype.h>

char *text_copy(char *destination, size_t size, const char *text) {
        size_t length = text ? strlen(text) : 0;

        if (length >= size) {
                length = size - 1;
                /* Step back over continuation bytes, so that no partial character is left. */
                while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
                        length--;
        }
        if (length)
                memcpy(destination, text, length);
        destination[length] = '\0';
        return destination;
}

bool text_is_name(const char *text) {
        size_t length = strlen(text);

        if (length == 0 || length > TEXT_NAME_MAX || text[0] == '-' || text[0] == '_')
                return false;
        return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

const char *text_nearest(const char *word, const char *const *candidates, size_t n) {
        struct nearest nearest;

        nearest_init(&nearest, word);
        for (size_t i = 0; i < n; i++)
                nearest_try(&nearest, candidates[i]);
        return nearest.found;
}

size_t text_host_length(const char *host) {
        size_t length = strlen(host);

        return length > 0 && host[length - 1] == '.' ? length - 1 : length;
}

bool text_contains(const char *text, const char *part) {
        return strcasestr(text, part) != NULL;
}

char *text_flatten(char *text) {
        char *out = text;
        bool space = true;

        for (const char *p = text; *p; p++) {
                bool blank = (unsigned char)*p <= ' ' || *p == 0x7f;

                if (blank && space)
                        continue;
                *out++ = blank ? ' ' : *p;
                space = blank;
        }
        if (out > text && out[-1] == ' ')
                out--;
        *out = '\0';
        return text;
}

size_t text_decode(const char *text, uint32_t *ret_character) {
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        const unsigned char *p = (const unsigned char *)text;
        size_t length = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
        uint32_t character = length <= 1 ? p[0] : p[0] & (0x7Fu >> length);

        if (length == 0)
                return 0;
        for (size_t i = 1; i < length; i++) {
                if ((p[i] & 0xC0) != 0x80)
                        return 0;
                character = character << 6 | (p[i] & 0x3Fu);
        }
        if (character < smallest[length] || character > 0x10FFFF || (character >= 0xD800 && character <= 0xDFFF))
                return 0;
        if (ret_character)
                *ret_character = character;
        return length;
}
