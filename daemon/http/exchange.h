/*
 * An exchange is one connection and the request on it that is being answered. The handler answers it at once (exchange_reply), holds it
 * to answer later (exchange_hold), or streams (exchange_stream). It is valid until the answer is out or the client left.
 */
#pragma once

#include "base/buffer.h"

#include <stdint.h>
#include <sys/types.h>

struct exchange;
struct prebuilt_reply;

enum method {
        METHOD_GET, /* and HEAD: the body is left out by itself */
        METHOD_POST,
        METHOD_DELETE,
        METHOD_OTHER,
};

/* A fault of the request itself, whatever it asks for. */
enum fault {
        FAULT_NONE,
        FAULT_URL,  /* url_is_plain() (http/url.h) says no */
        FAULT_BODY, /* it has a body */
        FAULT_HOST, /* HTTP/1.1 without a header Host, or any with two */
        FAULT_FRAMING, /* where it ends is said twice, or may be read in two ways: what follows is no request */
};

/* The USERDATA of the handler (http/http.h). */
void *exchange_owner(const struct exchange *exchange);

/* The request. Texts live as long as the exchange. */
enum fault exchange_fault(const struct exchange *exchange);
enum method exchange_method(const struct exchange *exchange);
const char *exchange_path(const struct exchange *exchange);
/* The host that it asks (RET_LENGTH bytes, with the port): that of its URL, else of its header; NULL for HTTP/1.0 without either. */
const char *exchange_host(const struct exchange *exchange, size_t *ret_length);
/* NULL when there is none. */
const char *exchange_header(const struct exchange *exchange, const char *name);
/* Calls TAKE for each argument of the query until it answers false; VALUE is NULL for one without "=". */
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
        const struct header *headers; /* others, up to one without a name; or NULL */
        const struct buffer *body;    /* copied */
        unsigned retry_after_sec;     /* 0: no such header */
        const char *allow;            /* the header of a 405, or NULL */
};

/*
 * Answers take memory until their clients have read them. All but short ones are counted, whoever sends them, and together they have a bound
 * (struct http_handler, http/http.h): one that goes beyond is replaced by 429. An answer that is alone may be longer than the bound.
 *
 * Never fails for the caller: where memory is missing the connection is closed.
 */
void exchange_reply(struct exchange *exchange, const struct reply *reply);

/* A reply made once and sent many times. */
int prebuilt_reply_new(const struct reply *reply, struct prebuilt_reply **ret_prebuilt);
struct prebuilt_reply *prebuilt_reply_free(struct prebuilt_reply *prebuilt);
void exchange_reply_prebuilt(struct exchange *exchange, const struct prebuilt_reply *prebuilt);

/* The reply comes later. LEFT is called when the client leaves before that; the exchange is gone then. */
void exchange_hold(struct exchange *exchange, void (*left)(void *userdata), void *userdata);

/* Special answers of a stream's reader. */
enum {
        STREAM_WAITS = 0,   /* nothing now: exchange_continue() tells when there is */
        STREAM_ENDS = -1,
        STREAM_BREAKS = -2, /* the connection is closed, so that the client sees that something is missing */
};

struct stream {
        ssize_t (*read)(void *userdata, char *buffer, size_t size);
        void (*free)(void *userdata); /* called exactly once, also when the stream could not begin */
        void *userdata;
        size_t kept; /* the bytes that it keeps until its client has read them, counted as those of a reply */
};

/*
 * Answers with a body of unknown length; HEAD's body and ALLOW do not matter. ENDLESS: no time limit. HEAD is answered without the body,
 * and the connection ends.
 */
void exchange_stream(struct exchange *exchange, const struct reply *head, bool endless, const struct stream *stream);
/* The stream keeps BYTES from now on; false when that goes beyond the bound. */
bool exchange_keep(struct exchange *exchange, size_t bytes);
/* A stream that waits has something to say again. No effect on one that does not wait. */
void exchange_continue(struct exchange *exchange);
bool exchange_waits(const struct exchange *exchange);
/* Cuts off a client that does not read. */
void exchange_drop(struct exchange *exchange);
