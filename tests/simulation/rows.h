/* The rows of the state table (health/state-machine.h) that the daemon has used in this process. */
#pragma once

#include "base/buffer.h"

/* Prints the rows that were not used although they can be, one per line. Returns their number. */
unsigned rows_print_missing(struct buffer *buffer);
