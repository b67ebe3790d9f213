#include "config/grammar.h"

#define grammar_error(g, line, ...) complain_error((g)->complaints, (g)->file, (line), __VA_ARGS__)

static char closing(char open) {
        return open == '{' ? '}' : open == '(' ? ')' : ']';
}

/* The bracket that is open here, or 0 at the top of the file. */
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

static void take_value(struct grammar *g, enum token token, unsigned line) {
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
                take_value(g, token, line);
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
