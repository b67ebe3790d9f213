/* One event of /events. */
#pragma once

#include "pgwake/terminal.h"

#include <stdint.h>

struct event {
        uint64_t sequence, generation, latency_usec;
        const char *kind, *at, *database, *state, *previous, *reason, *message, *cause;
        bool ready, cold;
};

/* Reads DATA, cleaned for a terminal unless RAW; the texts live as long as *RET_JSON, which is the caller's. 0, -EBADMSG or -ENOMEM. */
int event_read(const char *data, bool raw, json_t **ret_json, struct event *ret_event);
/* As a line for people. */
void event_append(struct buffer *buffer, const struct terminal *terminal, const struct event *event);
