/* Words: bounded copies, names, and the nearest known word for one that was mistyped. */
#pragma once

#include "base/macro.h"

/* Copies as much of TEXT as fits, always terminated, cut at a UTF-8 character's edge. NULL counts as "". Answers DESTINATION. */
char *text_copy(char *destination, size_t size, const char *text);

/* A database's name: [a-z0-9][a-z0-9_-]{0,62}. */
#define TEXT_NAME_MAX 63
bool text_is_name(const char *text);

/*
 * The candidate with the smallest edit distance to WORD (a swap of neighbours counts as one), or NULL when none is near enough to be
 * worth suggesting. CANDIDATES is an array of N strings.
 */
const char *text_nearest(const char *word, const char *const *candidates, size_t n);

/* Whether TEXT contains PART, ASCII case ignored. */
bool text_contains(const char *text, const char *part);

/* Replaces control characters by spaces, runs of white space by one space, and cuts white space at both ends, in place. */
char *text_flatten(char *text);
