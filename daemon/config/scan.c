#include "config/scan.h"

#include "base/error.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdint.h>

struct scanner {
        const char *p, *end;
        unsigned line;
        struct grammar grammar;
        const char *file;
        struct complaints *complaints;
        struct buffer *buffer;
};

static int peek(const struct scanner *s, size_t ahead) {
        return ahead < (size_t)(s->end - s->p) ? (unsigned char)s->p[ahead] : -1;
}

#define scan_error(s, line, ...) complain_error((s)->complaints, (s)->file, (line), __VA_ARGS__)

static bool is_word_begin(int c) {
        return c >= 0 && (isalpha(c) || c == '*');
}

static bool is_word(int c) {
        return is_word_begin(c) || (c >= 0 && (isdigit(c) || c == '-' || c == '_'));
}

static void skip_line_comment(struct scanner *s) {
        while (s->p < s->end && *s->p != '\n')
                s->p++;
}

static void skip_block_comment(struct scanner *s) {
        unsigned begin = s->line;

        for (s->p += 2; s->p < s->end; s->p++) {
                if (*s->p == '*' && peek(s, 1) == '/') {
                        s->p += 2;
                        buffer_append_string(s->buffer, " ");
                        return;
                }
                if (*s->p == '\n') {
                        s->line++;
                        buffer_append_string(s->buffer, "\n");
                }
        }
        scan_error(s, begin, "this comment is not closed; expected */ behind it");
}

/* libconfig lets a text span lines. A forgotten quote would then invert the rest of the file, and the error would be reported far away. */
static void copy_text(struct scanner *s) {
        const char *begin = s->p++;

        for (; s->p < s->end && *s->p != '\n'; s->p++) {
                if (*s->p == '\\' && (peek(s, 1) == '"' || peek(s, 1) == '\\'))
                        s->p++;
                else if (*s->p == '\\' && peek(s, 1) == 'x' && peek(s, 2) == '0' && peek(s, 3) == '0')
                        scan_error(s, s->line, "a text cannot hold a NUL byte");
                else if (*s->p == '"') {
                        s->p++;
                        buffer_append(s->buffer, begin, (size_t)(s->p - begin));
                        return;
                }
        }
        scan_error(s, s->line, "this text is not closed; expected a second \" on its line");
}

/* Appends a digit, clamped to the range. */
static uint64_t add_digit(uint64_t value, unsigned base, int c) {
        unsigned digit = isdigit(c) ? (unsigned)(c - '0') : (unsigned)(tolower(c) - 'a' + 10);

        if (__builtin_mul_overflow(value, (uint64_t)base, &value) || __builtin_add_overflow(value, (uint64_t)digit, &value))
                return UINT64_MAX;
        return value;
}

static void copy_integer(struct scanner *s) {
        bool negative = *s->p == '-', hexadecimal;
        uint64_t value = 0;

        if (*s->p == '-' || *s->p == '+')
                s->p++;
        hexadecimal = *s->p == '0' && (peek(s, 1) == 'x' || peek(s, 1) == 'X') && peek(s, 2) >= 0 && isxdigit(peek(s, 2));
        if (hexadecimal)
                s->p += 2;
        for (; s->p < s->end && (hexadecimal ? isxdigit((unsigned char)*s->p) : isdigit((unsigned char)*s->p)); s->p++)
                value = add_digit(value, hexadecimal ? 16 : 10, (unsigned char)*s->p);
        while (peek(s, 0) == 'L')
                s->p++;
        buffer_printf(s->buffer, "%s%" PRIu64 "L", negative ? "-" : "", MIN(value, (uint64_t)INT64_MAX));
}

/* Whether the number at this place has a fraction or an exponent. */
static bool is_float(const struct scanner *s) {
        size_t i = *s->p == '-' || *s->p == '+' ? 1 : 0;

        while (peek(s, i) >= 0 && isdigit(peek(s, i)))
                i++;
        if (peek(s, i) == '.')
                return true;
        if (peek(s, i) != 'e' && peek(s, i) != 'E')
                return false;
        i++;
        if (peek(s, i) == '-' || peek(s, i) == '+')
                i++;
        return peek(s, i) >= 0 && isdigit(peek(s, i));
}

static void copy_float(struct scanner *s) {
        const char *begin = s->p++;

        while (s->p < s->end && (isdigit((unsigned char)*s->p) || *s->p == '.'))
                s->p++;
        if ((peek(s, 0) == 'e' || peek(s, 0) == 'E') &&
            (peek(s, 1) == '-' || peek(s, 1) == '+' || (peek(s, 1) >= 0 && isdigit(peek(s, 1)))))
                for (s->p += 2; s->p < s->end && isdigit((unsigned char)*s->p);)
                        s->p++;
        buffer_append(s->buffer, begin, (size_t)(s->p - begin));
}

