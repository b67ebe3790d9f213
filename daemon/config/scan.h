/*
 * A look at a configuration file's words before libconfig reads them.
 *
 * libconfig 1.5 damages integers that do not fit (99999999999 becomes 1215752191), stops at the first syntax error without a word about it,
 * leaks the text at which it stopped, and follows @include to files that nobody checked. So the words are read here first: every integer
 * is rewritten in its 64-bit form, at the range's end where it does not fit; the usual slips are all told, and the first place where the
 * grammar is left, each with its line and what would be right; comments are blanked; @include is refused (conf.d is there for that).
 * Lines stay where they are.
 */
#pragma once

#include "config/complaint.h"

/* Appends TEXT (SIZE bytes) as libconfig shall read it. Answers 0; -EINVAL when it complained about FILE; -ENOMEM. */
int scan_rewrite(const char *text, size_t size, const char *file, struct complaints *complaints, struct buffer *buffer);

/*
 * libconfig's grammar, one token at a time: groups of "key = value;", lists and arrays. What is wrong is told once, where it first goes
 * wrong, with what would be right; behind that place nothing more is.
 */

/* The deepest thing that the option table knows stands at 4: databases, entry, expect. */
#define GRAMMAR_DEPTH_MAX 16
/* Several times as many as the option table knows. libconfig compares each key of a group with those before it. */
#define GRAMMAR_KEYS_MAX 256

enum token {
        TOKEN_NAME,
        TOKEN_TRUTH,
        TOKEN_TEXT,
        TOKEN_NUMBER,
        TOKEN_ASSIGN, /* = or : */
        TOKEN_SEMICOLON,
        TOKEN_COMMA,
        TOKEN_OPEN,
        TOKEN_CLOSE,
        TOKEN_END,
};

/* What may come next. */
enum grammar_expected {
        EXPECTED_KEY,
        EXPECTED_ASSIGN,
        EXPECTED_VALUE,
        EXPECTED_ELEMENT, /* of a list that has just been opened: its end may come as well */
        EXPECTED_AFTER,   /* behind a value: a sign that ends it, or the next key */
};

struct grammar {
        const char *file;
        struct complaints *complaints;
        enum grammar_expected expected;
        enum token last;
        struct {
                char open;
                unsigned line;
                unsigned n_keys;
        } brackets[GRAMMAR_DEPTH_MAX];
        unsigned n_keys; /* at the top of the file */
        size_t depth;
        bool lost; /* it was left: more about it would only confuse */
};

/* Every token but brackets. */
void grammar_take(struct grammar *grammar, enum token token, unsigned line);
void grammar_open(struct grammar *grammar, char bracket, unsigned line);
void grammar_close(struct grammar *grammar, char bracket, unsigned line);
/* The end of the file, at LINE. */
void grammar_end(struct grammar *grammar, unsigned line);
