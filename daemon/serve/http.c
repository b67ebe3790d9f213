#include "serve/http.h"

#include "base/clock.h"
#include "base/error.h"
#include "serve/deadlines.h"
#include "serve/url.h"

#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* libmicrohttpd's own inactivity timeout is off: a client that drips a byte at a time never meets it. These are absolute. */
enum patience {
        PATIENCE_REQUEST, /* from the connection, later from the request line, to the whole request */
        PATIENCE_IDLE,    /* between two requests, the next request line included */
        PATIENCE_ANSWER,  /* until an answer of known end is out */
        PATIENCE_ENDLESS, /* held and streaming: the client's leaving is seen from its socket */
        _PATIENCE_MAX,
};

static const uint64_t patience_usec[_PATIENCE_MAX] = {
        [PATIENCE_REQUEST] = 10 * USEC_PER_SEC,
        [PATIENCE_IDLE] = 75 * USEC_PER_SEC,
        [PATIENCE_ANSWER] = 60 * USEC_PER_SEC,
        [PATIENCE_ENDLESS] = USEC_INFINITY,
};

#define CONNECTION_MEMORY ((size_t)16 * 1024)
#define BLOCK_SIZE 4096
#define BODY_SWALLOWED_MAX ((size_t)8 * 1024 * 1024)
/* libmicrohttpd's runs in one callback, before other sources of the loop get their turn. */
#define RUNS_MAX 4
/*
 * At the end, for the request of a client that has just connected: nobody was refused, so nobody should be cut off. Looked for every
 * LAST_LOOK_USEC; what a look comes late is the machine's slowness, which the client shares, and does not count.
 */
#define LAST_REQUEST_USEC (100 * USEC_PER_MSEC)
#define LAST_LOOK_USEC (2 * USEC_PER_MSEC)
/* At the end: enough for every answer that its client reads at once. */
#define LAST_RUNS_MAX 256

struct exchange {
        struct http *http;
        struct MHD_Connection *connection;
        int fd;

        struct deadline deadline;

        enum fault fault;
        enum method method;
        bool is_head;
        const char *path;
        size_t path_offset; /* in the URL */
        const char *host;
        size_t host_length;
        const char *url_end; /* where the URL ended as it came */
        size_t swallowed;
        bool first_call_done;
        bool said_all;  /* the client sends nothing more */
        bool suspended; /* held, or a stream that waits */
        bool broken;    /* the client left, or memory is missing: close */

        sd_event_source *leaving;
        void (*left)(void *userdata);
        void *left_userdata;
        struct stream stream;
};

struct http {
        sd_event *event;
        struct MHD_Daemon *daemon;
        struct http_handler handler;
        sd_event_source *epoll_source;
        sd_event_source *kick_source;
        struct deadlines deadlines; /* of enum patience */
        unsigned n_connections;
        int quiesced_fd; /* the listening socket, when the library gave it back; -1 */
};

struct canned {
        struct MHD_Response *response;
        unsigned status;
};

static void set_patience(struct exchange *exchange, enum patience patience) {
        deadlines_change(&exchange->http->deadlines, &exchange->deadline, patience);
}

/* The connection ends by the shut socket. */
static void on_expired(struct deadline *deadline) {
        exchange_drop(container_of(deadline, struct exchange, deadline));
}

/* Running libmicrohttpd. */

static bool has_more_to_do(struct http *http) {
        MHD_UNSIGNED_LONG_LONG msec;

        return MHD_get_timeout(http->daemon, &msec) == MHD_YES && msec == 0;
}

/* Resumed connections and what is half done need another run that no socket asks for. */
static void kick(struct http *http) {
        (void)sd_event_source_set_priority(http->kick_source, SD_EVENT_PRIORITY_NORMAL);
        (void)sd_event_source_set_enabled(http->kick_source, SD_EVENT_ONESHOT);
}

/*
 * Once more, when everybody else had a turn. Of sources of one priority sd-event takes the one that is pending for longest, and a deferred
 * one counts as pending since it was made: a client that reads a long answer as fast as it comes would keep the loop to itself.
 */
static void kick_later(struct http *http) {
        (void)sd_event_source_set_priority(http->kick_source, SD_EVENT_PRIORITY_NORMAL + 1);
        (void)sd_event_source_set_enabled(http->kick_source, SD_EVENT_ONESHOT);
}

