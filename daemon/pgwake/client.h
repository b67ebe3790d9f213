/*
 * HTTP with the daemon over its UNIX socket: the one caller of libcurl.
 *
 * A client runs any number of exchanges at once; client_turn() moves them all and comes back as soon as one of them has news. Nothing
 * here prints, reads JSON or knows a path. No descriptor reaches a program that is started.
 */
#pragma once

#include "base/buffer.h"

#include <poll.h>
#include <stdint.h>

/* The daemon answers from memory: an answer that takes longer than this does not come. */
#define CLIENT_ANSWER_USEC (5 * UINT64_C(1000000))
/* More than 10,000 databases need. */
#define CLIENT_ANSWER_MAX (64 * 1024 * 1024)

struct client;

enum request_method {
        REQUEST_GET,
        REQUEST_POST,
        REQUEST_DELETE,
};

struct request {
        enum request_method method;
        const char *path;          /* with its query, encoded */
        uint64_t timeout_usec;     /* for the whole answer; USEC_INFINITY for none */
        const char *last_event_id; /* sent when not NULL */
        /* Takes the body of a 200 as it comes, a text/event-stream; a negative answer ends the exchange. Without it the body is kept. */
        int (*receive)(void *userdata, const char *data, size_t size);
        void *userdata;
};

struct exchange {
        void *easy;
        void *headers;
        struct client *client;
        struct request request;
        bool began;     /* the head of an answer came */
        bool done;      /* nothing more will come */
        bool connected; /* somebody took the connection */
        bool timed;     /* it runs and must end in time */
        int status;     /* HTTP's, 0 before `began` */
        int error;      /* done: 0 (a whole answer), or a negative errno: there is no answer that counts */
        size_t header_bytes;
        struct buffer body;
        char problem[256]; /* with `error`: why, to be said after "the daemon at PATH ..." */
};

int client_new(const char *socket_path, struct client **ret_client);
struct client *client_free(struct client *client);
/* The socket's path. */
const char *client_socket(const struct client *client);

int client_start(struct client *client, const struct request *request, struct exchange **ret_exchange);
/* Ends it, whatever it was doing. */
struct exchange *exchange_free(struct exchange *exchange);

static inline void exchange_freep(struct exchange **exchange) {
        *exchange = exchange_free(*exchange);
}

/*
 * Waits until an exchange began, received or ended something, one of the N descriptors FDS has what its events (POLLIN or 0) ask for or is
 * broken, or UNTIL (CLOCK_BOOTTIME) has come. Answers 0, or a negative errno.
 */
int client_turn(struct client *client, uint64_t until_boot_usec, const struct pollfd *fds, size_t n);

/* One NAME=VALUE of a query; with a NULL value it is left out. */
struct parameter {
        const char *name, *value;
};

/*
 * PREFIX/NAME?PARAMETERS with NAME and the values percent-encoded; NAME may be NULL, and so may PARAMETERS, a list that ends with a NULL
 * name. Owned by the caller; NULL without memory.
 */
char *client_path(const char *prefix, const char *name, const struct parameter *parameters);
