/*
 * HTTP/1.1 on one listening socket inside the loop, no thread. Nothing outside http.c, exchange.c and refusal.c knows libmicrohttpd: this
 * one runs it and holds its connections, and what is asked and answered on them is http/exchange.h.
 */
#pragma once

#include "http/listen.h"

struct exchange;
struct http;

struct http_handler {
        void (*request)(void *userdata, struct exchange *exchange);
        void *userdata;
        size_t *kept; /* bytes of answers that clients have not read yet, of all listeners that have a bound together */
};

/* Takes LISTEN_FD, also when it fails; LISTEN_FD and USE as acceptor_new() takes them. */
int http_new(sd_event *event, struct acceptors *acceptors, int listen_fd, enum descriptor_use use, const struct http_handler *handler,
             struct http **ret_http);
/*
 * Takes no further client, for a socket that outlives us: those who wait in its queue are left to whoever else listens on it.
 */
void http_quiesce(struct http *http);
/*
 * Lets what was answered go out, and closes. Whatever is still held or streaming is cut off: answer and end those before. Takes NULL.
 */
struct http *http_free(struct http *http);
unsigned http_connections(const struct http *http);
