#include "http/http.h"

#include "base/clock.h"
#include "base/error.h"
#include "http/http-private.h"

#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static const uint64_t timeout_usec[_TIMEOUT_MAX] = {
        [TIMEOUT_REQUEST] = 10 * USEC_PER_SEC,
        [TIMEOUT_IDLE] = 75 * USEC_PER_SEC,
        [TIMEOUT_ANSWER] = 60 * USEC_PER_SEC,
        [TIMEOUT_NONE] = USEC_INFINITY,
};

/*
 * libmicrohttpd's runs in one callback, before other sources of the loop get their turn. Each run handles all connections that are ready,
 * which may be thousands. Answers not begun when the time is over are postponed to later callbacks, a batch in each.
 */
#define RUNS_MAX 4
#define RUNS_USEC (2 * USEC_PER_MSEC)
#define POSTPONED_BATCH 16
#define HANGUP_BATCH 64
/*
 * The last wait, at the end, for the request of a client that has just connected: since it was accepted, it should not be cut off. It is
 * looked for every LAST_LOOK_USEC. The delay of a look is the machine's slowness, which the client shares, and does not count.
 */
#define LAST_REQUEST_USEC (100 * USEC_PER_MSEC)
#define LAST_LOOK_USEC (2 * USEC_PER_MSEC)
/* The last runs, at the end: enough for every answer that its client reads at once. */
#define LAST_RUNS_MAX 256

void exchange_set_timeout(struct exchange *exchange, enum timeout timeout) {
        deadlines_change(&exchange->http->deadlines, &exchange->deadline, timeout);
}

/* Shutting down the socket ends the connection. */
static void on_expired(struct deadline *deadline) {
        exchange_drop(container_of(deadline, struct exchange, deadline));
}

/* Running libmicrohttpd. */

static bool has_more_to_do(struct http *http) {
        MHD_UNSIGNED_LONG_LONG msec;

        return MHD_get_timeout(http->daemon, &msec) == MHD_YES && msec == 0;
}

/* Resumed connections and unfinished work need another run, which no socket will trigger. */
static void http_run_soon(struct http *http) {
        (void)sd_event_source_set_enabled(http->run_source, SD_EVENT_ONESHOT);
}

/*
 * Runs once more, after everything else had a turn. Among sources of one priority sd-event takes the one pending for longest, and a
 * deferred one counts as pending since it was made: a client that reads a long answer as fast as it comes would keep the loop to itself. A
 * timer that has expired is placed after the others.
 */
static void http_run_later(struct http *http) {
        timer_set(&http->later, 0);
}

static bool watch_hangup(struct exchange *exchange) {
        struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = exchange};

        return epoll_ctl(exchange->http->hangup_fd, EPOLL_CTL_ADD, exchange->fd, &event) == 0;
}

bool exchange_postpone(struct exchange *exchange) {
        struct http *http = exchange->http;

        assert(exchange->turn != TURN_POSTPONED && !exchange->suspended);
        if (exchange->turn == TURN_DUE || clock_monotonic_usec() < http->run_until_usec) {
                exchange->turn = TURN_NOW;
                return false;
        }
        exchange->turn = TURN_POSTPONED;
        exchange->next_postponed = NULL;
        *(http->postponed ? http->postponed_end : &http->postponed) = exchange;
        http->postponed_end = &exchange->next_postponed;
        exchange->suspended = true;
        MHD_suspend_connection(exchange->connection);
        return true;
}

static void resume_postponed(struct http *http, unsigned n) {
        for (struct exchange *exchange; n > 0 && (exchange = http->postponed); n--) {
                http->postponed = exchange->next_postponed;
                exchange->turn = TURN_DUE;
                exchange->suspended = false;
                if (!exchange->hangup_watched)
                        exchange->hangup_watched = watch_hangup(exchange);
                MHD_resume_connection(exchange->connection);
        }
}

static void http_run_once(struct http *http) {
        (void)MHD_run(http->daemon);
        acceptor_settled(http->acceptor);
}

static void http_run(struct http *http) {
        unsigned runs = 0;
        bool more;

        deadlines_update_now(&http->deadlines);
        http->run_until_usec = clock_monotonic_usec() + RUNS_USEC;
        resume_postponed(http, POSTPONED_BATCH);
        do {
                http_run_once(http);
                more = has_more_to_do(http);
        } while (more && ++runs < RUNS_MAX && clock_monotonic_usec() < http->run_until_usec);
        if (more || http->postponed)
                http_run_later(http);
}

static int http_on_epoll(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        (void)source;
        (void)fd;
        (void)events;
        http_run(userdata);
        return 0;
}

