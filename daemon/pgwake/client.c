#include "pgwake/client.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/error.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

/* The daemon's answers have fewer; a server that sends headers without end is not the daemon. */
#define HEADERS_MAX (64 * 1024)
/* CURLE_TOO_LARGE of libcurl 8.6; older versions report a line that is too long as out of memory. */
#define CODE_TOO_LARGE 100

struct client {
        CURLM *multi;
        char *socket_path;
        size_t n_timed; /* the number of running exchanges with a timeout */
        bool news;
};

/* libcurl makes a pair of sockets to wake itself, which a program that we start would inherit. They get the two lowest free descriptors. */
static CURLM *client_new_multi(void) {
        int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC), next = open("/dev/null", O_RDONLY | O_CLOEXEC);
        int pair[] = {lowest, next};
        CURLM *multi;

        close_fd(&lowest);
        close_fd(&next);
        multi = curl_multi_init();
        for (size_t i = 0; i < ARRAY_LENGTH(pair); i++)
                if (pair[i] >= 0)
                        (void)fcntl(pair[i], F_SETFD, FD_CLOEXEC);
        return multi;
}

int client_new(const char *socket_path, struct client **ret_client) {
        struct client *client = calloc(1, sizeof(*client));

        if (!client)
                return -ENOMEM;
        /* Neither TLS nor Windows sockets are needed: the start is faster without. */
        if (curl_global_init(CURL_GLOBAL_NOTHING) == CURLE_OK)
                client->multi = client_new_multi();
        client->socket_path = strdup(socket_path);
        if (!client->multi || !client->socket_path) {
                client_free(client);
                return -ENOMEM;
        }
        *ret_client = client;
        return 0;
}

struct client *client_free(struct client *client) {
        if (!client)
                return NULL;
        if (client->multi)
                curl_multi_cleanup(client->multi);
        free(client->socket_path);
        free(client);
        curl_global_cleanup();
        return NULL;
}

const char *client_socket(const struct client *client) {
        return client->socket_path;
}

_printf_(3, 4) static void client_fail(struct exchange *exchange, int error, const char *format, ...) {
        va_list arguments;

        if (exchange->error < 0)
                return;
        exchange->error = error;
        va_start(arguments, format);
        (void)vsnprintf(exchange->problem, sizeof(exchange->problem), format, arguments);
        va_end(arguments);
}

/* An empty line ends the head of an answer. */
static size_t client_on_header(char *data, size_t size, size_t n, void *userdata) {
        struct exchange *exchange = userdata;
        long status = 0;

        size *= n;
        exchange->header_bytes += size;
        if (exchange->header_bytes > HEADERS_MAX) {
                client_fail(exchange, -EMSGSIZE, "sent more than 64 KiB of headers");
                return 0;
        }
        if (size > 2 || (size > 0 && data[0] != '\r' && data[0] != '\n'))
                return size;
        (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
        if (status >= 200) {
                exchange->status = (int)status;
                exchange->began = true;
                exchange->client->news = true;
        }
        return size;
}

static size_t client_on_stream(struct exchange *exchange, const char *data, size_t size) {
        char *type = NULL;

        (void)curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_TYPE, &type);
        if (!type || strncasecmp(type, "text/event-stream", strlen("text/event-stream")) != 0) {
                client_fail(exchange, -EBADMSG, "answered something that is no event stream");
                return 0;
        }
        exchange->client->news = true;
        if (exchange->request.receive(exchange->request.userdata, data, size) < 0) {
                client_fail(exchange, -EBADMSG, "sent an event that is not understood");
                return 0;
        }
        return size;
}

static size_t client_on_body(char *data, size_t size, size_t n, void *userdata) {
        struct exchange *exchange = userdata;

        size *= n;
        if (exchange->request.receive && exchange->status == 200)
                return client_on_stream(exchange, data, size);
        if (size > CLIENT_ANSWER_MAX - exchange->body.size) {
                client_fail(exchange, -EMSGSIZE, "answered more than 64 MiB");
                return 0;
        }
        buffer_append(&exchange->body, data, size);
        return buffer_finish(&exchange->body) < 0 ? 0 : size;
}

