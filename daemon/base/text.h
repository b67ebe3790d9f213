/* Words: bounded copies, names, and the nearest known word for one that was mistyped. */
#pragma once

#include "base/macro.h"

#include <stdint.h>

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

/*
 * The length in bytes of the UTF-8 character at TEXT (RFC 3629: no overlong form, no surrogate), and the character; or 0 for a byte that
 * begins none. Never looks behind the terminating NUL. RET_CHARACTER may be NULL.
 */
size_t text_decode(const char *text, uint32_t *ret_character);
