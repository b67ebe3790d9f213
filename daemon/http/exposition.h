/*
 * The text of an answer to GET /metrics: Prometheus' text format 0.0.4, or OpenMetrics 1.0. Pure.
 *
 * A metric family is begun once, and its samples follow it without another's between. Numbers are written alike in both formats, bounds
 * of histograms included ("1.0"): whoever changes from one to the other goes on with the same series.
 */
#pragma once

#include "base/buffer.h"

#include <stdint.h>

enum exposition_format {
        EXPOSITION_TEXT,
        EXPOSITION_OPEN_METRICS,
        _EXPOSITION_FORMAT_MAX,
};

enum family_type {
        FAMILY_GAUGE,
        FAMILY_COUNTER,   /* its samples are called NAME_total */
        FAMILY_INFO,      /* its samples are called NAME_info, and are 1; a gauge of that name where there is no such type */
        FAMILY_HISTOGRAM, /* NAME_bucket, NAME_count, NAME_sum */
};

#define FAMILY_LABELS_MAX 3

/* Its unit stands at the end of its name: "_seconds", "_bytes". */
struct family {
        const char *name; /* without the ends that the type adds */
        enum family_type type;
        const char *labels[FAMILY_LABELS_MAX + 1]; /* up to a NULL */
        const char *help;                          /* one line, without a backslash or a quote */
};

struct exposition {
        struct buffer *text;
        enum exposition_format format;
        const struct family *family; /* begun last */
};

/* "_total", "_info" or "" */
const char *family_suffix(const struct family *family);

void exposition_begin(struct exposition *exposition, const struct family *family);
/* After the last one. */
void exposition_end(struct exposition *exposition);

/* The values of the family's labels, in their order. */
#define VALUES(...) ((const char *const[]){__VA_ARGS__})

/* One sample. VALUES as many as the family has labels (NULL for none). */
void exposition_number(struct exposition *exposition, const char *const *values, uint64_t number);
/* USEC as seconds: a duration, or a moment since 1970. */
void exposition_seconds(struct exposition *exposition, const char *const *values, uint64_t usec);
/* The samples of one histogram: BELOW[i] values were at most BOUNDS_USEC[i], of N. */
void exposition_histogram(struct exposition *exposition, const char *const *values, const uint64_t *bounds_usec, const uint64_t *below,
                          size_t n, uint64_t count, uint64_t sum_usec);

/*
 * Which form a client prefers (RFC 9110, 12.5.1) that sends ACCEPT (NULL: no such header). Between equals one that is named comes before
 * one that only a wildcard allows, and OpenMetrics before the text, for the text is what everybody gets who names nothing. The text
 * also where neither is acceptable: an answer that nobody asked for can be looked at, and a refusal cannot.
 */
enum exposition_format exposition_choose(const char *accept);
const char *exposition_content_type(enum exposition_format format);
