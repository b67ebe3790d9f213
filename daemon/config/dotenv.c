/* Each function that reads a piece implements one of the regular expressions in python-dotenv's parser.py, with its backtracking. */
#include "config/dotenv.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"

/* ${A}${A} on each of twenty lines is a million times the first value. */
#define VALUE_BYTES_MAX (1024 * 1024)
/* A file that is not a dotenv file at all must not cause a complaint for each line. */
#define SKIPPED_MAX 10

struct reader {
        struct dotenv *dotenv;
        const struct complaint_place *place;
        char *p; /* NUL-terminated, line ends are "\n" */
        unsigned line;
        unsigned skipped;
};

/* Python's white space beyond ASCII. */
static bool is_wide_space(uint32_t c) {
        return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
               c == 0x205f || c == 0x3000;
}

/* The length of the white space character at P, or 0. */
static size_t space_length(const char *p) {
        uint32_t character;
        size_t length;

        if ((*p >= '\t' && *p <= '\r') || (*p >= 0x1c && *p <= ' '))
                return 1;
        if (!((unsigned char)*p & 0x80))
                return 0;
        length = text_decode(p, &character);
        return length && is_wide_space(character) ? length : 0;
}

static char *skip_inline_space(char *p) {
        while (*p != '\n' && space_length(p))
                p += space_length(p);
        return p;
}

/* Moves on to P, and counts lines. */
static void advance(struct reader *reader, char *p) {
        for (; reader->p < p; reader->p++)
                reader->line += *reader->p == '\n';
}

static void dotenv_skip_space(struct reader *reader) {
        char *p = reader->p;

        while (space_length(p))
                p += space_length(p);
        advance(reader, p);
}

static char *wipe(char *text, size_t size) {
        if (text)
                explicit_bzero(text, size);
        free(text);
        return NULL;
}

/*
 * The end of a quoted piece that begins at P: the first QUOTE without a backslash before it or, if there is none, the last one of all.
 * NULL: it is not closed.
 */
static char *find_quote(char *p, char quote) {
        char *last = NULL;

        for (p++; *p; p++) {
                if (*p != '\\' || p[1] != quote) {
                        if (*p == quote)
                                return p;
                        continue;
                }
                last = ++p;
        }
        return last;
}

static char decode_escape(char c, char quote) {
        static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
        const char *known;

        if (c == '\\' || c == '\'')
                return c;
        if (quote == '\'' || !c)
                return '\0';
        known = strchr(from, c);
        return c == '"' ? c : known ? to[known - from] : '\0';
}

/* Decodes in place; anything that is no escape stays. Returns the length. */
static size_t decode_escapes(char *text, char quote) {
        char *out = text;

        for (char *p = text; *p; p++) {
                char decoded = *p == '\\' ? decode_escape(p[1], quote) : '\0';

                *out++ = decoded ? decoded : *p;
                p += decoded != '\0';
        }
        *out = '\0';
        return (size_t)(out - text);
}

/* The length of an unquoted value, without a comment that follows white space, and without trailing white space. */
static size_t unquoted_length(const char *text, const char *end) {
        size_t length = 0;

        for (const char *p = text; p < end;) {
                size_t space = space_length(p);

                if (!space) {
                        length = (size_t)(++p - text);
                        continue;
                }
                while (p < end && space_length(p))
                        p += space_length(p);
                if (p < end && *p == '#')
                        break;
        }
        return length;
}

static int copy(const char *text, size_t length, char **ret_copy) {
        char *space = malloc(length + 1);

        if (!space)
                return -ENOMEM;
        memcpy(space, text, length);
        space[length] = '\0';
        *ret_copy = space;
        return 0;
}

/* The regular expressions do not match. */
#define NOT_UNDERSTOOD 1

static int read_name(struct reader *reader, struct dotenv_entry *entry) {
        char *begin = reader->p, *end;

        if (*begin == '\'') {
                end = strchr(begin + 1, '\'');
                if (!end || end == begin + 1)
                        return NOT_UNDERSTOOD;
                advance(reader, end + 1);
                begin++;
        } else {
                for (end = begin; *end && *end != '=' && *end != '#' && !space_length(end);)
                        end++;
                if (end == begin)
                        return NOT_UNDERSTOOD;
                advance(reader, end);
        }
        entry->name_length = (size_t)(end - begin);
        return copy(begin, entry->name_length, &entry->name);
}

