/*
 * Requests that libmicrohttpd refuses before we see them: invalid lines, too much data, another version. It answers with a page of its own,
 * some of them twice (0.9.75), through MHD_queue_response(), called by its public name. If the program defines a function of that name, the
 * dynamic linker binds the library to it: so those answers are ours. If a library is built to call its own function directly, its own
 * answers go out instead.
 */
#include "api/answer.h"
#include "base/error.h"
#include "http/http-private.h"

#include <assert.h>
#include <dlfcn.h>
#include <sys/socket.h>

/*
 * The bytes after a refused request that are read and discarded: closing earlier would send a reset, and could cost the client the answer.
 */
#define BEYOND_DISCARDED_MAX ((size_t)256 * 1024)

static enum MHD_Result (*library_queue_response)(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response);

int refusal_find_library(void) {
        *(void **)&library_queue_response = dlsym(RTLD_NEXT, "MHD_queue_response");
        return library_queue_response ? 0 : -ENOSYS;
}

bool refusal_queue_other(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response) {
        assert(library_queue_response);
        return library_queue_response(connection, status, response) == MHD_YES;
}

static const struct refusal {
        unsigned status;
        const char *error, *message;
} refusals[] = {
        {400, "bad_request", "this is no request of HTTP/1.1"},
        {413, "body_not_allowed", "a request here has no body; arguments stand in the URL"},
        {414, "too_long", "the URL is too long"},
        {431, "too_long", "the URL and the header fields are too long together"},
        {505, "bad_version", "the version of HTTP has to be 1.0 or 1.1"},
        {500, "failed", "the request could not be read"},
};

static const struct refusal *refusal_of(unsigned status) {
        size_t i = 0;

        while (i + 1 < ARRAY_LENGTH(refusals) && refusals[i].status != status)
                i++;
        return &refusals[i];
}

static void refusal_compose(const struct refusal *refusal, struct buffer *answer) {
        _cleanup_(buffer_deinit) struct buffer body = {0};
        struct json_writer w = {.buffer = &body};

        field_write_object(&w, NULL, refusal_fields, &(struct refusal_answer){refusal->error, refusal->message}, false);
        buffer_printf(answer,
                      "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
                      "X-Content-Type-Options: nosniff\r\nContent-Length: %zu\r\n\r\n",
                      refusal->status, MHD_get_reason_phrase_for(refusal->status), body.size);
        buffer_append(answer, body.data, body.size);
        answer->failed = answer->failed || body.failed;
}

static void refusal_discard(int fd) {
        static char rest[16 * 1024];
        size_t discarded = 0;
        ssize_t n;

        while (discarded < BEYOND_DISCARDED_MAX && (n = recv(fd, rest, sizeof(rest), MSG_DONTWAIT)) > 0)
                discarded += (size_t)n;
}

/*
 * Called by the library itself: everything answered before on the connection is sent. Its page is queued all the same, on a socket that
 * takes no more: if told of a failure, 0.9.75 frees the connection, and goes on using it if it was parsing the URL's arguments.
 */
enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned int status_code, struct MHD_Response *response) {
        int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        _cleanup_(buffer_deinit) struct buffer answer = {0};

        refusal_compose(refusal_of(status_code), &answer);
        if (buffer_finish(&answer) == 0)
                (void)send(fd, answer.data, answer.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        refusal_discard(fd);
        (void)shutdown(fd, SHUT_WR);
        return library_queue_response(connection, status_code, response);
}
