/* The waiting of several commands. */
#pragma once

#include "pgwake/command.h"

#include <stdint.h>

/* Waits until all operands are in STATE (NULL: ready), with --spread where it is given, and tells how it ended. Answers an exit code. */
int wait_for_all(struct context *context, const char *state, bool wake, uint64_t timeout_usec);
