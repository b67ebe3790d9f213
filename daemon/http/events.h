/*
 * Every event as a server-sent event, to any number of streams, from one ring: GET /events, and the streams of leases. Internal to http/.
 */
#pragma once

#include "http/server-private.h"

int events_new(struct server *server, struct events **ret_events);
struct events *events_free(struct events *events);
/* Ends all streams. */
void events_stop(struct events *events);

/* An event happened. */
void events_notify(struct events *events, const struct event *event);

struct event_stream;

/* Somebody to whom a stream belongs beside its client. */
struct stream_owner {
        void (*stopping)(void *userdata); /* the daemon stops: last words may be said */
        void (*gone)(void *userdata);     /* the stream is over: called exactly once, also when it could not begin */
        void *userdata;
};

/*
 * Answers EXCHANGE with a stream of DATABASE's events from now on, HEAD before them. One that does not read is not dropped before it was
 * stuck for BEHIND_MAX_USEC. RET_STREAM is written before OWNER can be told anything, and valid until OWNER was told that it is gone.
 */
void events_begin(struct events *events, struct exchange *exchange, const char *database, const struct buffer *head,
                  uint64_t behind_max_usec, const struct stream_owner *owner, struct event_stream **ret_stream);
/* Says LAST after everything that happened until now, and ends the stream. */
void events_end(struct event_stream *stream, const struct buffer *last);