static int http_on_run(sd_event_source *source, void *userdata) {
        (void)source;
        http_run(userdata);
        return 0;
}

static void http_on_later(void *userdata) {
        http_run(userdata);
}

/*
 * Clients that leave are watched for apart from libmicrohttpd: it does not notice when a suspended connection ends, and for others it
 * misses the end if that came together with the last bytes. It watches edges, and stops reading after a short read; no other edge would
 * come. Shutting down what is shut anyway makes one, and loses nothing that was received.
 */

void exchange_resume(struct exchange *exchange) {
        if (!exchange->suspended || exchange->turn == TURN_POSTPONED)
                return;
        exchange->suspended = false;
        MHD_resume_connection(exchange->connection);
        http_run_soon(exchange->http);
}

static void unwatch_hangup(struct exchange *exchange) {
        if (exchange->hangup_watched)
                (void)epoll_ctl(exchange->http->hangup_fd, EPOLL_CTL_DEL, exchange->fd, NULL);
        exchange->hangup_watched = false;
}

static void take_hangup(struct exchange *exchange) {
        if (exchange->turn == TURN_POSTPONED) {
                /* It is handled after its turn. */
                unwatch_hangup(exchange);
                return;
        }
        if (!exchange->suspended && !exchange->half_closed) {
                /* The next run reads everything that has arrived; the hangup is handled after it. */
                exchange->half_closed = true;
                http_run_soon(exchange->http);
                return;
        }
        unwatch_hangup(exchange);
        exchange->half_closed = true;
        if (exchange->suspended) {
                exchange->broken = true;
                exchange_resume(exchange);
        } else
                (void)shutdown(exchange->fd, SHUT_RD);
}

/*
 * All clients of a listener are one source of the loop. The loop takes one source per iteration, and asks the kernel again for all that are
 * ready: with a source for each client, thousands that leave together would cost the square of their number. No exchange ends in this
 * function: the library's next run ends it.
 */
static int http_on_hangup(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct epoll_event gone[HANGUP_BATCH];
        int n = epoll_wait(fd, gone, HANGUP_BATCH, 0);

        (void)source;
        (void)events;
        (void)userdata;
        for (int i = 0; i < n; i++)
                take_hangup(gone[i].data.ptr);
        return 0;
}

void exchange_suspend(struct exchange *exchange) {
        if (!exchange->hangup_watched || exchange->half_closed)
                exchange->broken = true;
        assert(!exchange->suspended);
        exchange->suspended = true;
        MHD_suspend_connection(exchange->connection);
        if (exchange->broken)
                exchange_resume(exchange);
}

/* The library's callbacks. */

struct exchange *exchange_of(struct MHD_Connection *connection) {
        return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context, enum MHD_ConnectionNotificationCode code) {
        struct http *http = cls;
        struct exchange *exchange = *socket_context;

        if (code == MHD_CONNECTION_NOTIFY_STARTED) {
                acceptor_joined(http->acceptor);
                exchange = calloc(1, sizeof(*exchange));
                if (!exchange)
                        return; /* refused together with the first request */
                exchange->http = http;
                exchange->connection = connection;
                exchange->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
                deadlines_join(&http->deadlines, &exchange->deadline, TIMEOUT_REQUEST);
                exchange->hangup_watched = watch_hangup(exchange);
                *socket_context = exchange;
                return;
        }
        acceptor_left(http->acceptor);
        if (!exchange)
                return;
        exchange_keep_nothing(exchange);
        unwatch_hangup(exchange);
        deadlines_leave(&http->deadlines, &exchange->deadline);
        free(exchange);
        *socket_context = NULL;
}

/* Life cycle of a listener. */

/* libmicrohttpd closes FD on failure. */
static void http_on_client(void *userdata, int fd, const struct sockaddr *address, socklen_t length) {
        struct http *http = userdata;

        deadlines_update_now(&http->deadlines);
        if (MHD_add_connection(http->daemon, fd, address, length) == MHD_YES)
                http_run_soon(http);
        else
                acceptor_settled(http->acceptor);
}

/*
 * The acceptor counts the clients, so there is no limit here. Without MHD_OPTION_STRICT_FOR_CLIENT, since libmicrohttpd 0.9.75 answers a
 * request without a Host twice; the exchange detects it.
 */