/* A program that we start must not keep our connections open: the daemon would not notice our end. */
static curl_socket_t client_open_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address) {
        (void)userdata;
        (void)purpose;
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* UNIX socket only, HTTP/1.1 only, no proxy from the environment, no redirect, no signal handler. */
static CURLcode client_set_options(struct exchange *exchange) {
        const struct request *request = &exchange->request;
        CURL *easy = exchange->easy;
        CURLcode code = CURLE_OK;

#define SET(option, value)                                       \
        do {                                                     \
                if (code == CURLE_OK)                            \
                        code = curl_easy_setopt(easy, option, value); \
        } while (0)
        SET(CURLOPT_UNIX_SOCKET_PATH, exchange->client->socket_path);
        SET(CURLOPT_OPENSOCKETFUNCTION, client_open_socket);
        SET(CURLOPT_URL, "http://localhost");
        SET(CURLOPT_REQUEST_TARGET, request->path);
        SET(CURLOPT_PROTOCOLS_STR, "http");
        SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        SET(CURLOPT_PROXY, "");
        SET(CURLOPT_NOSIGNAL, 1L);
        SET(CURLOPT_USERAGENT, "pgwake/" PACKAGE_VERSION);
        SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(CLIENT_ANSWER_USEC / USEC_PER_MSEC));
        if (request->timeout_usec != USEC_INFINITY)
                SET(CURLOPT_TIMEOUT_MS, (long)(request->timeout_usec / USEC_PER_MSEC + 1));
        if (request->method == REQUEST_POST) {
                SET(CURLOPT_POST, 1L);
                SET(CURLOPT_POSTFIELDSIZE, 0L);
                SET(CURLOPT_POSTFIELDS, "");
        } else if (request->method == REQUEST_DELETE)
                SET(CURLOPT_CUSTOMREQUEST, "DELETE");
        if (exchange->headers)
                SET(CURLOPT_HTTPHEADER, exchange->headers);
        SET(CURLOPT_HEADERFUNCTION, client_on_header);
        SET(CURLOPT_HEADERDATA, exchange);
        SET(CURLOPT_WRITEFUNCTION, client_on_body);
        SET(CURLOPT_WRITEDATA, exchange);
        SET(CURLOPT_PRIVATE, exchange);
#undef SET
        return code;
}

static int client_add_header(struct exchange *exchange, const char *name, const char *value) {
        char line[256];
        void *headers;

        if (snprintf(line, sizeof(line), "%s: %s", name, value) >= (int)sizeof(line))
                return -EINVAL;
        headers = curl_slist_append(exchange->headers, line);
        if (!headers)
                return -ENOMEM;
        exchange->headers = headers;
        return 0;
}

int client_start(struct client *client, const struct request *request, struct exchange **ret_exchange) {
        _cleanup_(exchange_freep) struct exchange *exchange = calloc(1, sizeof(*exchange));
        int r;

        if (!exchange)
                return -ENOMEM;
        exchange->client = client;
        exchange->request = *request;
        exchange->easy = curl_easy_init();
        if (!exchange->easy)
                return -ENOMEM;
        r = client_add_header(exchange, "Accept", request->receive ? "text/event-stream" : "application/json");
        if (r == 0 && request->last_event_id)
                r = client_add_header(exchange, "Last-Event-ID", request->last_event_id);
        if (r < 0)
                return r;
        if (client_set_options(exchange) != CURLE_OK)
                return -EINVAL;
        /* libcurl copies the path. */
        exchange->request.path = exchange->request.last_event_id = NULL;
        if (curl_multi_add_handle(client->multi, exchange->easy) != CURLM_OK)
                return -ENOMEM;
        exchange->timed = request->timeout_usec != USEC_INFINITY;
        client->n_timed += exchange->timed;
        *ret_exchange = steal_pointer(&exchange);
        return 0;
}

static void client_stop_timing(struct exchange *exchange) {
        exchange->client->n_timed -= exchange->timed;
        exchange->timed = false;
}

struct exchange *exchange_free(struct exchange *exchange) {
        if (!exchange)
                return NULL;
        client_stop_timing(exchange);
        if (exchange->easy) {
                (void)curl_multi_remove_handle(exchange->client->multi, exchange->easy);
                curl_easy_cleanup(exchange->easy);
        }
        curl_slist_free_all(exchange->headers);
        buffer_deinit(&exchange->body);
        free(exchange);
        return NULL;
}

