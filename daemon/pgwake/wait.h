/* The waiting of several commands. */
#pragma once

#include "pgwake/command.h"

#include <stdint.h>

/* Waits until all operands are in STATE (NULL: ready), with --spread where it is given, and tells how it ended. Answers an exit code. */
int wait_for(struct context *context, const char *state, bool wake, uint64_t timeout_usec);

/* The value of --OPTION as a span; -EINVAL, told, when it is none. */
int parse_span(const char *option, const char *text, uint64_t *ret_usec);
