/*
 * From a JSON object to a struct, by a table: each row names a member, its type and where it goes. What is absent or null stays as the
 * caller left it; what has another type than promised makes the whole answer one that is not understood.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum field_type {
        FIELD_TEXT,    /* const char *, lives as long as the JSON */
        FIELD_BOOL,    /* bool */
        FIELD_COUNT,   /* uint64_t, not negative */
        FIELD_SECONDS, /* uint64_t of microseconds, not negative */
        FIELD_OBJECT,  /* json_t *, borrowed */
        FIELD_ARRAY,   /* json_t *, borrowed */
        FIELD_ANY,     /* json_t *, borrowed */
};

struct field {
        const char *path; /* "wakes.last.at" */
        enum field_type type;
        bool required;
        size_t offset;
};

/* 0, or -EBADMSG and the path of the member that is wrong in *ret_wrong. */
int fields_read(json_t *object, const struct field *fields, size_t n, void *ret, const char **ret_wrong);
