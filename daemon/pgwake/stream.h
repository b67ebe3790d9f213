/*
 * The stream of /events over the daemon's comings and goings: when a connection that stood is lost, it is opened again and what was missed
 * is asked for by Last-Event-ID.
 */
#pragma once

#include "pgwake/client.h"
#include "pgwake/sse.h"

struct stream {
        struct client *client;
        struct exchange *exchange; /* NULL while it waits for the next try */
        struct sse sse;
        char *path;
        bool replay;              /* everything that the daemon still holds comes first */
        bool stands;              /* the daemon answered this connection */
        bool stood;               /* ... or an earlier one */
        unsigned failures;        /* tries in vain since it stood */
        uint64_t retry_boot_usec; /* when to try again; USEC_INFINITY while there is a connection */
        sse_handler handler;
        void *userdata;
};

enum {
        STREAM_OPENED = 1, /* now, for the first time or again */
        STREAM_LOST,       /* it will be tried again at retry_boot_usec */
        STREAM_ENDED,      /* it will not: `exchange` says why (no first answer, a refusal, an answer that is not understood) */
};

/* DATABASE is NULL for all. */
int stream_init(struct stream *stream, struct client *client, const char *database, sse_handler handler, void *userdata);
/* To be called after every client_turn(): 0 for no change, one of the answers above, or a negative errno. */
int stream_turn(struct stream *stream, uint64_t now_boot_usec);
void stream_deinit(struct stream *stream);
