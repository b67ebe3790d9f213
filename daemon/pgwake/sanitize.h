/*
 * Makes foreign text safe for a terminal: anything that could move the cursor, change colours or reorder text is written as an escape. A
 * database's error message is chosen by its server, which must not be able to draw on an administrator's screen.
 */
#pragma once

#include "base/buffer.h"

#include <jansson.h>

/* TEXT with every control character (C0, DEL, C1), direction override and ill-formed byte as \xNN or \uNNNN. */
void sanitize_append(struct buffer *buffer, const char *text);
bool sanitize_is_clean(const char *text);
/* Cleans every string and key below VALUE in place; 0 or -ENOMEM. */
int sanitize_json(json_t *value);