static void run(struct http *http) {
        deadlines_update_now(&http->deadlines);
        for (unsigned i = 0; i < RUNS_MAX; i++) {
                unsigned before = http->n_connections;

                (void)MHD_run(http->daemon);
                /* At the limit the listener stays out of the epoll set until the run after the one in which a client went. */
                if (http->n_connections >= before && !has_more_to_do(http))
                        return;
        }
        kick_later(http);
}

static int on_epoll(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        (void)source;
        (void)fd;
        (void)events;
        run(userdata);
        return 0;
}

static int on_kick(sd_event_source *source, void *userdata) {
        (void)source;
        run(userdata);
        return 0;
}

/*
 * The client's leaving is watched for beside libmicrohttpd: of a suspended connection it sees nothing; and of others it misses the end when
 * that came together with the last bytes. It watches edges, and stops reading when it got fewer bytes than it had room for; no other edge
 * would ever come. Shutting down what is shut anyhow makes one, and loses nothing that was received.
 */

static void resume(struct exchange *exchange) {
        if (!exchange->suspended)
                return;
        exchange->suspended = false;
        MHD_resume_connection(exchange->connection);
        kick(exchange->http);
}

static int on_leaving(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct exchange *exchange = userdata;

        (void)fd;
        (void)events;
        if (!exchange->suspended && !exchange->said_all) {
                /* Once more, when everything that has come was read. */
                exchange->said_all = true;
                kick(exchange->http);
                return 0;
        }
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        exchange->said_all = true;
        if (exchange->suspended) {
                exchange->broken = true;
                resume(exchange);
        } else
                (void)shutdown(exchange->fd, SHUT_RD);
        return 0;
}

static void suspend(struct exchange *exchange) {
        if (!exchange->leaving || exchange->said_all)
                exchange->broken = true;
        exchange->suspended = true;
        MHD_suspend_connection(exchange->connection);
        if (exchange->broken)
                resume(exchange);
}

/* The library's callbacks. */

static struct exchange *exchange_of(struct MHD_Connection *connection) {
        return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context, enum MHD_ConnectionNotificationCode code) {
        struct http *http = cls;
        struct exchange *exchange = *socket_context;

        if (code == MHD_CONNECTION_NOTIFY_STARTED) {
                http->n_connections++;
                exchange = calloc(1, sizeof(*exchange));
                if (!exchange)
                        return; /* refused with the first request */
                exchange->http = http;
                exchange->connection = connection;
                exchange->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
                deadlines_join(&http->deadlines, &exchange->deadline, PATIENCE_REQUEST);
                (void)sd_event_add_io(http->event, &exchange->leaving, exchange->fd, EPOLLRDHUP, on_leaving, exchange);
                *socket_context = exchange;
                return;
        }
        http->n_connections--;
        if (!exchange)
                return;
        sd_event_source_disable_unref(exchange->leaving);
        deadlines_leave(&http->deadlines, &exchange->deadline);
        free(exchange);
        *socket_context = NULL;
}

static void *on_url(void *cls, const char *url, struct MHD_Connection *connection) {
        struct exchange *exchange = exchange_of(connection);

        (void)cls;
        if (!exchange)
                return NULL;
        /* The first request's time counts from the connection. */
        if (exchange->deadline.class != PATIENCE_REQUEST)
                set_patience(exchange, PATIENCE_REQUEST);
        exchange->fault = url && url_is_plain(url) ? FAULT_NONE : FAULT_URL;
        exchange->path_offset = url ? url_path_offset(url) : 0;
        exchange->url_end = url ? url + strlen(url) : NULL;
        exchange->swallowed = 0;
        exchange->first_call_done = false;
        return exchange;
}

/* A raw NUL in the request line ends the URL early as well: the version stands behind the URL in the same memory, one byte on. */
static bool url_was_cut(const struct exchange *exchange, const char *version) {
        uintptr_t end = (uintptr_t)exchange->url_end, behind = (uintptr_t)version;

        return behind > end + 1 && behind - end < CONNECTION_MEMORY;
}

static enum method method_from_text(const char *text) {
        return streq(text, MHD_HTTP_METHOD_GET) || streq(text, MHD_HTTP_METHOD_HEAD) ? METHOD_GET
                : streq(text, MHD_HTTP_METHOD_POST)                                 ? METHOD_POST
                : streq(text, MHD_HTTP_METHOD_DELETE)                               ? METHOD_DELETE
                                                                                    : METHOD_OTHER;
}

