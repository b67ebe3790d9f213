/*
 * JSON answers by tables. A row is one member of an object: its key, its type and the place of its value in a struct. The daemon writes an
 * answer from the struct by the table, and pgwake reads it into the same struct by the same table, so that each key is spelled once.
 *
 * A table ends with a row of type FIELD_END. Below, "null" is the value that stands for unknown; a member that is missing when it is read
 * counts as null.
 */
#pragma once

#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
        FIELD_END,
        FIELD_TEXT,     /* const char *; NULL: null. A text that was read lives as long as the JSON */
        FIELD_BOOL,     /* bool */
        FIELD_TRISTATE, /* int: 0, 1, or -1: null */
        FIELD_COUNT,    /* uint64_t; null is read as 0 */
        FIELD_SECONDS,  /* uint64_t of microseconds; USEC_INFINITY: null */
        FIELD_TIME,     /* uint64_t of microseconds since 1970, written as RFC 3339 in UTC; 0: null */
        FIELD_FRACTION, /* struct field_fraction; a `whole` of 0: null */
        FIELD_OBJECT,   /* a struct by the table `fields` */
        FIELD_INLINE,   /* ... whose members belong to the enclosing object; it has no key */
        FIELD_OPTIONAL, /* ... that begins with a bool: false is null */
        FIELD_MAP,      /* struct field_rows: an object; each row begins with its key (const char *), its value is the first of `fields` */
        FIELD_LIST,     /* struct field_rows: an array of objects by `fields` */
        FIELD_TEXTS,    /* struct field_rows: an array of texts; each row is a const char * */
};

enum field_rule {
        FIELD_REQUIRED = 1 << 0, /* an answer without it is invalid */
        FIELD_PRIVATE = 1 << 1,  /* only for clients that may open the control socket */
        FIELD_OMITTED = 1 << 2,  /* left out if it is null */
};

struct field {
        const char *key;
        enum field_type type;
        size_t offset;
        unsigned rules; /* FIELD_REQUIRED, ... */
        const struct field *fields;
};

struct field_fraction {
        uint64_t part, whole;
};

/* Rows that are not in one place: NEXT writes the next one into *RET_ROW, and returns whether there was one. All zero: no rows. */
struct field_rows {
        bool (*next)(struct field_rows *rows, void *ret_row);
        const void *of;
        const void *at;
        size_t index;
        char *scratch;             /* memory for a row's text */
        const struct field *field; /* for rows that were read */
};

/* The largest row of any table fits. */
#define FIELD_ROW_MAX 128

bool field_rows_next(struct field_rows *rows, void *ret_row);
/* The number of rows. */
size_t field_rows_count(struct field_rows rows);

/* Writes the members of an open object; FIELD_PRIVATE ones only if PRIVATELY. */
void field_write(struct json_writer *w, const struct field *fields, const void *value, bool privately);
/* The same with the object around them; KEY is NULL at the top and inside an array. */
void field_write_object(struct json_writer *w, const char *key, const struct field *fields, const void *value, bool privately);

/*
 * The same as a line of CSV (RFC 4180): null is empty, and what is in an object or a map has columns of its own. The HEADING has their
 * names in place of the values, the path of the keys ("phases.tls"): the maps of all lines must have the same keys. For lists and optional
 * objects there are no columns.
 */
void field_write_csv(struct buffer *buffer, const struct field *fields, const void *value, bool privately, bool heading);
