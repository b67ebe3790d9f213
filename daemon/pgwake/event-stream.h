/*
 * The daemon's events: the text/event-stream format (HTML Standard, 9.2.6), the stream of /events across restarts of the daemon, and one
 * event as values and as a line.
 */
#pragma once

#include "api/event.h"
#include "pgwake/client.h"
#include "pgwake/terminal.h"

#include <stdint.h>

#define SSE_MAX (1024 * 1024)
#define SSE_ID_MAX 64

/* A stream that is parsed piece by piece. Pure and bounded: a line or an event above SSE_MAX is an error. */
struct sse {
        struct buffer line, data;
        char event[32];
        char id[SSE_ID_MAX];      /* of the event being read */
        char last_id[SSE_ID_MAX]; /* of the last dispatched event, for Last-Event-ID */
        bool after_cr;
};

/* One event; its texts live as long as the call. A negative result ends the parsing. */
typedef int (*sse_handler)(void *userdata, const char *event, const char *data);

/* 0, HANDLER's negative result, -EMSGSIZE, or -ENOMEM. */
int sse_feed(struct sse *sse, const char *data, size_t size, sse_handler handler, void *userdata);
/* Drops an incomplete event, for a new connection; the last id stays. */
void sse_restart(struct sse *sse);
void sse_deinit(struct sse *sse);

/* If an established connection is lost, it is opened again, and Last-Event-ID requests the missed events. */
struct event_stream {
        struct client *client;
        struct exchange *exchange; /* NULL while it waits for the next try */
        struct sse sse;
        char *path;
        bool replay;              /* all events that the daemon still holds come first */
        bool stands;              /* the daemon has answered on this connection */
        bool stood;               /* ... or an earlier one */
        unsigned failures;        /* failed tries since then */
        uint64_t retry_boot_usec; /* when to try again; USEC_INFINITY while connected */
        sse_handler handler;
        void *userdata;
};

enum {
        STREAM_OPENED = 1, /* connected, for the first time or again */
        STREAM_LOST,       /* it will be tried again at retry_boot_usec */
        STREAM_ENDED,      /* it will not be tried again: `exchange` tells why (no first answer, a refusal, an invalid answer) */
};

/* DATABASE is NULL for all. */
int event_stream_init(struct event_stream *stream, struct client *client, const char *database, sse_handler handler, void *userdata);
/* Takes what an exchange received; USERDATA is the stream. */
int event_stream_receive(void *userdata, const char *data, size_t size);
/* To be called after every client_turn(): 0 for no change, one of the answers above, or a negative errno. */
int event_stream_turn(struct event_stream *stream, uint64_t now_boot_usec);
void event_stream_deinit(struct event_stream *stream);

/* Reads DATA, cleaned for a terminal unless RAW; texts live as long as *RET_JSON, which the caller owns. 0, -EBADMSG or -ENOMEM. */
int event_read(const char *data, bool raw, json_t **ret_json, struct event_status *ret_event);
/* Appends it as a line for people. */
void event_append(struct buffer *buffer, const struct terminal *terminal, const struct event_status *event);
