/*
 * HTTP with the daemon over its UNIX socket: the only caller of libcurl.
 *
 * A client runs any number of exchanges at once; client_turn() drives them all and returns as soon as one of them has news. Nothing here
 * prints, parses JSON or knows a path. No descriptor is inherited by a program that is started.
 */
#pragma once

#include "base/buffer.h"

#include <poll.h>
#include <stdint.h>

/* The daemon answers from memory: a slower answer will not come. */
#define CLIENT_ANSWER_USEC (5 * UINT64_C(1000000))
/* More than 10,000 databases take. */
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
        uint64_t timeout_usec;     /* for the whole answer; USEC_INFINITY: none */
        const char *last_event_id; /* sent unless NULL */
        /* Takes the body of a 200, a text/event-stream, as it arrives; a negative result ends the exchange. Without it the body is kept. */
        int (*receive)(void *userdata, const char *data, size_t size);
        void *userdata;
};

struct exchange {
        void *easy;
        void *headers;
        struct client *client;
        struct request request;
        bool began;     /* the head of an answer arrived */
        bool done;      /* nothing more will come */
        bool connected; /* the connection was accepted */
        bool timed;     /* in progress, with a timeout */
        int status;     /* HTTP's, 0 before `began` */
        int error;      /* when done: 0 for a complete answer, or a negative errno: there is no usable answer */
        size_t header_bytes;
        struct buffer body;
        char problem[256]; /* with `error`: why, to follow "the daemon at PATH ..." */
};

int client_new(const char *socket_path, struct client **ret_client);
struct client *client_free(struct client *client);
/* The path of the socket. */
const char *client_socket(const struct client *client);

int client_start(struct client *client, const struct request *request, struct exchange **ret_exchange);
/* Ends it, in any state. */
struct exchange *exchange_free(struct exchange *exchange);

static inline void exchange_freep(struct exchange **exchange) {
        *exchange = exchange_free(*exchange);
}

/*
 * Waits until an exchange began, received something or ended, one of the N descriptors FDS is ready for its events (POLLIN or 0) or broken,
 * or until UNTIL (CLOCK_BOOTTIME). Returns 0, or a negative errno.
 */
int client_turn(struct client *client, uint64_t until_boot_usec, const struct pollfd *fds, size_t n);

/* One NAME=VALUE of a query; left out if the value is NULL. */
struct parameter {
        const char *name, *value;
};

/*
 * PREFIX/NAME?PARAMETERS with NAME and the values percent-encoded; NAME may be NULL, and so may PARAMETERS, a list that ends with a NULL
 * name. The caller owns it; NULL if memory runs out.
 */
char *client_path(const char *prefix, const char *name, const struct parameter *parameters);