static void copy_number(struct scanner *s) {
        if (is_float(s))
                copy_float(s);
        else
                copy_integer(s);
        if (is_word(peek(s, 0)) || peek(s, 0) == '%') {
                scan_error(s, s->line, "a number with a unit needs quotes, as in \"10s\"");
                while (is_word(peek(s, 0)) || peek(s, 0) == '%')
                        s->p++;
        }
}

static void copy_word(struct scanner *s) {
        const char *begin = s->p;
        size_t length;
        bool truth;

        while (is_word(peek(s, 0)))
                s->p++;
        length = (size_t)(s->p - begin);
        truth = (length == 4 && strncasecmp(begin, "true", 4) == 0) || (length == 5 && strncasecmp(begin, "false", 5) == 0);
        grammar_take(&s->grammar, truth ? TOKEN_TRUTH : TOKEN_NAME, s->line);
        buffer_append(s->buffer, begin, length);
}

/* One character that is neither space, comment, text, number nor word. */
static void copy_sign(struct scanner *s) {
        char c = *s->p++;

        switch (c) {
        case '{':
        case '(':
        case '[':
                grammar_open(&s->grammar, c, s->line);
                break;
        case '}':
        case ')':
        case ']':
                grammar_close(&s->grammar, c, s->line);
                break;
        case '=':
        case ':':
                grammar_take(&s->grammar, TOKEN_ASSIGN, s->line);
                break;
        case ';':
                grammar_take(&s->grammar, TOKEN_SEMICOLON, s->line);
                break;
        case ',':
                grammar_take(&s->grammar, TOKEN_COMMA, s->line);
                break;
        case '@':
                scan_error(s, s->line, "@include is not known here; expected databases in files of their own, conf.d/*.conf");
                s->grammar.lost = true;
                break;
        case '\0':
                scan_error(s, s->line, "a NUL byte stands here; expected a text file");
                s->grammar.lost = true;
                break;
        default:
                scan_error(s, s->line, "a sign stands here that means nothing; expected key = value");
                s->grammar.lost = true;
        }
        buffer_append(s->buffer, &c, 1);
}

static bool is_number_begin(const struct scanner *s) {
        int first = peek(s, 0), second = peek(s, 1);

        if (isdigit(first))
                return true;
        if (first == '.')
                return second >= 0 && isdigit(second);
        return (first == '-' || first == '+') && second >= 0 &&
               (isdigit(second) || (second == '.' && peek(s, 2) >= 0 && isdigit(peek(s, 2))));
}

static void scan_one(struct scanner *s) {
        char c = *s->p;

        if (c == '\n') {
                s->line++;
                s->p++;
                buffer_append_string(s->buffer, "\n");
        } else if (isspace((unsigned char)c)) {
                s->p++;
                buffer_append_string(s->buffer, " ");
        } else if (c == '#' || (c == '/' && peek(s, 1) == '/'))
                skip_line_comment(s);
        else if (c == '/' && peek(s, 1) == '*')
                skip_block_comment(s);
        else if (c == '"') {
                grammar_take(&s->grammar, TOKEN_TEXT, s->line);
                copy_text(s);
        } else if (is_number_begin(s)) {
                grammar_take(&s->grammar, TOKEN_NUMBER, s->line);
                copy_number(s);
        } else if (is_word_begin((unsigned char)c))
                copy_word(s);
        else
                copy_sign(s);
}

int scan_rewrite(const char *text, size_t size, const char *file, struct complaints *complaints, struct buffer *buffer) {
        struct scanner s = {.p = text,
                            .end = text + size,
                            .line = 1,
                            .file = file,
                            .complaints = complaints,
                            .buffer = buffer,
                            .grammar = {.file = file, .complaints = complaints}};
        size_t n_errors = complaints->n_errors;

        /* Skips a byte order mark, which some editors write. */
        if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
                s.p += 3;
        while (s.p < s.end)
                scan_one(&s);
        grammar_end(&s.grammar, s.line);
        if (complaints->n_errors > n_errors)
                return -EINVAL;
        return buffer_finish(buffer);
}

/* -- libconfig's grammar --------------------------------------------------------------------------------------------------------------- */

#define grammar_error(g, line, ...) complain_error((g)->complaints, (g)->file, (line), __VA_ARGS__)

static char closing(char open) {
        return open == '{' ? '}' : open == '(' ? ')' : ']';
}

/* The innermost open bracket, or 0 at the top of the file. */
static char inside(const struct grammar *g) {
        return g->depth ? g->brackets[g->depth - 1].open : 0;
}

static bool is_group(const struct grammar *g) {
        return !g->depth || inside(g) == '{';
}

static void lose(struct grammar *g, unsigned line) {
        g->lost = true;
        switch (g->expected) {
        case EXPECTED_KEY:
                grammar_error(g, line, "a key is missing here; expected key = value;");
                return;
        case EXPECTED_ASSIGN:
                grammar_error(g, line, "\"=\" is missing behind a key; expected key = value;");
                return;
        case EXPECTED_VALUE:
        case EXPECTED_ELEMENT:
                grammar_error(g, line, "a value is missing here; expected a text in quotes, a number, true, false, or a bracket");
                return;
        case EXPECTED_AFTER:
                if (is_group(g))
                        grammar_error(g, line, "this does not belong behind a value; expected \";\" and the next key");
                else
                        grammar_error(g, line, "something stands between two elements; expected a comma there, and \"%c\" behind the last",
                                      closing(inside(g)));
                return;
        }
}

