/*
 * The text for GET /metrics: Prometheus' text format 0.0.4, or OpenMetrics 1.0. Pure.
 *
 * A metric family is begun once, and its samples follow before any other family. Numbers are the same in both formats, including bounds of
 * histograms ("1.0"), so that a client which changes the format continues the same series.
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
        FAMILY_COUNTER,   /* its samples are named NAME_total */
        FAMILY_INFO,      /* its samples are named NAME_info, and are 1; a gauge of that name in the text format */
        FAMILY_HISTOGRAM, /* NAME_bucket, NAME_count, NAME_sum */
};

#define FAMILY_LABELS_MAX 3

/* A family's unit is the end of its name: "_seconds", "_bytes". */
struct family {
        const char *name; /* without the suffix that the type adds */
        enum family_type type;
        const char *labels[FAMILY_LABELS_MAX + 1]; /* NULL-terminated */
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
/* Call after the last sample. */
void exposition_end(struct exposition *exposition);

/* The values of the family's labels, in their order. */
#define VALUES(...) ((const char *const[]){__VA_ARGS__})

/* One sample. VALUES has a value for each of the family's labels (NULL: it has none). */
void exposition_number(struct exposition *exposition, const char *const *values, uint64_t number);
/* USEC in seconds: a duration, or a time since 1970. */
void exposition_seconds(struct exposition *exposition, const char *const *values, uint64_t usec);
/* The samples of one histogram: of N bounds, BELOW[i] values were at most BOUNDS_USEC[i]. */
void exposition_histogram(struct exposition *exposition, const char *const *values, const uint64_t *bounds_usec, const uint64_t *below,
                          size_t n, uint64_t count, uint64_t sum_usec);

/*
 * The format preferred by a client that sends ACCEPT (NULL: no such header), by RFC 9110, 12.5.1. If both are equal, a format that is named
 * comes before one that a wildcard allows, and OpenMetrics before the text format, which clients without a preference get. If neither is
 * acceptable it is the text format: an unrequested answer can be read, a refusal cannot.
 */
enum exposition_format exposition_choose(const char *accept);
const char *exposition_content_type(enum exposition_format format);
