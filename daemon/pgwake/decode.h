/*
 * Decodes JSON into the structs of daemon/api, by their tables. A member that is absent or null gets the value that stands for unknown; a
 * member of the wrong type makes the whole answer invalid. Members that no table names are ignored.
 */
#pragma once

#include "api/field.h"

#include <jansson.h>

/* Of the path of a wrong member: "wakes.last.at". */
#define DECODE_PATH_MAX 96

/* 0, or -EBADMSG and the wrong member in WRONG ("": JSON is not an object). Texts and rows live as long as the JSON. */
int decode(json_t *object, const struct field *fields, void *ret, char wrong[DECODE_PATH_MAX]);
/* A single value: FIELD is its type, RET its destination; NULL and null become the value for unknown. 0, or -EBADMSG. */
int decode_value(json_t *value, const struct field *field, void *ret, char wrong[DECODE_PATH_MAX]);

/*
 * Finds the member at a path of keys ("phases.tls.p95_seconds"); NULL if it, or one above it, is absent or null. -EBADMSG below something
 * that is not an object.
 */
int decode_find(json_t *object, const char *path, json_t **ret_value);

/* Microseconds since 1970 of an RFC 3339 time in UTC; 0 if it is invalid. */
uint64_t decode_time(const char *text);
