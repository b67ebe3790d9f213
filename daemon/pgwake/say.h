/* Spans and moments as a person reads them. */
#pragma once

#include "base/duration.h"

#include <stdbool.h>
#include <stdint.h>

#define SAY_TIME_MAX sizeof("2026-11-22 16:02:09.123")

/* duration_format_human(), or "-" for one that is not known. Answers BUFFER. */
char *say_span(char buffer[DURATION_MAX], uint64_t usec);
/* Microseconds since 1970 of an RFC 3339 time in UTC; 0 for NULL and for what is none. */
uint64_t say_parse_time(const char *text);
/* In local time: "16:02:09" for today, else with its date; "-" for 0. Milliseconds on request. Answers BUFFER. */
char *say_time(char buffer[SAY_TIME_MAX], uint64_t real_usec, bool milliseconds);
/* How long ago it was, by this machine's clock; USEC_INFINITY for 0. */
uint64_t say_ago(uint64_t real_usec);
/* A server's version number: 150018 is "15.18". Answers BUFFER. */
char *say_version(char buffer[DURATION_MAX], uint64_t number);