static int client_os_error(CURL *easy) {
        long error = 0;

        (void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
        return (int)error;
}

/* Translates libcurl's result for people. */
static void client_fail_from_code(struct exchange *exchange, CURLcode code) {
        int error = client_os_error(exchange->easy);
        char span[DURATION_MAX];

        if (code == CURLE_COULDNT_CONNECT)
                client_fail(exchange, error > 0 ? -error : -ECONNREFUSED, "cannot be reached: %s",
                            strerror(error > 0 ? error : ECONNREFUSED));
        else if (code == CURLE_OPERATION_TIMEDOUT)
                client_fail(exchange, -ETIMEDOUT, "did not answer within %s", duration_format_human(span, exchange->request.timeout_usec));
        else if ((code == CURLE_OUT_OF_MEMORY && !exchange->began) || code == CODE_TOO_LARGE)
                client_fail(exchange, -EMSGSIZE, "sent a status or header line without end (or memory is short)");
        else if (code == CURLE_OUT_OF_MEMORY)
                client_fail(exchange, -ENOMEM, "%s", curl_easy_strerror(code));
        else if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_BAD_CONTENT_ENCODING)
                client_fail(exchange, -EBADMSG, "does not speak HTTP as expected");
        else
                client_fail(exchange, -ECONNRESET, "ended the connection before its answer was whole");
}

static void client_take_finished(struct client *client) {
        CURLMsg *message;
        int left;

        while ((message = curl_multi_info_read(client->multi, &left))) {
                struct exchange *exchange = NULL;
                CURLcode code = message->data.result;

                if (message->msg != CURLMSG_DONE)
                        continue;
                (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
                exchange->connected = code != CURLE_COULDNT_CONNECT;
                if (code != CURLE_OK)
                        client_fail_from_code(exchange, code);
                else if (!exchange->began)
                        client_fail(exchange, -EBADMSG, "does not speak HTTP as expected");
                client_stop_timing(exchange);
                exchange->done = true;
                client->news = true;
        }
}

static int client_perform(struct client *client) {
        int running;

        if (curl_multi_perform(client->multi, &running) != CURLM_OK)
                return -EIO;
        client_take_finished(client);
        return 0;
}

/*
 * The time to wait in libcurl's unit, rounded up so that the time has passed afterwards. It is short while an exchange has a timeout:
 * libcurl (seen with 7.88) sometimes wakes slightly before a timeout, finds it not due, and does not set its timer again; it checks at each
 * call.
 */
static int client_milliseconds(const struct client *client, uint64_t until_boot_usec) {
        uint64_t left = usec_sub(until_boot_usec, clock_boot_usec()), most = client->n_timed ? USEC_PER_SEC / 2 : USEC_PER_MINUTE;

        return (int)((MIN(left, most) + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
}

int client_turn(struct client *client, uint64_t until_boot_usec, const struct pollfd *fds, size_t n) {
        struct curl_waitfd extra[4] = {0};
        int r, ready = 0;

        if (n > ARRAY_LENGTH(extra))
                return -EINVAL;
        client->news = false;
        r = client_perform(client);
        while (r == 0 && !client->news) {
                for (size_t i = 0; i < n; i++)
                        extra[i] = (struct curl_waitfd){.fd = fds[i].fd, .events = fds[i].events & POLLIN ? CURL_WAIT_POLLIN : 0};
                if (curl_multi_poll(client->multi, extra, (unsigned)n, client_milliseconds(client, until_boot_usec), &ready) != CURLM_OK)
                        return -EIO;
                r = client_perform(client);
                /* With the caller's descriptors, any event may be one of theirs. */
                if ((n > 0 && ready > 0) || clock_boot_usec() >= until_boot_usec)
                        break;
        }
        return r;
}

static void client_append_escaped(struct buffer *path, const char *text) {
        char *escaped = curl_easy_escape(NULL, text, 0);

        buffer_append_string(path, escaped ? escaped : "");
        path->failed = path->failed || !escaped;
        curl_free(escaped);
}

char *client_path(const char *prefix, const char *name, const struct parameter *parameters) {
        struct buffer path = {0};
        char separator = '?';

        buffer_append_string(&path, prefix);
        if (name) {
                buffer_append(&path, "/", 1);
                client_append_escaped(&path, name);
        }
        for (; parameters && parameters->name; parameters++) {
                if (!parameters->value)
                        continue;
                buffer_printf(&path, "%c%s=", separator, parameters->name);
                client_append_escaped(&path, parameters->value);
                separator = '&';
        }
        return buffer_steal(&path);
}
