/*
 * The text/event-stream format (HTML Standard, 9.2.6), a piece at a time. Pure; bounded: a line or an event above SSE_MAX is an error.
 */
#pragma once

#include "base/buffer.h"

#define SSE_MAX (1024 * 1024)
#define SSE_ID_MAX 64

struct sse {
        struct buffer line, data;
        char event[32];
        char id[SSE_ID_MAX];      /* of the event that is being read */
        char last_id[SSE_ID_MAX]; /* of the last that was dispatched; what Last-Event-ID wants */
        bool after_cr;
};

/* One event; its texts live as long as the call. A negative answer ends the reading. */
typedef int (*sse_handler)(void *userdata, const char *event, const char *data);

/* 0, what HANDLER answered when that was negative, -EMSGSIZE, or -ENOMEM. */
int sse_feed(struct sse *sse, const char *data, size_t size, sse_handler handler, void *userdata);
/* Forgets what is unfinished, for a new connection; the last id stays. */
void sse_restart(struct sse *sse);
void sse_deinit(struct sse *sse);
