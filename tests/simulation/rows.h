/* Which rows of the state table (health/state-machine.h) the daemon has walked in this process. */
#pragma once

#include "base/buffer.h"

/* Rows that were not walked, and can be: one line each. Answers how many. */
unsigned rows_print_missing(struct buffer *buffer);
