/* Who holds a lease, as pgwake says it of itself. */
#pragma once

#include "model/memory.h"

/* The own unit, else user and process: "report.service", "user alice, process 1234". Answers BUFFER. */
char *owner_default(char buffer[LEASE_OWNER_MAX + 1]);
/* Whether the daemon takes TEXT: printable, not empty, not longer than LEASE_OWNER_MAX bytes. */
bool owner_is_valid(const char *text);
