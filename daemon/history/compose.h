/* What the file answers to a question. */
#pragma once

#include "history/ask.h"
#include "history/sqlite.h"

/* Into BUFFER. 0; 1: nothing was ever known of that database; -EINTR; or another negative errno. */
int compose_answer(struct sqlite *sqlite, const struct ask *ask, struct buffer *buffer);
