/*
 * The daemon's HTTP: everything that is asked over the sockets. Reads the registry, never the network; only POST changes anything.
 *
 * Main thread only. What is promised to clients stands in pgwaked(8).
 */
#pragma once

#include "base/buffer.h"
#include "scheduler/engine.h"

#include <sys/types.h>

struct server;
struct store;

/* The requests that a socket takes. */
enum permission {
        PERMISSION_STATUS,  /* reading */
        PERMISSION_CONTROL, /* everything */
        _PERMISSION_MAX,
};

/* Facts for /metrics that the server cannot see of the daemon. */
struct server_facts {
        bool reload_successful;     /* of the last one; a start is one too */
        uint64_t reloaded_real_usec; /* the last successful one */
        const char *history;        /* its health: the name of an enum store_health */
        bool history_healthy;       /* nothing is wrong with it: also where none is to be kept */
};

/* POST /reload, from its request to its answer. */
struct reload_call {
        bool remove_all; /* also where no database is left */
        /*
         * Called once; the call is gone then. STATUS is 200, 422 with the complaints, or 500, and BODY is JSON; both are nothing when the
         * daemon ends before, which must be said before the server is freed.
         */
        void (*done)(struct reload_call *call, unsigned status, const struct buffer *body);
        struct reload_call *next; /* of those that wait; whose hook it is */
};

struct server_hooks {
        /* POST /reload. NULL: there is nothing to reload. */
        void (*reload)(void *userdata, struct reload_call *call);
        /* GET /livez: whether the daemon makes progress. NULL: it does. */
        bool (*progress)(void *userdata);
        /* GET /metrics. NULL: nothing is known. */
        void (*facts)(void *userdata, struct server_facts *ret_facts);
        void *userdata;
        struct store *store; /* NULL: there is no history. It must outlive the server */
};

/* Observes ENGINE, which must outlive it. */
int server_new(sd_event *event, struct engine *engine, const struct server_hooks *hooks, struct server **ret_server);
/* Requests in flight and those that wait are answered 503, streams end, our sockets are removed. Takes NULL. */
struct server *server_free(struct server *server);

/* Names by which listeners on loopback may be asked, beside those of loopback (http/url.h). Once, before the first of them. */
int server_allow_hosts(struct server *server, char *const *names, size_t n);

/* Answers as listen_unix() (http/listen.h); GROUP (gid_t)-1 leaves the group as it comes. */
int server_add_unix(struct server *server, const char *path, mode_t mode, gid_t group, enum permission permission);
/* "127.0.0.1:9817", "[::1]:9817": reading only. */
int server_add_tcp(struct server *server, const char *address);
/* The same address form, for HAProxy's agent-check (http/agent.c). RAMP_USEC 0: full weight at once after a wake. */
int server_add_agent(struct server *server, const char *address, uint64_t ramp_usec);
/* A listening socket that somebody else has too: at the end those in its queue are left to them. Takes FD, also when it fails. */
int server_add_fd(struct server *server, int fd, enum permission permission);
