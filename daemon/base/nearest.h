/*
 * Finds the known word that is nearest to a mistyped one, among candidates given one after the other. Ten thousand of them take far less
 * than a millisecond in byte order: the beginning that a candidate shares with the previous one is not compared again, and a candidate is
 * abandoned as soon as it cannot be near enough. That depends on who chose the words, so the steps can be bounded.
 */
#pragma once

#include "base/macro.h"

#include <stdint.h>

/* No candidate is near to a longer word. */
#define NEAREST_WORD_MAX 64
/* With more edits it is another word, however long it is. */
#define NEAREST_EDITS_MAX 3

struct nearest {
        const char *found;    /* the nearest so far; NULL: none is near enough to be worth suggesting */
        size_t edits;         /* of the one found, or one more than the most allowed */
        size_t steps_left;    /* one for each candidate and each of its characters that is compared; at 0 nothing more is found */
        const char *word;
        size_t length;
        const char *previous; /* the previous candidate */
        size_t depth;         /* `rows` belong to its first DEPTH characters */
        bool is_far;          /* every candidate with this beginning is too far away */
        uint8_t rows[NEAREST_WORD_MAX + NEAREST_EDITS_MAX + 2][NEAREST_WORD_MAX + 2];
};

/* WORD must live as long. The steps are unbounded; set a bound afterwards. */
void nearest_init(struct nearest *nearest, const char *word);
/* CANDIDATE must live until the next one, and as long as it is `found`. */
void nearest_try(struct nearest *nearest, const char *candidate);
