#include "http/exchange.h"

#include "api/answer.h"
#include "base/error.h"
#include "http/http-private.h"
#include "http/url.h"

#include <assert.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

#define BLOCK_SIZE 4096
/*
 * The most that may be kept for clients that have not read it, for all that count together; and the size up to which an answer does not
 * count, so that short answers can always be sent. With 2048 clients, including libmicrohttpd's memory for each, this is less than 64 MB.
 */
#define KEPT_MAX ((size_t)16 * 1024 * 1024)
#define KEPT_FREE ((size_t)4 * 1024)
#define KEPT_RETRY_SEC 5
#define BODY_DISCARDED_MAX ((size_t)8 * 1024 * 1024)

struct prebuilt_reply {
        struct MHD_Response *response;
        unsigned status;
};

/* From the URL to the handler. */

void *exchange_on_url(void *cls, const char *url, struct MHD_Connection *connection) {
        struct exchange *exchange = exchange_of(connection);

        (void)cls;
        if (!exchange)
                return NULL;
        /* The time for the first request began with the connection. */
        if (exchange->deadline.class != TIMEOUT_REQUEST)
                exchange_set_timeout(exchange, TIMEOUT_REQUEST);
        exchange->fault = url && url_is_plain(url) ? FAULT_NONE : FAULT_URL;
        exchange->path_offset = url ? url_path_offset(url) : 0;
        exchange->url_end = url ? url + strlen(url) : NULL;
        exchange->discarded = 0;
        exchange->first_call_done = false;
        return exchange;
}

/* A raw NUL in the request line ends the URL early too: the version follows the URL in the same memory, after one byte. */
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

static enum MHD_Result discard_body(struct exchange *exchange, size_t *size) {
        exchange->fault = exchange->fault == FAULT_NONE ? FAULT_BODY : exchange->fault;
        exchange->discarded += *size;
        *size = 0;
        return exchange->discarded > BODY_DISCARDED_MAX ? MHD_NO : MHD_YES;
}

struct header_walk {
        const char *host;
        unsigned n_hosts, n_lengths;
        bool is_broken;        /* a name that is empty, or has a space in it or after it */
        const char *last;      /* the end of the last value */
};

static enum MHD_Result exchange_on_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value) {
        struct header_walk *walk = cls;

        (void)kind;
        walk->is_broken |= !*name || strpbrk(name, " \t") != NULL;
        if (value)
                walk->last = value + strlen(value);
        walk->n_lengths += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
        if (strcasecmp(name, MHD_HTTP_HEADER_HOST) != 0)
                return MHD_YES;
        walk->host = value ? value : "";
        walk->n_hosts++;
        return MHD_YES;
}

/*
 * libmicrohttpd 0.9.75 takes a field line without a name (":", ": x") for the empty line after the last field, and the rest for another
 * request. It overwrites line ends with zeros in place, so exactly two line ends of one kind lie between the last value and the end of the
 * head. Its 1.0 refuses such a line itself.
 */
static bool head_was_cut(const struct exchange *exchange, const char *method, const char *last) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
        uintptr_t begin = (uintptr_t)method, at = (uintptr_t)last;
        size_t rest;

        if (!starts_with(MHD_get_version(), "0.") || !info || at < begin || at >= begin + info->header_size)
                return false;
        rest = info->header_size - (at - begin);
        return (rest != 2 * strlen("\n") && rest != 2 * strlen("\r\n")) || memcmp(last, (const char[4]){0}, rest) != 0;
}

/*
 * RFC 9112, 3.2.2 and 3.3: a host in the URL has precedence, and an honest client sends the same in the header. 5.1 and 6.3: libmicrohttpd
 * takes the first length, and none from a name followed by a space; a proxy may have taken the other.
 */
static void read_headers(struct exchange *exchange, const char *url, const char *method, const char *version) {
        struct header_walk walk = {.last = version + strlen(version)};

        (void)MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, exchange_on_header, &walk);
        exchange->host = walk.host;
        exchange->host_length = walk.host ? strlen(walk.host) : 0;
        if (walk.n_hosts > 1 || (walk.n_hosts == 0 && !streq(version, MHD_HTTP_VERSION_1_0)))
                exchange->fault = FAULT_HOST;
        if (walk.n_lengths > 1 || walk.is_broken || head_was_cut(exchange, method, walk.last))
                exchange->fault = FAULT_FRAMING;
        if (exchange->path_offset == 0)
                return;
        exchange->host = url + strlen(URL_SCHEME);
        exchange->host_length = exchange->path_offset - strlen(URL_SCHEME);
}

/* The offset is in the URL as received; the part before it is the same after decoding. */
static const char *path_of(const struct exchange *exchange, const char *url) {
        const char *path = url + exchange->path_offset;

        return exchange->path_offset > 0 && !*path ? "/" : path;
}

