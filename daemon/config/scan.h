/*
 * Scans a configuration file before libconfig reads it.
 *
 * libconfig 1.5 damages integers that do not fit (99999999999 becomes 1215752191), stops at the first syntax error with little explanation,
 * leaks the text at which it stopped, and follows @include to unchecked files. So the file is scanned here first. Every integer is
 * rewritten in its 64-bit form, clamped to the range. All common slips are reported, and the first violation of the grammar, each with its
 * line and what was expected. Comments are blanked. @include is refused, since there is conf.d. Line numbers stay the same.
 */
#pragma once

#include "config/complaint.h"

/* Appends TEXT (SIZE bytes) rewritten for libconfig. Returns 0; -EINVAL after a complaint about FILE; -ENOMEM. */
int scan_rewrite(const char *text, size_t size, const char *file, struct complaints *complaints, struct buffer *buffer);

/*
 * libconfig's grammar, one token at a time: groups of "key = value;", lists and arrays. Only the first violation is reported, with what was
 * expected: later ones would be guesses.
 */

/* The deepest key of the option table is at level 4: databases, entry, expect. */
#define GRAMMAR_DEPTH_MAX 16
/* Several times as many as the option table has. libconfig compares each key of a group with those before it. */
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

/* The token expected next. */
enum grammar_expected {
        EXPECTED_KEY,
        EXPECTED_ASSIGN,
        EXPECTED_VALUE,
        EXPECTED_ELEMENT, /* of a list that was just opened: its end may follow too */
        EXPECTED_AFTER,   /* after a value: a separator, or the next key */
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
        bool lost; /* after a violation: further complaints would only confuse */
};

/* For every token but brackets. */
void grammar_take(struct grammar *grammar, enum token token, unsigned line);
void grammar_open(struct grammar *grammar, char bracket, unsigned line);
void grammar_close(struct grammar *grammar, char bracket, unsigned line);
/* The end of the file, at LINE. */
void grammar_end(struct grammar *grammar, unsigned line);
