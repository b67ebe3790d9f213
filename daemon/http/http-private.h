/* An exchange and the connections of a listener. Internal to the three files that know libmicrohttpd: http.c, exchange.c and refusal.c. */
#pragma once

#include "http/deadlines.h"
#include "http/exchange.h"
#include "http/http.h"
#include "http/listen.h"

#include <microhttpd.h>

/* libmicrohttpd's own inactivity timeout is off: a client that drips a byte at a time never meets it. These are absolute. */
enum timeout {
        TIMEOUT_REQUEST, /* from the connection, later from the request line, to the whole request */
        TIMEOUT_IDLE,    /* between two requests, the next request line included */
        TIMEOUT_ANSWER,  /* until an answer of known end is out */
        TIMEOUT_NONE,    /* held and streaming: the client's leaving is seen from its socket */
        _TIMEOUT_MAX,
};

#define CONNECTION_MEMORY ((size_t)16 * 1024)

struct exchange {
        struct http *http;
        struct MHD_Connection *connection;
        int fd;

        struct deadline deadline;

        enum fault fault;
        enum method method;
        bool is_head;
        const char *path;
        size_t path_offset; /* in the URL */
        const char *host;
        size_t host_length;
        const char *url_end; /* where the URL ended as it came */
        size_t discarded;
        bool first_call_done;
        bool hangup_watched;
        bool half_closed;  /* the client sends nothing more */
        bool suspended; /* held, or a stream that waits */
        bool broken;    /* the client left, or memory is missing: close */

        enum {
                TURN_NOW,       /* unless the run has taken its time */
                TURN_POSTPONED, /* in one of the next runs; suspended */
                TURN_DUE,       /* in this run, whatever it takes */
        } turn;
        struct exchange *next_postponed;

        void (*left)(void *userdata);
        void *left_userdata;
        struct stream stream;
        size_t kept; /* bytes that are counted for its answer */
};

struct http {
        sd_event *event;
        struct MHD_Daemon *daemon;
        struct http_handler handler;
        sd_event_source *epoll_source;
        sd_event_source *run_source;
        struct timer later;
        int hangup_fd; /* an epoll set: of each client, that it left */
        sd_event_source *hangup_source;
        struct deadlines deadlines; /* of enum timeout */
        struct acceptor *acceptor;
        uint64_t run_until_usec; /* what is not begun by then is postponed */
        struct exchange *postponed, **postponed_end; /* first come, first served */
        bool quiesced;
};

/* exchange.c: its answer is out, or never will be. */
void exchange_keep_nothing(struct exchange *exchange);
/* http.c: the connection of an exchange. */
void exchange_set_timeout(struct exchange *exchange, enum timeout timeout);
void exchange_suspend(struct exchange *exchange);
void exchange_resume(struct exchange *exchange);
/* Before anything that takes long: whether its turn is in a later run. It is suspended then. */
bool exchange_postpone(struct exchange *exchange);
struct exchange *exchange_of(struct MHD_Connection *connection);

/* refusal.c: before the first exchange; -ENOSYS without a libmicrohttpd that is linked dynamically. */
int refusal_find_library(void);
/* refusal.c: the library's MHD_queue_response(), for what it does not refuse itself; false where it takes no answer. */
bool refusal_queue_other(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response);
/* exchange.c: what libmicrohttpd calls, from the URL of a request to the end of its answer. CLS is the struct http. */
void *exchange_on_url(void *cls, const char *url, struct MHD_Connection *connection);
enum MHD_Result exchange_on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                   const char *upload, size_t *upload_size, void **request_context);
void exchange_on_completed(void *cls, struct MHD_Connection *connection, void **request_context, enum MHD_RequestTerminationCode code);