static int http_start_daemon(struct http *http) {
        const union MHD_DaemonInfo *info;
        int r;

        http->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
                                        exchange_on_access, http,
                                        MHD_OPTION_CONNECTION_LIMIT, UINT_MAX,
                                        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
                                        MHD_OPTION_URI_LOG_CALLBACK, exchange_on_url, http,
                                        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
                                        MHD_OPTION_NOTIFY_COMPLETED, exchange_on_completed, http,
                                        MHD_OPTION_END);
        if (!http->daemon)
                return error_from_errno();
        info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        if (!info)
                return -EIO;
        r = sd_event_add_io(http->event, &http->epoll_source, info->epoll_fd, EPOLLIN, http_on_epoll, http);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(http->epoll_source, "http");
        return 0;
}

static int http_add_sources(struct http *http) {
        int r;

        r = sd_event_add_defer(http->event, &http->run_source, http_on_run, http);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(http->run_source, "http-run");
        r = sd_event_source_set_enabled(http->run_source, SD_EVENT_OFF);
        if (r >= 0)
                r = timer_init(&http->later, http->event, CLOCK_MONOTONIC, 1, "http-later", http_on_later, http);
        if (r < 0)
                return r;
        http->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
        if (http->hangup_fd < 0)
                return error_from_errno();
        r = sd_event_add_io(http->event, &http->hangup_source, http->hangup_fd, EPOLLIN, http_on_hangup, http);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(http->hangup_source, "http-hangup");
        return deadlines_init(&http->deadlines, http->event, timeout_usec, _TIMEOUT_MAX, on_expired);
}

int http_new(sd_event *event, struct acceptors *acceptors, int listen_fd, enum descriptor_use use, const struct http_handler *handler,
             struct http **ret_http) {
        struct http *http = calloc(1, sizeof(*http));
        int r;

        if (!http) {
                close_fd(&listen_fd);
                return -ENOMEM;
        }
        http->event = sd_event_ref(event);
        http->hangup_fd = -1;
        http->handler = *handler;
        r = refusal_find_library();
        if (r >= 0)
                r = http_add_sources(http);
        if (r >= 0)
                r = http_start_daemon(http);
        if (r < 0)
                close_fd(&listen_fd);
        else
                r = acceptor_new(acceptors, listen_fd, use, UINT_MAX, &(struct acceptor_handler){.take = http_on_client, .userdata = http},
                                 &http->acceptor);
        if (r < 0) {
                http_free(http);
                return r;
        }
        *ret_http = http;
        return 0;
}

void http_quiesce(struct http *http) {
        acceptor_stop(http->acceptor);
        http->quiesced = true;
}

/* The library aborts the process if it is stopped with a suspended connection. */
static void break_suspended(struct http *http) {
        struct deadline *d;

        TAILQ_FOREACH(d, &http->deadlines.members[TIMEOUT_NONE], link) {
                struct exchange *exchange = container_of(d, struct exchange, deadline);

                exchange->broken = true;
                exchange_resume(exchange);
        }
}

static void http_run_to_end(struct http *http) {
        http->run_until_usec = USEC_INFINITY;
        resume_postponed(http, UINT_MAX);
        for (unsigned i = 0; i < LAST_RUNS_MAX; i++) {
                http_run_once(http);
                if (!has_more_to_do(http))
                        return;
        }
}

/* Waits for the requests of clients that were accepted and have sent none yet. */
static void await_requests(struct http *http) {
        struct pollfd fd = {.fd = sd_event_source_get_io_fd(http->epoll_source), .events = POLLIN};
        uint64_t before = clock_boot_usec(), waited = 0, now;

        for (; !TAILQ_EMPTY(&http->deadlines.members[TIMEOUT_REQUEST]) && waited < LAST_REQUEST_USEC; before = now) {
                (void)poll(&fd, 1, LAST_LOOK_USEC / USEC_PER_MSEC);
                http_run_to_end(http);
                now = clock_boot_usec();
                waited += MIN(now - before, LAST_LOOK_USEC);
        }
}

struct http *http_free(struct http *http) {
        if (!http)
                return NULL;
        if (http->acceptor) {
                deadlines_update_now(&http->deadlines);
                acceptor_take_waiting(http->acceptor);
                http_run_to_end(http);
                if (http->quiesced)
                        await_requests(http);
                break_suspended(http);
                http_run_to_end(http);
        }
        sd_event_source_disable_unref(http->epoll_source);
        MHD_stop_daemon(http->daemon);
        sd_event_source_disable_unref(http->run_source);
        timer_deinit(&http->later);
        sd_event_source_disable_unref(http->hangup_source);
        close_fd(&http->hangup_fd);
        acceptor_free(http->acceptor);
        deadlines_deinit(&http->deadlines);
        sd_event_unref(http->event);
        free(http);
        return NULL;
}

unsigned http_connections(const struct http *http) {
        return acceptor_clients(http->acceptor);
}
