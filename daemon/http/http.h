/*
 * HTTP/1.1 on one listening socket, inside the loop and without a thread. Only http.c, exchange.c and refusal.c use libmicrohttpd. http.c
 * runs it and holds its connections; http/exchange.h has requests and answers.
 */
#pragma once

#include "http/listen.h"

struct exchange;
struct http;

struct http_handler {
        void (*request)(void *userdata, struct exchange *exchange);
        void *userdata;
        size_t *kept; /* bytes of answers that clients have not read yet, of all listeners with a common bound */
};

/* Takes over LISTEN_FD, even on failure; LISTEN_FD and USE as in acceptor_new(). */
int http_new(sd_event *event, struct acceptors *acceptors, int listen_fd, enum descriptor_use use, const struct http_handler *handler,
             struct http **ret_http);
/*
 * Accepts no further client, for a socket that outlives this process: clients in its queue are left to the other process that listens on
 * it.
 */
void http_quiesce(struct http *http);
/* Sends the answers that were given, and closes. Requests still held or streaming are cut off: answer and end them before. Takes NULL. */
struct http *http_free(struct http *http);
unsigned http_connections(const struct http *http);