enum MHD_Result exchange_on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                   const char *upload, size_t *upload_size, void **request_context) {
        struct http *http = cls;
        struct exchange *exchange = *request_context;

        (void)connection;
        (void)upload;
        if (!exchange || exchange->broken)
                return MHD_NO;
        if (!exchange->first_call_done) {
                /* An answer before the request is complete costs the connection. */
                exchange->first_call_done = true;
                return MHD_YES;
        }
        if (*upload_size > 0)
                return discard_body(exchange, upload_size);
        exchange_set_timeout(exchange, TIMEOUT_ANSWER);
        if (exchange_postpone(exchange))
                return MHD_YES;
        exchange->method = method_from_text(method);
        exchange->is_head = streq(method, MHD_HTTP_METHOD_HEAD);
        exchange->path = path_of(exchange, url);
        read_headers(exchange, url, method, version);
        if (url_was_cut(exchange, version) && exchange->fault != FAULT_FRAMING)
                exchange->fault = FAULT_URL;
        http->handler.request(http->handler.userdata, exchange);
        return exchange->broken ? MHD_NO : MHD_YES;
}

void exchange_on_completed(void *cls, struct MHD_Connection *connection, void **request_context, enum MHD_RequestTerminationCode code) {
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
        exchange_keep_nothing(exchange);
        exchange_set_timeout(exchange, TIMEOUT_IDLE);
        *request_context = NULL;
        if (left)
                left(exchange->left_userdata);
}

/* The request. */

void *exchange_owner(const struct exchange *exchange) {
        return exchange->http->handler.userdata;
}

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

static bool response_add_header(struct MHD_Response *response, const char *name, const char *value) {
        return MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool response_add_others(struct MHD_Response *response, const struct header *header) {
        for (; header && header->name; header++)
                if (!response_add_header(response, header->name, header->value))
                        return false;
        return true;
}

static bool response_add_headers(struct MHD_Response *response, const struct reply *reply) {
        const char *type = reply->content_type ? reply->content_type : "application/json";
        const char *cache = reply->cache_control ? reply->cache_control : "no-store";
        char seconds[16];

        (void)snprintf(seconds, sizeof(seconds), "%u", reply->retry_after_sec);
        return response_add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) &&
                response_add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, cache) &&
                response_add_header(response, "X-Content-Type-Options", "nosniff") &&
                (reply->retry_after_sec == 0 || response_add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds)) &&
                (!reply->allow || response_add_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow)) &&
                response_add_others(response, reply->headers);
}

static struct MHD_Response *response_make(const struct reply *reply) {
        struct MHD_Response *response;

        if (buffer_finish(reply->body) < 0)
                return NULL;
        response = MHD_create_response_from_buffer(reply->body->size, reply->body->data, MHD_RESPMEM_MUST_COPY);
        if (!response || response_add_headers(response, reply))
                return response;
        MHD_destroy_response(response);
        return NULL;
}

static void exchange_send(struct exchange *exchange, unsigned status, struct MHD_Response *response, enum timeout timeout) {
        exchange->left = NULL;
        if (!response || !refusal_queue_other(exchange->connection, status, response))
                exchange->broken = true;
        if (exchange->suspended)
                deadlines_update_now(&exchange->http->deadlines);
        if (exchange->deadline.class != timeout)
                exchange_set_timeout(exchange, timeout);
        exchange_resume(exchange);
}

void exchange_keep_nothing(struct exchange *exchange) {
        assert(*exchange->http->handler.kept >= exchange->kept);
        *exchange->http->handler.kept -= exchange->kept;
        exchange->kept = 0;
}

bool exchange_keep(struct exchange *exchange, size_t bytes) {
        size_t *all = exchange->http->handler.kept;

        exchange_keep_nothing(exchange);
        if (bytes <= KEPT_FREE)
                return true;
        if (*all > 0 && *all + bytes > KEPT_MAX)
                return false;
        exchange->kept = bytes;
        *all += bytes;
        return true;
}

static void reply_too_much(struct exchange *exchange) {
        _cleanup_(buffer_deinit) struct buffer body = {0};
        struct json_writer w = {.buffer = &body};
        const struct refusal_answer refusal = {
                "busy", "answers that are not read yet take too much memory; ask again soon"};

        field_write_object(&w, NULL, refusal_fields, &refusal, false);
        exchange_reply(exchange, &(struct reply){.status = 429, .body = &body, .retry_after_sec = KEPT_RETRY_SEC});
}

static void exchange_send_reply(struct exchange *exchange, const struct reply *reply) {
        struct MHD_Response *response = response_make(reply);

        if (response && exchange->fault == FAULT_FRAMING)
                (void)response_add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        exchange_send(exchange, reply->status, response, TIMEOUT_ANSWER);
        if (response)
                MHD_destroy_response(response);
}

