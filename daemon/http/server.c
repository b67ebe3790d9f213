#include "http/server-private.h"

#include "base/error.h"
#include "base/process.h"
#include "http/events.h"
#include "http/route.h"
#include "http/waiters.h"

#include <assert.h>
#include <fcntl.h>

static void server_on_request(void *userdata, struct exchange *exchange) {
        route_request(userdata, exchange);
}

static void server_on_event(void *userdata, const struct event *event, const struct database *database) {
        struct server *server = userdata;

        (void)database;
        server->changes++;
        events_notify(server->events, event);
        waiters_notify(server->waiters);
}

/* If newer evidence confirms that a database is blocked there is no event, but a client that requested a wake waits for it. */
static void server_on_touched(void *userdata, const struct database *database) {
        struct server *server = userdata;

        if (database->state == STATE_BLOCKED)
                waiters_notify(server->waiters);
}

int server_new(sd_event *event, struct engine *engine, const struct server_hooks *hooks, struct server **ret_server) {
        struct server *server = calloc(1, sizeof(*server));
        int r;

        if (!server)
                return -ENOMEM;
        server->event = sd_event_ref(event);
        server->engine = engine;
        server->hooks = *hooks;
        server->started_real_usec = process_started_real_usec();
        r = acceptors_new(event, &server->acceptors);
        if (r >= 0)
                r = waiters_new(server, &server->waiters);
        if (r >= 0)
                r = events_new(server, &server->events);
        if (r >= 0)
                r = history_requests_new(server, &server->history);
        if (r < 0) {
                server_free(server);
                return r;
        }
        server->observer = (struct observer){.notify = server_on_event, .touched = server_on_touched, .userdata = server};
        engine_observe(engine, &server->observer);
        *ret_server = server;
        return 0;
}

int server_allow_hosts(struct server *server, char *const *names, size_t n) {
        assert(!server->allowed_hosts && !server->listeners);
        server->allowed_hosts = calloc(n + 1, sizeof(*server->allowed_hosts));
        if (!server->allowed_hosts)
                return -ENOMEM;
        for (; server->n_allowed_hosts < n; server->n_allowed_hosts++) {
                server->allowed_hosts[server->n_allowed_hosts] = strdup(names[server->n_allowed_hosts]);
                if (!server->allowed_hosts[server->n_allowed_hosts])
                        return -ENOMEM;
        }
        return 0;
}

static struct listener *listener_free(struct listener *listener) {
        if (listener->path)
                listen_unix_remove(listener->path, &listener->identity);
        http_free(listener->http);
        assert(listener->n_questions == 0);
        free(listener->path);
        free(listener);
        return NULL;
}

struct server *server_free(struct server *server) {
        struct listener *next;

        if (!server)
                return NULL;
        server->stopping = true;
        /* A client that connects from now on is left to the next daemon. */
        for (struct listener *listener = server->listeners; listener; listener = listener->next)
                if (listener->passed)
                        http_quiesce(listener->http);
        if (server->observer.notify)
                engine_unobserve(server->engine, &server->observer);
        if (server->waiters)
                waiters_stop(server->waiters);
        if (server->events)
                events_stop(server->events);
        if (server->history)
                history_requests_stop(server->history);
        /* Answers that a listener still sends are composed meanwhile, and need the rest of the server. */
        while (server->listeners) {
                next = server->listeners->next;
                listener_free(server->listeners);
                server->listeners = next;
        }
        while (server->n_agents > 0)
                agent_free(server->agents[--server->n_agents]);
        acceptors_free(server->acceptors);
        waiters_free(server->waiters);
        events_free(server->events);
        history_requests_free(server->history);
        prebuilt_reply_free(server->all_ready);
        for (size_t i = 0; i < ARRAY_LENGTH(server->page); i++)
                prebuilt_reply_free(server->page[i]);
        for (size_t i = 0; i < server->n_allowed_hosts; i++)
                free(server->allowed_hosts[i]);
        free(server->allowed_hosts);
        buffer_deinit(&server->body);
        sd_event_unref(server->event);
        free(server);
        return NULL;
}

/* Takes over FD, even on failure. */
static int server_add_listener(struct server *server, int fd, enum permission permission, struct listener **ret_listener) {
        struct listener *listener = calloc(1, sizeof(*listener));
        int r;

        if (!listener) {
                close_fd(&fd);
                return -ENOMEM;
        }
        listener->server = server;
        listener->permission = permission;
        listener->tcp = listen_is_tcp(fd, &listener->loopback);
        r = http_new(server->event, server->acceptors, fd, permission == PERMISSION_CONTROL ? DESCRIPTOR_CONTROL : DESCRIPTOR_CLIENT,
                     &(struct http_handler){.request = server_on_request, .userdata = listener, .kept = &server->kept[permission]},
                     &listener->http);
        if (r < 0) {
                listener_free(listener);
                return r;
        }
        listener->next = server->listeners;
        server->listeners = listener;
        if (ret_listener)
                *ret_listener = listener;
        return 0;
}

int server_add_unix(struct server *server, const char *path, mode_t mode, gid_t group, enum permission permission) {
        _cleanup_free_ char *copy = strdup(path);
        struct socket_identity identity;
        struct listener *listener;
        int fd, r;

        if (!copy)
                return -ENOMEM;
        r = listen_unix(path, mode, group, &fd, &identity);
        if (r < 0)
                return r;
        r = server_add_listener(server, fd, permission, &listener);
        if (r < 0) {
                listen_unix_remove(path, &identity);
                return r;
        }
        listener->path = steal_pointer(&copy);
        listener->identity = identity;
        return 0;
}

int server_add_tcp(struct server *server, const char *address) {
        int fd, r;

        r = listen_tcp(address, &fd);
        return r < 0 ? r : server_add_listener(server, fd, PERMISSION_STATUS, NULL);
}

int server_add_agent(struct server *server, const char *address, uint64_t ramp_usec) {
        int r;

        if (server->n_agents == CONFIG_AGENTS_MAX)
                return -ENOSPC;
        r = agent_new(server, address, ramp_usec, &server->agents[server->n_agents]);
        server->n_agents += r >= 0;
        return r;
}

int server_add_fd(struct server *server, int fd, enum permission permission) {
        int flags = fcntl(fd, F_GETFL), r;
        struct listener *listener;

        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
                r = error_from_errno();
                close_fd(&fd);
                return r;
        }
        r = server_add_listener(server, fd, permission, &listener);
        if (r >= 0)
                listener->passed = true;
        return r;
}
