/*
 * The daemon's HTTP: everything that is asked over the sockets. Reads the registry, never the network; only POST changes anything.
 *
 * Main thread only. What is promised to clients stands in pgwaked(8).
 */
#pragma once

#include "base/buffer.h"
#include "engine/engine.h"

#include <sys/types.h>

struct server;

/* What may be asked on a socket. */
enum access {
        ACCESS_STATUS,  /* reading */
        ACCESS_CONTROL, /* everything */
};

struct server_hooks {
        /* POST /reload. Composes the JSON answer and its status (200, or 422 with the complaints). NULL: there is none. */
        void (*reload)(void *userdata, struct buffer *body, unsigned *ret_status);
        /* GET /livez: whether the daemon makes progress. NULL: it does. */
        bool (*progress)(void *userdata);
        void *userdata;
};

/* Observes ENGINE, which must outlive it. */
int server_new(sd_event *event, struct engine *engine, const struct server_hooks *hooks, struct server **ret_server);
/* Requests in flight and those that wait are answered 503, streams end, our sockets are removed. Takes NULL. */
struct server *server_free(struct server *server);

/* Answers as listen_unix() (serve/listen.h); GROUP (gid_t)-1 leaves the group as it comes. */
int server_add_unix(struct server *server, const char *path, mode_t mode, gid_t group, enum access access);
/* "127.0.0.1:9817", "[::1]:9817": reading only. */
int server_add_tcp(struct server *server, const char *address);
/* A listening socket that somebody else has too: at the end those in its queue are left to them. Takes FD, also when it fails. */
int server_add_fd(struct server *server, int fd, enum access access);
