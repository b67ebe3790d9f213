/* Waiting, for several commands. */
#pragma once

#include "pgwake/command.h"

#include <stdint.h>

/* Waits until all operands are in STATE (NULL: ready), with --spread if given, and reports the result. Returns an exit code. */
int wait_for_all(struct context *context, const char *state, bool wake, uint64_t timeout_usec);
