/* Leases that pgwake does not hold itself. */
#pragma once

#include "pgwake/request.h"

/* Takes a lease that lasts FOR_USEC by the clock, whether pgwake runs or not, and tells it. Answers an exit code of hold's. */
int lease_take_for(struct context *context, const char *owner, uint64_t for_usec);
