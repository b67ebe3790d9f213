/*
 * The daemon's HTTP interface on all sockets. It reads the registry, never the network; only POST and DELETE change anything.
 *
 * Main thread only. pgwaked(8) documents the interface.
 */
#pragma once

#include "base/buffer.h"
#include "scheduler/engine.h"

#include <sys/types.h>

struct server;
struct store;

/* The requests that a socket accepts. */
enum permission {
        PERMISSION_STATUS,  /* reading */
        PERMISSION_CONTROL, /* everything */
        _PERMISSION_MAX,
};

/* Facts about the daemon that the server cannot know, for /metrics. */
struct server_facts {
        bool reload_successful;     /* of the last one; a start counts as one */
        uint64_t reloaded_real_usec; /* the last successful one */
        const char *history;        /* its health: the name of an enum store_health */
        bool history_healthy;       /* nothing is wrong with it, or no history is kept */
};

/* POST /reload, from its request to its answer. */
struct reload_call {
        bool remove_all; /* even if no database is left */
        /*
         * Called once; the call is gone then. STATUS is 200, 422 with the complaints, or 500, and BODY is JSON. If the daemon ends before,
         * STATUS is 0 and BODY is NULL; that call must come before the server is freed.
         */
        void (*done)(struct reload_call *call, unsigned status, const struct buffer *body);
        struct reload_call *next; /* for waiting calls; used by the hook */
};

struct server_hooks {
        /* POST /reload. NULL: there is nothing to reload. */
        void (*reload)(void *userdata, struct reload_call *call);
        /* GET /livez: whether the daemon makes progress. NULL: it does. */
        bool (*progress)(void *userdata);
        /* GET /metrics. NULL: there are no facts. */
        void (*facts)(void *userdata, struct server_facts *ret_facts);
        void *userdata;
        struct store *store; /* NULL: there is no history. Must outlive the server */
};

/* Observes ENGINE, which must outlive it. */
int server_new(sd_event *event, struct engine *engine, const struct server_hooks *hooks, struct server **ret_server);
/* Answers 503 to requests in progress and those that wait, ends the streams, and removes our sockets. Takes NULL. */
struct server *server_free(struct server *server);

/*
 * Names that requests to loopback listeners may use, in addition to those of loopback (http/url.h). Call once, before the first such
 * listener.
 */
int server_allow_hosts(struct server *server, char *const *names, size_t n);

/* Returns like listen_unix() (http/listen.h); GROUP (gid_t)-1 keeps the default group. */
int server_add_unix(struct server *server, const char *path, mode_t mode, gid_t group, enum permission permission);
/* "127.0.0.1:9817", "[::1]:9817": reading only. */
int server_add_tcp(struct server *server, const char *address);
/* An address in the same form, for HAProxy's agent-check (http/agent.c). RAMP_USEC 0: full weight at once after a wake. */
int server_add_agent(struct server *server, const char *address, uint64_t ramp_usec);
/*
 * A listening socket that another process has too: at the end, clients in its queue are left to that process. Takes over FD, even on
 * failure.
 */
int server_add_fd(struct server *server, int fd, enum permission permission);
