/*
 * HAProxy's agent-check: a TCP connection, one line in HAProxy's own words, and the end. It only reads, and is no demand.
 *
 * HAProxy may send a line first (agent-send): "NAME", "accept=asleep", or both. It sends the line together with the connection; a
 * connection without one asks for all required databases. The answer is "up WEIGHT%", where the weight grows from 10 to 100 over the ramp
 * time after a wake, or "down #REASON". The words ready, drain and maint are never sent: they would undo an operator's settings in HAProxy.
 */
#include "http/server-private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "base/timer.h"
#include "scheduler/engine.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>

/* A name of 63 bytes, a word, and the end of the line. */
#define LINE_MAX_BYTES 96
#define ANSWER_MAX_BYTES 192
/* Connections at a time: each is short, and further clients wait in the socket's backlog. */
#define CONNECTIONS_MAX 256
/* The line comes with the connection. A client that is silent for this long has no agent-send; HAProxy itself waits for agent-inter. */
#define GRACE_USEC (200 * USEC_PER_MSEC)
#define GRACE_ACCURACY_USEC (10 * USEC_PER_MSEC)
#define WEIGHT_MIN 10
#define WEIGHT_MAX 100

struct agent_connection {
        struct agent *agent;
        int fd;
        sd_event_source *io;
        struct timer grace;
        char line[LINE_MAX_BYTES];
        size_t length;
        LIST_ENTRY(agent_connection) link;
};

struct agent {
        struct server *server;
        uint64_t ramp_usec;
        struct acceptor *acceptor;
        LIST_HEAD(, agent_connection) connections;
};

/* The request in a line. */
struct agent_request {
        const char *name; /* NULL: all required ones */
        bool accept_asleep;
        bool is_understood;
};

static struct agent_connection *agent_connection_free(struct agent_connection *connection) {
        struct agent *agent = connection->agent;

        connection->io = sd_event_source_disable_unref(connection->io);
        timer_deinit(&connection->grace);
        close_fd(&connection->fd);
        LIST_REMOVE(connection, link);
        acceptor_left(agent->acceptor);
        free(connection);
        return NULL;
}

static bool is_acceptable(const struct database *database, bool accept_asleep) {
        return accept_asleep ? database_ready_or_asleep(database) : database_ready(database);
}

/* Only a wake with which the present state began counts: a database that was awake all along has nothing to warm up. */
static unsigned agent_weight(const struct database *database, uint64_t ramp_usec, struct instant now) {
        uint64_t elapsed = now.boot_usec - MIN(database->since_boot_usec, now.boot_usec);

        if (database->state != STATE_AWAKE || database->counts.last_wake.at_real_usec < database->since_real_usec || elapsed >= ramp_usec)
                return WEIGHT_MAX;
        return WEIGHT_MIN + (unsigned)((WEIGHT_MAX - WEIGHT_MIN) * elapsed / ramp_usec);
}

/* Parses TEXT's first line, which is cut into words in place. */
static struct agent_request agent_parse(char *text) {
        struct agent_request request = {.is_understood = true};
        char *rest = text, *word;

        text[strcspn(text, "\n")] = '\0';
        while ((word = strsep(&rest, " \t,\r"))) {
                if (!*word)
                        continue;
                if (streq(word, "accept=asleep"))
                        request.accept_asleep = true;
                else if (!request.name && text_is_name(word))
                        request.name = word;
                else
                        request.is_understood = false;
        }
        return request;
}

/* Without the space, HAProxy 2.6 takes "down#reason" for an unknown word and changes nothing. */
static void agent_write_down(const struct database *database, bool with_name, char answer[ANSWER_MAX_BYTES]) {
        const char *reason = database->reason == REASON_NONE ? state_name(database->state) : reason_slug(database->reason);

        (void)snprintf(answer, ANSWER_MAX_BYTES, "down #%s%s%s\n", with_name ? database->config->name : "", with_name ? " " : "", reason);
}

/* For all: the first database, by name, that is not acceptable; else the lowest weight. */
static void agent_answer_all(const struct agent *agent, bool accept_asleep, struct instant now, char answer[ANSWER_MAX_BYTES]) {
        const struct registry *registry = engine_registry(agent->server->engine);
        const struct database *database;
        unsigned least = WEIGHT_MAX;

        for (size_t i = 0; (database = registry_at(registry, i)); i++) {
                if (!database->config->required)
                        continue;
                if (!is_acceptable(database, accept_asleep)) {
                        agent_write_down(database, true, answer);
                        return;
                }
                least = MIN(least, agent_weight(database, agent->ramp_usec, now));
        }
        (void)snprintf(answer, ANSWER_MAX_BYTES, "up %u%%\n", least);
}

