/* Events as server-sent events, from one ring to any number of streams: GET /events, and the streams of leases. Internal to http/. */
#pragma once

#include "http/server-private.h"

int events_new(struct server *server, struct events **ret_events);
struct events *events_free(struct events *events);
/* Ends all streams. */
void events_stop(struct events *events);

/* Takes EVENT, which just happened. */
void events_notify(struct events *events, const struct event *event);

struct event_stream;

/* The owner of a stream beside its client. */
struct stream_owner {
        void (*stopping)(void *userdata); /* the daemon is stopping: last words may be sent */
        void (*gone)(void *userdata);     /* the stream has ended: called exactly once, even if it could not begin */
        void *userdata;
};

/*
 * Answers EXCHANGE with a stream of DATABASE's events from now on, after HEAD. A client that does not read is dropped only after it has
 * been stuck for BEHIND_MAX_USEC. RET_STREAM is set before any call of OWNER, and valid until OWNER's `gone`.
 */
void events_begin(struct events *events, struct exchange *exchange, const char *database, const struct buffer *head,
                  uint64_t behind_max_usec, const struct stream_owner *owner, struct event_stream **ret_stream);
/* Sends LAST after all events until now, and ends the stream. */
void events_end(struct event_stream *stream, const struct buffer *last);