static void take_key(struct grammar *g, unsigned line) {
        unsigned *n = g->depth ? &g->brackets[g->depth - 1].n_keys : &g->n_keys;

        g->expected = EXPECTED_ASSIGN;
        if (++*n <= GRAMMAR_KEYS_MAX)
                return;
        grammar_error(g, line, "these are more keys in one group than there are; expected at most %u", GRAMMAR_KEYS_MAX);
        g->lost = true;
}

static void after_value(struct grammar *g, enum token token, unsigned line) {
        bool continues = token == TOKEN_TEXT && g->last == TOKEN_TEXT;

        if (continues)
                return;
        if (is_group(g) && (token == TOKEN_SEMICOLON || token == TOKEN_COMMA))
                g->expected = EXPECTED_KEY;
        else if (is_group(g) && token == TOKEN_NAME)
                take_key(g, line);
        else if (!is_group(g) && token == TOKEN_COMMA)
                g->expected = EXPECTED_VALUE;
        else if (token != TOKEN_CLOSE && token != TOKEN_END)
                lose(g, line);
}

static void scan_take_value(struct grammar *g, enum token token, unsigned line) {
        switch (token) {
        case TOKEN_NAME:
                grammar_error(g, line, "a text needs quotes; only true, false and numbers stand without");
                g->expected = EXPECTED_AFTER;
                return;
        case TOKEN_TRUTH:
        case TOKEN_TEXT:
        case TOKEN_NUMBER:
                g->expected = EXPECTED_AFTER;
                return;
        case TOKEN_OPEN:
                if (inside(g) != '[')
                        return;
                grammar_error(g, line, "a bracket stands between [ and ]; expected texts, or ( and ) around groups");
                g->lost = true;
                return;
        case TOKEN_CLOSE:
                if (g->expected == EXPECTED_ELEMENT)
                        return;
                if (g->last != TOKEN_COMMA) {
                        lose(g, line);
                        return;
                }
                grammar_error(g, line, "a comma stands before the closing bracket; expected none behind the last element");
                return;
        case TOKEN_ASSIGN:
        case TOKEN_SEMICOLON:
        case TOKEN_COMMA:
        case TOKEN_END:
                lose(g, line);
                return;
        }
}

void grammar_take(struct grammar *g, enum token token, unsigned line) {
        if (g->lost)
                return;
        switch (g->expected) {
        case EXPECTED_KEY:
                if (token == TOKEN_NAME)
                        take_key(g, line);
                else if (token != TOKEN_CLOSE && token != TOKEN_END)
                        lose(g, line);
                break;
        case EXPECTED_ASSIGN:
                if (token == TOKEN_ASSIGN)
                        g->expected = EXPECTED_VALUE;
                else
                        lose(g, line);
                break;
        case EXPECTED_VALUE:
        case EXPECTED_ELEMENT:
                scan_take_value(g, token, line);
                break;
        case EXPECTED_AFTER:
                after_value(g, token, line);
                break;
        }
        g->last = token;
}

void grammar_open(struct grammar *g, char c, unsigned line) {
        grammar_take(g, TOKEN_OPEN, line);
        if (g->lost)
                return;
        if (g->depth == GRAMMAR_DEPTH_MAX) {
                grammar_error(g, line, "brackets are nested too deeply; nothing here goes deeper than databases = ( { expect = { } } )");
                g->lost = true;
                return;
        }
        g->brackets[g->depth].open = c;
        g->brackets[g->depth].n_keys = 0;
        g->brackets[g->depth++].line = line;
        g->expected = c == '{' ? EXPECTED_KEY : EXPECTED_ELEMENT;
}

void grammar_close(struct grammar *g, char c, unsigned line) {
        char open;

        if (g->lost)
                return;
        if (g->depth == 0) {
                grammar_error(g, line, "\"%c\" closes nothing; expected a bracket that opens before it", c);
                g->lost = true;
                return;
        }
        open = inside(g);
        if (c != closing(open)) {
                grammar_error(g, line, "\"%c\" stands here; expected \"%c\" for the \"%c\" of line %u", c, closing(open), open,
                              g->brackets[g->depth - 1].line);
                g->lost = true;
                return;
        }
        grammar_take(g, TOKEN_CLOSE, line);
        g->depth--;
        g->expected = EXPECTED_AFTER;
}

void grammar_end(struct grammar *g, unsigned line) {
        if (!g->depth)
                grammar_take(g, TOKEN_END, line);
        while (g->depth && !g->lost) {
                char open = inside(g);

                g->depth--;
                grammar_error(g, g->brackets[g->depth].line, "\"%c\" is not closed; expected \"%c\" behind it", open, closing(open));
        }
}
