/*
 * From JSON to the structs of daemon/api, by their tables. What is absent or null becomes what stands for that in the struct; what has
 * another type than the table says makes the whole answer one that is not understood. Members that no table names are passed over.
 */
#pragma once

#include "api/field.h"

#include <jansson.h>

/* Of the path of a member that is wrong: "wakes.last.at". */
#define DECODE_PATH_MAX 96

/* 0, or -EBADMSG and the member that is wrong in WRONG ("": JSON is no object at all). Texts and rows live as long as the JSON. */
int decode(json_t *object, const struct field *fields, void *ret, char wrong[DECODE_PATH_MAX]);
/* The value alone: FIELD is its type, RET where it goes; NULL and null are what stands for nothing. 0, or -EBADMSG. */
int decode_value(json_t *value, const struct field *field, void *ret, char wrong[DECODE_PATH_MAX]);

/*
 * The member at a path of keys ("phases.tls.p95_seconds"); NULL when it, or one above it, is absent or null. -EBADMSG below something that
 * is no object.
 */
int decode_find(json_t *object, const char *path, json_t **ret_value);

/* Microseconds since 1970 of an RFC 3339 time in UTC; 0 for what is none. */
uint64_t decode_time(const char *text);
