/*
 * An exchange is one connection and its present request. The handler answers it at once (exchange_reply()), holds it to answer later
 * (exchange_hold()), or streams (exchange_stream()). It is valid until the answer is sent or the client has left.
 */
#pragma once

#include "base/buffer.h"

#include <stdint.h>
#include <sys/types.h>

struct exchange;
struct prebuilt_reply;

enum method {
        METHOD_GET, /* and HEAD, for which the body is left out automatically */
        METHOD_POST,
        METHOD_DELETE,
        METHOD_OTHER,
};

/* A fault of the request itself, whatever its target. */
enum fault {
        FAULT_NONE,
        FAULT_URL,  /* url_is_plain() (http/url.h) rejects it */
        FAULT_BODY, /* it has a body */
        FAULT_HOST, /* HTTP/1.1 without a Host header, or any version with two */
        FAULT_FRAMING, /* its end is given twice, or can be read in two ways: what follows is no request */
};

/* The USERDATA of the handler (http/http.h). */
void *exchange_owner(const struct exchange *exchange);

/* The request. Texts live as long as the exchange. */
enum fault exchange_fault(const struct exchange *exchange);
enum method exchange_method(const struct exchange *exchange);
const char *exchange_path(const struct exchange *exchange);
/* The requested host (RET_LENGTH bytes, with the port): from the URL, else from the header; NULL for HTTP/1.0 without either. */
const char *exchange_host(const struct exchange *exchange, size_t *ret_length);
/* NULL if there is none. */
const char *exchange_header(const struct exchange *exchange, const char *name);
/* Calls TAKE for each argument of the query until it returns false; VALUE is NULL for one without "=". */
void exchange_each_argument(const struct exchange *exchange, bool (*take)(void *userdata, const char *name, const char *value),
                            void *userdata);

struct header {
        const char *name;
        const char *value;
};

struct reply {
        unsigned status;
        const char *content_type;     /* NULL: JSON */
        const char *cache_control;    /* NULL: no-store */
        const struct header *headers; /* further ones, up to one without a name; or NULL */
        const struct buffer *body;    /* copied */
        unsigned retry_after_sec;     /* 0: no such header */
        const char *allow;            /* the header of a 405, or NULL */
};

/*
 * Answers take memory until their clients have read them. All except short ones are counted, from every sender, and together they are
 * bounded (struct http_handler, http/http.h): an answer beyond the bound is replaced by 429. An answer that is alone may exceed it.
 *
 * Never fails for the caller: if memory runs out, the connection is closed.
 */
void exchange_reply(struct exchange *exchange, const struct reply *reply);

/* A reply made once and sent many times. */
int prebuilt_reply_new(const struct reply *reply, struct prebuilt_reply **ret_prebuilt);
struct prebuilt_reply *prebuilt_reply_free(struct prebuilt_reply *prebuilt);
void exchange_reply_prebuilt(struct exchange *exchange, const struct prebuilt_reply *prebuilt);

/* The reply comes later. LEFT is called if the client leaves before; the exchange is gone then. */
void exchange_hold(struct exchange *exchange, void (*left)(void *userdata), void *userdata);

/* Special results of a stream's reader. */
enum {
        STREAM_WAITS = 0,   /* nothing now: exchange_continue() will be called */
        STREAM_ENDS = -1,
        STREAM_BREAKS = -2, /* closes the connection, so that the client notices that something is missing */
};

struct stream {
        ssize_t (*read)(void *userdata, char *buffer, size_t size);
        void (*free)(void *userdata); /* called exactly once, even if the stream could not begin */
        void *userdata;
        size_t kept; /* bytes that it keeps until its client has read them, counted like those of a reply */
};

/*
 * Answers with a body of unknown length; HEAD's body and `allow` are ignored. ENDLESS: no time limit. A HEAD request gets no body, and its
 * connection ends.
 */
void exchange_stream(struct exchange *exchange, const struct reply *head, bool endless, const struct stream *stream);
/* The stream keeps BYTES from now on; returns false if that exceeds the bound. */
bool exchange_keep(struct exchange *exchange, size_t bytes);
/* A waiting stream has data again. No effect if it is not waiting. */
void exchange_continue(struct exchange *exchange);
bool exchange_waits(const struct exchange *exchange);
/* Disconnects a client that does not read. */
void exchange_drop(struct exchange *exchange);
