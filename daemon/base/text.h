/* Words: bounded copies, names, and the known word nearest to a mistyped one. */
#pragma once

#include "base/macro.h"

#include <stdint.h>

/* Copies as much of TEXT as fits, always terminated, cut at the boundary of a UTF-8 character. NULL counts as "". Returns DESTINATION. */
char *text_copy(char *destination, size_t size, const char *text);

/* A database's name: [a-z0-9][a-z0-9_-]{0,62}. */
#define TEXT_NAME_MAX 63
bool text_is_name(const char *text);

/*
 * The candidate with the smallest edit distance to WORD (a swap of neighbours counts as one), or NULL if none is near enough to suggest.
 * CANDIDATES is an array of N strings.
 */
const char *text_nearest(const char *word, const char *const *candidates, size_t n);

/* The length of the host name HOST without the final dot, which writes out the DNS root. */
size_t text_host_length(const char *host);

/* Whether TEXT contains PART, ignoring ASCII case. */
bool text_contains(const char *text, const char *part);

/* Replaces control characters by spaces and runs of white space by one space, and trims both ends, in place. */
char *text_flatten(char *text);

/*
 * The length in bytes of the UTF-8 character at TEXT (RFC 3629: no overlong form, no surrogate), and the character; 0 if no character
 * begins there. Never reads beyond the terminating NUL. RET_CHARACTER may be NULL.
 */
size_t text_decode(const char *text, uint32_t *ret_character);