static enum MHD_Result swallow_body(struct exchange *exchange, size_t *size) {
        exchange->fault = exchange->fault == FAULT_NONE ? FAULT_BODY : exchange->fault;
        exchange->swallowed += *size;
        *size = 0;
        return exchange->swallowed > BODY_SWALLOWED_MAX ? MHD_NO : MHD_YES;
}

struct host_walk {
        const char *host;
        unsigned n;
};

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value) {
        struct host_walk *walk = cls;

        (void)kind;
        if (strcasecmp(name, MHD_HTTP_HEADER_HOST) != 0)
                return MHD_YES;
        walk->host = value ? value : "";
        walk->n++;
        return MHD_YES;
}

/* RFC 9112, 3.2.2 and 3.3: a host in the URL is the one that counts, and is copied from the header by a client that means no harm. */
static void read_host(struct exchange *exchange, const char *url, const char *version) {
        struct host_walk walk = {0};

        (void)MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, on_header, &walk);
        exchange->host = walk.host;
        exchange->host_length = walk.host ? strlen(walk.host) : 0;
        if (walk.n > 1 || (walk.n == 0 && !streq(version, MHD_HTTP_VERSION_1_0)))
                exchange->fault = FAULT_HOST;
        if (exchange->path_offset == 0)
                return;
        exchange->host = url + strlen(URL_SCHEME);
        exchange->host_length = exchange->path_offset - strlen(URL_SCHEME);
}

/* The offset counts in the URL as it came; what stands before it is the same when the percent-encoding is undone. */
static const char *path_of(const struct exchange *exchange, const char *url) {
        const char *path = url + exchange->path_offset;

        return exchange->path_offset > 0 && !*path ? "/" : path;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                 const char *upload, size_t *upload_size, void **request_context) {
        struct http *http = cls;
        struct exchange *exchange = *request_context;

        (void)connection;
        (void)upload;
        if (!exchange || exchange->broken)
                return MHD_NO;
        if (!exchange->first_call_done) {
                /* An answer before the request is whole costs the connection. */
                exchange->first_call_done = true;
                return MHD_YES;
        }
        if (*upload_size > 0)
                return swallow_body(exchange, upload_size);
        exchange->method = method_from_text(method);
        exchange->is_head = streq(method, MHD_HTTP_METHOD_HEAD);
        exchange->path = path_of(exchange, url);
        read_host(exchange, url, version);
        if (url_was_cut(exchange, version))
                exchange->fault = FAULT_URL;
        set_patience(exchange, PATIENCE_ANSWER);
        http->handler.request(http->handler.userdata, exchange);
        return exchange->broken ? MHD_NO : MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **request_context, enum MHD_RequestTerminationCode code) {
        struct exchange *exchange = *request_context;
        void (*left)(void *userdata);

        (void)cls;
        (void)connection;
        (void)code;
        if (!exchange)
                return;
        left = exchange->left;
        exchange->left = NULL;
        exchange->broken = false;
        set_patience(exchange, PATIENCE_IDLE);
        *request_context = NULL;
        if (left)
                left(exchange->left_userdata);
}

/* Life of a listener. */

/* Not MHD_OPTION_STRICT_FOR_CLIENT: libmicrohttpd 0.9.75 answers a request without a Host twice. read_host() finds it. */
static int start_daemon(struct http *http, int listen_fd, unsigned connections_max) {
        const union MHD_DaemonInfo *info;
        int r;

        http->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access, http,
                                        MHD_OPTION_LISTEN_SOCKET, listen_fd,
                                        MHD_OPTION_CONNECTION_LIMIT, connections_max,
                                        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
                                        MHD_OPTION_URI_LOG_CALLBACK, on_url, http,
                                        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
                                        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
                                        MHD_OPTION_END);
        if (!http->daemon)
                return error_from_errno();
        info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        if (!info)
                return -EIO;
        r = sd_event_add_io(http->event, &http->epoll_source, info->epoll_fd, EPOLLIN, on_epoll, http);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(http->epoll_source, "http");
        /* The listener enters the epoll set with the first run. */
        kick(http);
        return 0;
}

static int add_sources(struct http *http) {
        int r;

        r = sd_event_add_defer(http->event, &http->kick_source, on_kick, http);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(http->kick_source, "http-kick");
        r = sd_event_source_set_enabled(http->kick_source, SD_EVENT_OFF);
        if (r < 0)
                return r;
        return deadlines_init(&http->deadlines, http->event, patience_usec, _PATIENCE_MAX, on_expired);
}

