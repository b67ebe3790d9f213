/*
 * The known word that is nearest to one that was mistyped, among candidates that are shown one after the other. Ten thousand of them take
 * far less than a millisecond when they come in the order of their bytes: what a candidate begins with in common with the one before it is
 * not compared again, and it is left where it can no longer be near enough. That depends on who chose the words, so the steps can be bounded.
 */
#pragma once

#include "base/macro.h"

#include <stdint.h>

/* Nothing is near to a longer word. */
#define NEAREST_WORD_MAX 64
/* More edits than these are another word, however long it is. */
#define NEAREST_EDITS_MAX 3

struct nearest {
        const char *found;    /* the nearest so far; NULL: none is near enough to be worth suggesting */
        size_t edits;         /* of it; or one more than a word may have to be found */
        size_t steps_left;    /* one for each candidate, and for each of its characters that is compared; none: nothing more is found */
        const char *word;
        size_t length;
        const char *previous; /* the candidate before */
        size_t depth;         /* rows are of its first DEPTH characters */
        bool is_far;          /* whatever begins with these is too far away */
        uint8_t rows[NEAREST_WORD_MAX + NEAREST_EDITS_MAX + 2][NEAREST_WORD_MAX + 2];
};

/* WORD must live as long. As many steps as it takes: a bound is set after it. */
void nearest_init(struct nearest *nearest, const char *word);
/* CANDIDATE must live until the next one, and for as long as it is FOUND. */
void nearest_try(struct nearest *nearest, const char *candidate);
