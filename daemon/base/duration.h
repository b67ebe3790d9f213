/* Durations in human form: "500ms", "10s", "5min", "1h 30min", "90d", "infinity". */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DURATION_MAX 32

/*
 * Parses TEXT: one or more numbers, each with a unit (us ms s min h d w; fractions are allowed), or "infinity", or "0". A number without a
 * unit is ambiguous, and refused. Returns 0; -EINVAL if it is no duration; -ERANGE beyond USEC_INFINITY.
 */
int duration_parse(const char *text, uint64_t *ret_usec);

/* Exact, in the largest unit that divides it: "90s", "5min", "1500ms", "infinity". Returns BUFFER (DURATION_MAX bytes). */
char *duration_format(char buffer[DURATION_MAX], uint64_t usec);

/* For people, three digits: "1.24 s", "43 ms", "2 h 5 min". Returns BUFFER (DURATION_MAX bytes). */
char *duration_format_human(char buffer[DURATION_MAX], uint64_t usec);

/* "256MB", "64KiB", "4096": bytes. Returns like duration_parse(). */
int size_parse(const char *text, uint64_t *ret_bytes);