int http_new(sd_event *event, int listen_fd, unsigned connections_max, const struct http_handler *handler, struct http **ret_http) {
        struct http *http = calloc(1, sizeof(*http));
        int r;

        if (!http) {
                close_fd(&listen_fd);
                return -ENOMEM;
        }
        http->event = sd_event_ref(event);
        http->handler = *handler;
        http->quiesced_fd = -1;
        r = add_sources(http);
        if (r >= 0)
                r = start_daemon(http, listen_fd, connections_max);
        if (r < 0) {
                /* A daemon that was started closes it. */
                if (!http->daemon)
                        close_fd(&listen_fd);
                http_free(http);
                return r;
        }
        *ret_http = http;
        return 0;
}

void http_quiesce(struct http *http) {
        MHD_socket fd = MHD_quiesce_daemon(http->daemon);

        if (fd != MHD_INVALID_SOCKET)
                http->quiesced_fd = fd;
}

/* The library aborts the process when it is stopped with a suspended connection. */
static void break_suspended(struct http *http) {
        for (struct deadline *d = http->deadlines.first[PATIENCE_ENDLESS]; d; d = d->next) {
                struct exchange *exchange = container_of(d, struct exchange, deadline);

                exchange->broken = true;
                resume(exchange);
        }
}

static void run_out(struct http *http) {
        for (unsigned i = 0; i < LAST_RUNS_MAX; i++) {
                (void)MHD_run(http->daemon);
                if (!has_more_to_do(http))
                        return;
        }
}

/* Those that are taken and have not asked yet. */
static void await_requests(struct http *http) {
        struct pollfd fd = {.fd = sd_event_source_get_io_fd(http->epoll_source), .events = POLLIN};
        uint64_t before = clock_boot_usec(), waited = 0, now;

        for (; http->deadlines.first[PATIENCE_REQUEST] && waited < LAST_REQUEST_USEC; before = now) {
                (void)poll(&fd, 1, LAST_LOOK_USEC / USEC_PER_MSEC);
                run_out(http);
                now = clock_boot_usec();
                waited += MIN(now - before, LAST_LOOK_USEC);
        }
}

struct http *http_free(struct http *http) {
        if (!http)
                return NULL;
        if (http->daemon) {
                deadlines_update_now(&http->deadlines);
                run_out(http);
                if (http->quiesced_fd >= 0)
                        await_requests(http);
                break_suspended(http);
                run_out(http);
                http->epoll_source = sd_event_source_disable_unref(http->epoll_source);
                MHD_stop_daemon(http->daemon);
        }
        sd_event_source_disable_unref(http->epoll_source);
        sd_event_source_disable_unref(http->kick_source);
        deadlines_deinit(&http->deadlines);
        close_fd(&http->quiesced_fd);
        sd_event_unref(http->event);
        free(http);
        return NULL;
}

unsigned http_connections(const struct http *http) {
        return http->n_connections;
}

/* The request. */

enum fault exchange_fault(const struct exchange *exchange) {
        return exchange->fault;
}

enum method exchange_method(const struct exchange *exchange) {
        return exchange->method;
}

const char *exchange_path(const struct exchange *exchange) {
        return exchange->path;
}

const char *exchange_host(const struct exchange *exchange, size_t *ret_length) {
        *ret_length = exchange->host_length;
        return exchange->host;
}

const char *exchange_header(const struct exchange *exchange, const char *name) {
        return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

struct argument_walk {
        bool (*take)(void *userdata, const char *name, const char *value);
        void *userdata;
};

static enum MHD_Result on_argument(void *cls, enum MHD_ValueKind kind, const char *name, const char *value) {
        struct argument_walk *walk = cls;

        (void)kind;
        return walk->take(walk->userdata, name, value) ? MHD_YES : MHD_NO;
}

void exchange_each_argument(const struct exchange *exchange, bool (*take)(void *userdata, const char *name, const char *value),
                            void *userdata) {
        struct argument_walk walk = {.take = take, .userdata = userdata};

        (void)MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, on_argument, &walk);
}

/* The answer. */

static bool add_header(struct MHD_Response *response, const char *name, const char *value) {
        return MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool add_others(struct MHD_Response *response, const struct header *header) {
        for (; header && header->name; header++)
                if (!add_header(response, header->name, header->value))
                        return false;
        return true;
}

static bool add_headers(struct MHD_Response *response, const struct reply *reply) {
        char seconds[16];

        (void)snprintf(seconds, sizeof(seconds), "%u", reply->retry_after_sec);
        return add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type ? reply->content_type : "application/json") &&
                add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, reply->cache_control ? reply->cache_control : "no-store") &&
                add_header(response, "X-Content-Type-Options", "nosniff") &&
                (reply->retry_after_sec == 0 || add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds)) &&
                (!reply->allow || add_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow)) && add_others(response, reply->headers);
}