static int dotenv_read_value(struct reader *reader, char **ret_value) {
        char *begin = reader->p, *end;
        int r;

        if (*begin == '\'' || *begin == '"') {
                end = find_quote(begin, *begin);
                if (!end)
                        return NOT_UNDERSTOOD;
                advance(reader, end + 1);
                r = copy(begin + 1, (size_t)(end - begin) - 1, ret_value);
                if (r == 0)
                        (void)decode_escapes(*ret_value, *begin);
                return r;
        }
        end = begin + strcspn(begin, "\n");
        advance(reader, end);
        return copy(begin, unquoted_length(begin, end), ret_value);
}

static int read_line_end(struct reader *reader) {
        char *p = skip_inline_space(reader->p);

        if (*p == '#')
                p += strcspn(p, "\n");
        if (*p && *p != '\n')
                return NOT_UNDERSTOOD;
        advance(reader, *p ? p + 1 : p);
        return 0;
}

/* Reads one line, or several if a quoted value spans them. Without a name in ENTRY it was a comment. */
static int read_binding(struct reader *reader, struct dotenv_entry *entry) {
        size_t length = starts_with(reader->p, "export");
        int r = 0;

        if (length && skip_inline_space(reader->p + length) > reader->p + length)
                advance(reader, skip_inline_space(reader->p + length));
        entry->line = reader->line;
        if (*reader->p != '#')
                r = read_name(reader, entry);
        if (r == 0)
                advance(reader, skip_inline_space(reader->p));
        if (r == 0 && *reader->p == '=') {
                advance(reader, skip_inline_space(reader->p + 1));
                r = dotenv_read_value(reader, &entry->value);
        }
        return r ? r : read_line_end(reader);
}

static const struct dotenv_entry *dotenv_find_entry(const struct dotenv *dotenv, const char *name, size_t length) {
        for (size_t i = dotenv->n; i-- > 0;)
                if (dotenv->entries[i].name_length == length && memcmp(dotenv->entries[i].name, name, length) == 0)
                        return &dotenv->entries[i];
        return NULL;
}

/* Reads "${NAME}" or "${NAME:-default}" at P; returns its end and its value, or NULL. */
static const char *read_variable(const struct dotenv *dotenv, const char *p, const char **ret_value, size_t *ret_length) {
        const char *name = p + 2, *end, *fallback = "";
        const struct dotenv_entry *entry;
        size_t length, fallback_length = 0;

        if (p[0] != '$' || p[1] != '{')
                return NULL;
        length = strcspn(name, "}:");
        end = name + length;
        if (end[0] == ':' && end[1] == '-') {
                fallback = end + 2;
                fallback_length = strcspn(fallback, "}");
                end = fallback + fallback_length;
        }
        if (*end != '}')
                return NULL;
        entry = dotenv_find_entry(dotenv, name, length);
        *ret_value = !entry ? fallback : entry->value ? entry->value : "";
        *ret_length = entry ? strlen(*ret_value) : fallback_length;
        return end + 1;
}

/* Writes to OUT, unless that is NULL. Returns the length. */
static size_t expand(const struct dotenv *dotenv, const char *text, char *out) {
        size_t size = 0;

        for (const char *p = text; *p;) {
                const char *value = p, *next;
                size_t length = 1;

                next = read_variable(dotenv, p, &value, &length);
                if (out)
                        memcpy(out + size, value, length);
                size += length;
                p = next ? next : p + 1;
        }
        return size;
}

static int expand_value(const struct reader *reader, struct dotenv_entry *entry) {
        struct complaint_place here = *reader->place;
        size_t size, room = VALUE_BYTES_MAX - reader->dotenv->value_bytes;
        char *value;

        size = expand(reader->dotenv, entry->value, NULL);
        if (size > room) {
                here.line = entry->line;
                place_error(&here, "with its ${...} replaced the file grows past a megabyte");
                return -EINVAL;
        }
        value = malloc(size + 1);
        if (!value)
                return -ENOMEM;
        (void)expand(reader->dotenv, entry->value, value);
        value[size] = '\0';
        wipe(entry->value, strlen(entry->value));
        entry->value = value;
        reader->dotenv->value_bytes += size;
        return 0;
}

