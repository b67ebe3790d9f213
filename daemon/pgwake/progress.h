/* One line on a terminal that is written over itself: what is waited for, for how long already, and how long it should take. */
#pragma once

#include "pgwake/terminal.h"

#include <stdint.h>

struct progress {
        const struct terminal *terminal;
        uint64_t started_boot_usec;
        bool shown;
};

/* What is known of what is waited for. */
struct progress_view {
        const char *name, *state, *reason; /* state and reason may be NULL */
        uint64_t expected_boot_usec;       /* when it should be over; USEC_INFINITY when nobody knows */
        size_t done, total;
};

void progress_draw(struct progress *progress, uint64_t now_boot_usec, const struct progress_view *view);
/* Takes the line away; to be called before anything else is said. */
void progress_clear(struct progress *progress);
