/* An exchange, and the connections of a listener. Internal to the three files that use libmicrohttpd: http.c, exchange.c and refusal.c. */
#pragma once

#include "http/deadlines.h"
#include "http/exchange.h"
#include "http/http.h"
#include "http/listen.h"

#include <microhttpd.h>

/* libmicrohttpd's own inactivity timeout is off, since a client that sends a byte at a time never reaches it. These are absolute. */
enum timeout {
        TIMEOUT_REQUEST, /* from the connection, later from the request line, to the end of the request */
        TIMEOUT_IDLE,    /* between two requests, up to the end of the next request line */
        TIMEOUT_ANSWER,  /* until an answer with a known end is sent */
        TIMEOUT_NONE,    /* held or streaming: the socket shows when the client leaves */
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
        const char *url_end; /* the end of the URL as received */
        size_t discarded;
        bool first_call_done;
        bool hangup_watched;
        bool half_closed;  /* the client sends no more */
        bool suspended; /* held, or a waiting stream */
        bool broken;    /* the client left, or memory ran out: close it */

        enum {
                TURN_NOW,       /* unless the run has used up its time */
                TURN_POSTPONED, /* in a later run; suspended */
                TURN_DUE,       /* in this run, however long it takes */
        } turn;
        struct exchange *next_postponed;

        void (*left)(void *userdata);
        void *left_userdata;
        struct stream stream;
        size_t kept; /* bytes counted for its answer */
};

struct http {
        sd_event *event;
        struct MHD_Daemon *daemon;
        struct http_handler handler;
        sd_event_source *epoll_source;
        sd_event_source *run_source;
        struct timer later;
        int hangup_fd; /* an epoll set that reports clients that have left */
        sd_event_source *hangup_source;
        struct deadlines deadlines; /* of enum timeout */
        struct acceptor *acceptor;
        uint64_t run_until_usec; /* answers not begun by then are postponed */
        struct exchange *postponed, **postponed_end; /* in order of arrival */
        bool quiesced;
};

/* exchange.c: its answer is sent, or never will be. */
void exchange_keep_nothing(struct exchange *exchange);
/* http.c: the connection of an exchange. */
void exchange_set_timeout(struct exchange *exchange, enum timeout timeout);
void exchange_suspend(struct exchange *exchange);
void exchange_resume(struct exchange *exchange);
/* Call before anything slow: returns whether its turn is in a later run. It is suspended then. */
bool exchange_postpone(struct exchange *exchange);
struct exchange *exchange_of(struct MHD_Connection *connection);

/* refusal.c: before the first exchange; -ENOSYS if libmicrohttpd is not linked dynamically. */
int refusal_find_library(void);
/* refusal.c: the library's MHD_queue_response(), for answers other than its own refusals; false if it takes no answer. */
bool refusal_queue_other(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response);
/* exchange.c: called by libmicrohttpd, from the URL of a request to the end of its answer. CLS is the struct http. */
void *exchange_on_url(void *cls, const char *url, struct MHD_Connection *connection);
enum MHD_Result exchange_on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                   const char *upload, size_t *upload_size, void **request_context);
void exchange_on_completed(void *cls, struct MHD_Connection *connection, void **request_context, enum MHD_RequestTerminationCode code);