static void entry_deinit(struct dotenv_entry *entry) {
        free(entry->name);
        wipe(entry->value, entry->value ? strlen(entry->value) : 0);
}

/* Takes over the entry. */
static int dotenv_add(struct reader *reader, struct dotenv_entry *entry) {
        struct dotenv *dotenv = reader->dotenv;
        int r;

        r = entry->value ? expand_value(reader, entry) : 0;
        if (r == 0)
                r = array_reserve((void **)&dotenv->entries, dotenv->n, &dotenv->allocated, sizeof(*dotenv->entries));
        if (r < 0) {
                entry_deinit(entry);
                return r;
        }
        dotenv->entries[dotenv->n++] = *entry;
        return 0;
}

static void skip_line(struct reader *reader, unsigned line) {
        struct complaint_place here = *reader->place;
        char *end = reader->p + strcspn(reader->p, "\n");

        here.line = line;
        if (++reader->skipped <= SKIPPED_MAX)
                place_warning(&here, "this line is not understood, and is skipped as python-dotenv skips it; expected NAME=value");
        advance(reader, *end ? end + 1 : end);
}

static int read_all(struct reader *reader) {
        for (dotenv_skip_space(reader); *reader->p; dotenv_skip_space(reader)) {
                struct dotenv_entry entry = {0};
                unsigned line = reader->line;
                int r;

                r = read_binding(reader, &entry);
                if (r == 0 && entry.name)
                        r = dotenv_add(reader, &entry);
                else
                        entry_deinit(&entry);
                if (r == NOT_UNDERSTOOD)
                        skip_line(reader, line);
                else if (r < 0)
                        return r;
        }
        if (reader->skipped > SKIPPED_MAX) {
                place_warning(reader->place, "%u further lines are not understood and skipped", reader->skipped - SKIPPED_MAX);
        }
        return 0;
}

/* Whether IN, which is NUL-terminated, is text. */
static int check_text(const char *in, size_t size, const struct complaint_place *place) {
        struct complaint_place here = *place;
        unsigned line = 1;

        for (size_t i = 0; i < size;) {
                size_t length = text_decode(in + i, NULL);

                if (!length || !in[i]) {
                        here.line = line;
                        place_error(&here, "%s; expected a text file in UTF-8", in[i] ? "this line is not UTF-8" : "a NUL byte stands here");
                        return -EINVAL;
                }
                line += in[i] == '\n' || (in[i] == '\r' && in[i + 1] != '\n');
                i += length;
        }
        return 0;
}

/* Converts all line ends to "\n", as Python's text files do; in place. */
static void unify_line_ends(char *text) {
        char *out = text;

        for (const char *p = text; *p; p++) {
                if (*p == '\r' && p[1] == '\n')
                        continue;
                *out++ = *p == '\r' ? '\n' : *p;
        }
        *out = '\0';
}

int dotenv_parse(struct dotenv *dotenv, const char *text, size_t size, const struct complaint_place *place) {
        struct reader reader = {.dotenv = dotenv, .place = place, .line = 1};
        char *space;
        int r;

        if (size > DOTENV_BYTES_MAX) {
                place_error(place, "the file is too large; expected at most %d bytes", DOTENV_BYTES_MAX);
                return -EINVAL;
        }
        if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
                text += 3;
                size -= 3;
        }
        r = copy(text, size, &space);
        if (r < 0)
                return r;
        r = check_text(space, size, place);
        if (r == 0) {
                unify_line_ends(space);
                reader.p = space;
                r = read_all(&reader);
        }
        wipe(space, size);
        return r;
}

const struct dotenv_entry *dotenv_find(const struct dotenv *dotenv, const char *name) {
        return dotenv_find_entry(dotenv, name, strlen(name));
}

void dotenv_deinit(struct dotenv *dotenv) {
        for (size_t i = 0; i < dotenv->n; i++)
                entry_deinit(&dotenv->entries[i]);
        free(dotenv->entries);
        *dotenv = (struct dotenv){0};
}
