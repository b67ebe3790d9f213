/* The server's internals, and the request as handlers get it. Internal to http/. */
#pragma once

#include "base/json.h"
#include "config/config.h"
#include "http/exchange.h"
#include "http/http.h"
#include "http/listen.h"
#include "http/server.h"
#include "http/url.h"

struct agent;
struct events;
struct history_requests;
struct waiters;

/* An address on which the server listens. */
struct listener {
        struct server *server;
        struct http *http;
        enum permission permission;
        char *path; /* of a UNIX socket that we must remove, or NULL */
        struct socket_identity identity;
        bool passed; /* another process listens on it too, and goes on */
        bool tcp;
        bool loopback; /* TCP that only this machine reaches */
        unsigned n_questions; /* about the past, not answered yet */
        struct listener *next;
};

struct server {
        sd_event *event;
        struct acceptors *acceptors;
        struct engine *engine;
        struct observer observer;
        struct server_hooks hooks;
        struct waiters *waiters;
        struct events *events;
        struct history_requests *history;
        struct prebuilt_reply *all_ready; /* the answer of /readyz if nothing is wrong */
        struct prebuilt_reply *page[2]; /* GET /: the page, and the answer to a client that has it already */
        struct buffer body;       /* one answer at a time is composed in it; its memory is kept */
        uint64_t changes;         /* grows with each event */
        struct missing_asleep {
                uint64_t turn, changes; /* when it was counted */
                size_t count;
        } missing_asleep; /* required databases that are neither ready nor asleep */
        struct nearest_search {
                uint64_t turn; /* the loop iteration */
                size_t steps_left;
        } nearest_search; /* for the names that unknown names may mean */
        size_t kept[_PERMISSION_MAX]; /* bytes of answers; those of the control socket are counted apart from other clients' */
        struct listener *listeners;
        struct agent *agents[CONFIG_AGENTS_MAX];
        size_t n_agents;
        char **allowed_hosts; /* in addition to those of loopback, for listeners there */
        size_t n_allowed_hosts;
        uint64_t started_real_usec; /* the start of the process */
        bool stopping;
};

struct request {
        struct server *server;
        struct exchange *exchange;
        struct listener *listener;
        const char *name;      /* NAME of the path, or NULL */
        struct database *database; /* of that name; NULL if the name may be of the past */
        uint64_t id;           /* ID of the path */
        struct query query;
};

/* Empties the body, and returns a writer on it. */
static inline struct json_writer server_compose(struct server *server) {
        buffer_clear(&server->body);
        return (struct json_writer){.buffer = &server->body};
}

/* history.c: questions about the past that are in progress. */
int history_requests_new(struct server *server, struct history_requests **ret_history);
/* Tells waiting clients that the daemon is stopping. */
void history_requests_stop(struct history_requests *history);
/* Call when no exchange is left. Takes NULL. */
struct history_requests *history_requests_free(struct history_requests *history);

/* agent.c: HAProxy's agent-check. ADDRESS as in config/address.h; RAMP_USEC 0: full weight at once. Returns like listen_tcp(). */
int agent_new(struct server *server, const char *address, uint64_t ramp_usec, struct agent **ret_agent);
/* Clients that still wait get no answer. Takes NULL. */
struct agent *agent_free(struct agent *agent);
