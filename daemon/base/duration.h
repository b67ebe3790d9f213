/* Durations as people write them: "500ms", "10s", "5min", "1h 30min", "90d", "infinity". */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DURATION_MAX 32

/*
 * Reads TEXT: one or more numbers, each with a unit (us ms s min h d w; fractions are allowed), or "infinity", or "0".
 * A number without unit is refused: nobody can know what was meant.
 * Answers 0; -EINVAL for text that is no duration; -ERANGE for one past USEC_INFINITY.
 */
int duration_parse(const char *text, uint64_t *ret_usec);

/* Exact, in the largest unit that divides: "90s", "5min", "1500ms", "infinity". Answers BUFFER (DURATION_MAX bytes). */
char *duration_format(char buffer[DURATION_MAX], uint64_t usec);

/* For people, three digits: "1.24 s", "43 ms", "2 h 5 min". Answers BUFFER (DURATION_MAX bytes). */
char *duration_format_human(char buffer[DURATION_MAX], uint64_t usec);

/* "256MB", "64KiB", "4096": bytes. Answers as duration_parse. */
int size_parse(const char *text, uint64_t *ret_bytes);