static void agent_compose(const struct agent *agent, char *line, char answer[ANSWER_MAX_BYTES]) {
        struct agent_request request = agent_parse(line);
        const struct database *database = request.name ? registry_by_name(engine_registry(agent->server->engine), request.name) : NULL;
        struct instant now = clock_now();

        if (!request.is_understood)
                (void)text_copy(answer, ANSWER_MAX_BYTES, "down #agent-send is NAME, accept=asleep, or both\n");
        else if (!request.name)
                agent_answer_all(agent, request.accept_asleep, now, answer);
        else if (!database)
                (void)text_copy(answer, ANSWER_MAX_BYTES, "down #no such database\n");
        else if (!is_acceptable(database, request.accept_asleep))
                agent_write_down(database, false, answer);
        else
                (void)snprintf(answer, ANSWER_MAX_BYTES, "up %u%%\n", agent_weight(database, agent->ramp_usec, now));
}

/* A new connection takes this few bytes at once, unless the client has left. */
static void agent_connection_reply(struct agent_connection *connection) {
        char answer[ANSWER_MAX_BYTES];

        connection->line[connection->length] = '\0';
        agent_compose(connection->agent, connection->line, answer);
        (void)send(connection->fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)shutdown(connection->fd, SHUT_WR);
        agent_connection_free(connection);
}

/* Reads what is there. Returns recv()'s last result: 0 at the end, -1 with errno, or more if the line has no room left. */
static ssize_t agent_connection_receive(struct agent_connection *connection) {
        ssize_t n = 1;

        while (n > 0 && connection->length < LINE_MAX_BYTES - 1) {
                n = recv(connection->fd, connection->line + connection->length, LINE_MAX_BYTES - 1 - connection->length, MSG_DONTWAIT);
                connection->length += n > 0 ? (size_t)n : 0;
        }
        return n;
}

static int on_line(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct agent_connection *connection = userdata;
        ssize_t n = agent_connection_receive(connection);

        (void)source;
        (void)fd;
        (void)events;
        if (n >= 0 || memchr(connection->line, '\n', connection->length))
                agent_connection_reply(connection);
        else if (errno != EAGAIN && errno != EINTR)
                agent_connection_free(connection);
        return 0;
}

static void on_grace(void *userdata) {
        struct agent_connection *connection = userdata;

        /* If our loop was busy, the line may have arrived and be dispatched after the timer. */
        (void)agent_connection_receive(connection);
        agent_connection_reply(connection);
}

static void agent_on_client(void *userdata, int fd, const struct sockaddr *address, socklen_t length) {
        struct agent_connection *connection = calloc(1, sizeof(*connection));
        struct agent *agent = userdata;
        int r;

        (void)address;
        (void)length;
        if (!connection) {
                close_fd(&fd);
                acceptor_settled(agent->acceptor);
                return;
        }
        connection->agent = agent;
        connection->fd = fd;
        LIST_INSERT_HEAD(&agent->connections, connection, link);
        acceptor_joined(agent->acceptor);
        r = sd_event_add_io(agent->server->event, &connection->io, fd, EPOLLIN, on_line, connection);
        if (r >= 0)
                r = timer_init(&connection->grace, agent->server->event, CLOCK_MONOTONIC, GRACE_ACCURACY_USEC, "agent-grace", on_grace, connection);
        if (r < 0)
                agent_connection_free(connection);
        else
                timer_set_after(&connection->grace, GRACE_USEC);
}

int agent_new(struct server *server, const char *address, uint64_t ramp_usec, struct agent **ret_agent) {
        struct agent *agent = calloc(1, sizeof(*agent));
        int fd, r;

        if (!agent)
                return -ENOMEM;
        agent->server = server;
        agent->ramp_usec = ramp_usec;
        r = listen_tcp(address, &fd);
        if (r >= 0)
                r = acceptor_new(server->acceptors, fd, DESCRIPTOR_CLIENT, CONNECTIONS_MAX,
                                 &(struct acceptor_handler){.take = agent_on_client, .userdata = agent}, &agent->acceptor);
        if (r < 0) {
                agent_free(agent);
                return r;
        }
        *ret_agent = agent;
        return 0;
}

struct agent *agent_free(struct agent *agent) {
        if (!agent)
                return NULL;
        while (!LIST_EMPTY(&agent->connections))
                agent_connection_free(LIST_FIRST(&agent->connections));
        acceptor_free(agent->acceptor);
        free(agent);
        return NULL;
}