void exchange_reply(struct exchange *exchange, const struct reply *reply) {
        assert(!exchange->stream.read);
        if (exchange_keep(exchange, reply->body->size))
                exchange_send_reply(exchange, reply);
        else
                reply_too_much(exchange);
}

int prebuilt_reply_new(const struct reply *reply, struct prebuilt_reply **ret_prebuilt) {
        struct prebuilt_reply *prebuilt;

        prebuilt = calloc(1, sizeof(*prebuilt));
        if (!prebuilt)
                return -ENOMEM;
        prebuilt->status = reply->status;
        prebuilt->response = response_make(reply);
        if (!prebuilt->response) {
                free(prebuilt);
                return -ENOMEM;
        }
        *ret_prebuilt = prebuilt;
        return 0;
}

struct prebuilt_reply *prebuilt_reply_free(struct prebuilt_reply *prebuilt) {
        if (!prebuilt)
                return NULL;
        MHD_destroy_response(prebuilt->response);
        free(prebuilt);
        return NULL;
}

void exchange_reply_prebuilt(struct exchange *exchange, const struct prebuilt_reply *prebuilt) {
        exchange_send(exchange, prebuilt->status, prebuilt->response, TIMEOUT_ANSWER);
}

void exchange_hold(struct exchange *exchange, void (*left)(void *userdata), void *userdata) {
        assert(!exchange->suspended && !exchange->left && !exchange->stream.read);
        exchange->left = left;
        exchange->left_userdata = userdata;
        exchange_set_timeout(exchange, TIMEOUT_NONE);
        exchange_suspend(exchange);
}

/*
 * Ends the connection in the middle of an answer. After MHD_CONTENT_READER_END_WITH_ERROR, libmicrohttpd (0.9.75 and 1.0.1) closes it only
 * when its list of timeouts gets to it, after all older ones; a failed write closes it at once. The end of the answer that it writes here
 * reaches nobody.
 */
static ssize_t cut_off(struct exchange *exchange) {
        exchange_drop(exchange);
        return MHD_CONTENT_READER_END_OF_STREAM;
}

static ssize_t on_read(void *cls, uint64_t position, char *buffer, size_t size) {
        struct exchange *exchange = cls;
        ssize_t n;

        (void)position;
        if (exchange->broken)
                return cut_off(exchange);
        if (exchange_postpone(exchange))
                return 0;
        n = exchange->stream.read(exchange->stream.userdata, buffer, size);
        if (n > 0)
                return n;
        if (n == STREAM_WAITS) {
                exchange_suspend(exchange);
                return 0;
        }
        return n == STREAM_ENDS ? MHD_CONTENT_READER_END_OF_STREAM : cut_off(exchange);
}

static void on_stream_free(void *cls) {
        struct exchange *exchange = cls;
        struct stream stream = exchange->stream;

        exchange->stream = (struct stream){0};
        stream.free(stream.userdata);
}

/*
 * libmicrohttpd 0.9.75 sends the end of a chunked body even for HEAD, which the client takes for the beginning of its next answer. An
 * answer without chunks and without a length ends with the connection.
 */
static bool leave_chunks_out(struct MHD_Response *response) {
        return MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END) == MHD_YES;
}

void exchange_stream(struct exchange *exchange, const struct reply *head, bool endless, const struct stream *stream) {
        bool is_head = exchange->is_head, whole;
        struct MHD_Response *response;

        assert(!exchange->stream.read);
        if (!exchange_keep(exchange, stream->kept)) {
                stream->free(stream->userdata);
                reply_too_much(exchange);
                return;
        }
        exchange->stream = *stream;
        /* The block size is only used for HTTP/1.0; otherwise the connection's memory bounds a chunk. */
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, on_read, exchange, on_stream_free);
        if (!response) {
                exchange_send(exchange, head->status, NULL, TIMEOUT_ANSWER);
                on_stream_free(exchange);
                return;
        }
        whole = response_add_headers(response, head) && (!is_head || leave_chunks_out(response));
        exchange_send(exchange, head->status, whole ? response : NULL, endless && !is_head ? TIMEOUT_NONE : TIMEOUT_ANSWER);
        MHD_destroy_response(response);
}

bool exchange_waits(const struct exchange *exchange) {
        return exchange->suspended && exchange->turn != TURN_POSTPONED && exchange->stream.read;
}

void exchange_continue(struct exchange *exchange) {
        if (exchange_waits(exchange))
                exchange_resume(exchange);
}

void exchange_drop(struct exchange *exchange) {
        (void)shutdown(exchange->fd, SHUT_RDWR);
}
