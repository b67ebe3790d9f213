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