static struct MHD_Response *make_response(const struct reply *reply) {
        struct MHD_Response *response;

        if (buffer_finish(reply->body) < 0)
                return NULL;
        response = MHD_create_response_from_buffer(reply->body->size, reply->body->data, MHD_RESPMEM_MUST_COPY);
        if (!response || add_headers(response, reply))
                return response;
        MHD_destroy_response(response);
        return NULL;
}

static void send_response(struct exchange *exchange, unsigned status, struct MHD_Response *response, enum patience patience) {
        exchange->left = NULL;
        if (!response || MHD_queue_response(exchange->connection, status, response) != MHD_YES)
                exchange->broken = true;
        if (exchange->suspended)
                deadlines_update_now(&exchange->http->deadlines);
        if (exchange->deadline.class != patience)
                set_patience(exchange, patience);
        resume(exchange);
}

void exchange_reply(struct exchange *exchange, const struct reply *reply) {
        struct MHD_Response *response = make_response(reply);

        send_response(exchange, reply->status, response, PATIENCE_ANSWER);
        if (response)
                MHD_destroy_response(response);
}

int canned_new(const struct reply *reply, struct canned **ret_canned) {
        struct canned *canned;

        canned = calloc(1, sizeof(*canned));
        if (!canned)
                return -ENOMEM;
        canned->status = reply->status;
        canned->response = make_response(reply);
        if (!canned->response) {
                free(canned);
                return -ENOMEM;
        }
        *ret_canned = canned;
        return 0;
}

struct canned *canned_free(struct canned *canned) {
        if (!canned)
                return NULL;
        MHD_destroy_response(canned->response);
        free(canned);
        return NULL;
}

void exchange_reply_canned(struct exchange *exchange, const struct canned *canned) {
        send_response(exchange, canned->status, canned->response, PATIENCE_ANSWER);
}

void exchange_hold(struct exchange *exchange, void (*left)(void *userdata), void *userdata) {
        exchange->left = left;
        exchange->left_userdata = userdata;
        set_patience(exchange, PATIENCE_ENDLESS);
        suspend(exchange);
}

static ssize_t on_read(void *cls, uint64_t position, char *buffer, size_t size) {
        struct exchange *exchange = cls;
        ssize_t n;

        (void)position;
        if (exchange->broken)
                return MHD_CONTENT_READER_END_WITH_ERROR;
        n = exchange->stream.read(exchange->stream.userdata, buffer, size);
        if (n > 0)
                return n;
        if (n == STREAM_WAITS) {
                suspend(exchange);
                return 0;
        }
        return n == STREAM_ENDS ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void on_stream_free(void *cls) {
        struct exchange *exchange = cls;
        struct stream stream = exchange->stream;

        exchange->stream = (struct stream){0};
        stream.free(stream.userdata);
}

/*
 * libmicrohttpd 0.9.75 answers HEAD with the end of a chunked body too, which the client takes for the beginning of its next answer. An
 * answer that may have no chunks and has no length ends with the connection.
 */
static bool leave_chunks_out(struct MHD_Response *response) {
        return MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END) == MHD_YES;
}

void exchange_stream(struct exchange *exchange, const struct reply *head, bool endless, const struct stream *stream) {
        bool is_head = exchange->is_head, whole;
        struct MHD_Response *response;

        exchange->stream = *stream;
        /* The block size is only used for HTTP/1.0; else the connection's memory bounds a chunk. */
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, on_read, exchange, on_stream_free);
        if (!response) {
                exchange->broken = true;
                on_stream_free(exchange);
                return;
        }
        whole = add_headers(response, head) && (!is_head || leave_chunks_out(response));
        send_response(exchange, head->status, whole ? response : NULL, endless && !is_head ? PATIENCE_ENDLESS : PATIENCE_ANSWER);
        MHD_destroy_response(response);
}

bool exchange_waits(const struct exchange *exchange) {
        return exchange->suspended && exchange->stream.read;
}

void exchange_continue(struct exchange *exchange) {
        if (exchange_waits(exchange))
                resume(exchange);
}

void exchange_drop(struct exchange *exchange) {
        (void)shutdown(exchange->fd, SHUT_RDWR);
}
