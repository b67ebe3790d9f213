/*
 * Bytes of a client, answered by the real server in this process, with an engine of the unit tests behind it.
 *
 * The first byte says on which of the two sockets, and whether the client closes its half behind its last byte. The loop turns until
 * nothing is left to do. Whatever came, what was answered begins as HTTP does, and the server goes on: it answers a next client.
 */
#include "../unit/engine-stub.h"

#include "folder.h"
#include "fuzz.h"

#include "http/server.h"

#include <sys/socket.h>
#include <sys/un.h>

#define ON_CONTROL 1
#define HALF_CLOSES 2

static void on_reload(void *userdata, struct reload_call *call) {
        _cleanup_(buffer_deinit) struct buffer body = {0};

        (void)userdata;
        buffer_append_string(&body, call->remove_all ? "{\"complaints\":[\"all\"]}" : "{\"complaints\":[]}");
        call->done(call, 200, &body);
}

static void on_facts(void *userdata, struct server_facts *ret_facts) {
        (void)userdata;
        *ret_facts = (struct server_facts){.reload_successful = true, .reloaded_real_usec = USEC_PER_SEC, .history = "none"};
}

/* What can be done without waiting: what comes through a UNIX socket is there at once. */
static void turn(sd_event *event) {
        for (unsigned turns = 0; sd_event_run(event, 0) > 0; turns++)
                fuzz_check(turns < 100000, "the loop never comes to rest");
}

static int client(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        fuzz_check(strlen(path) < sizeof(address.sun_path), "TMPDIR is too long for a socket");
        memcpy(address.sun_path, path, strlen(path) + 1);
        fuzz_check(connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "the server takes nobody");
        return fd;
}

/* Answers how much of an answer came; RET_BEGIN is its first bytes. */
static size_t ask(sd_event *event, int fd, const void *data, size_t size, bool half_closes, char ret_begin[16]) {
        char bytes[65536];
        size_t total = 0;
        ssize_t n;

        for (size_t sent = 0; sent < size; sent += (size_t)n) {
                n = send(fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);
                if (n < 0)
                        break;
                turn(event);
        }
        if (half_closes)
                (void)shutdown(fd, SHUT_WR);
        turn(event);
        while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
                if (total == 0)
                        memcpy(ret_begin, bytes, MIN((size_t)n, (size_t)15));
                total += (size_t)n;
                turn(event);
        }
        (void)close(fd);
        turn(event);
        return total;
}

static void serve(sd_event *event, const char *status, const char *control, const uint8_t *data, size_t size) {
        static const char next[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        char begin[16] = "";

        if (ask(event, client(data[0] & ON_CONTROL ? control : status), data + 1, size - 1, data[0] & HALF_CLOSES, begin) > 0)
                fuzz_check(starts_with(begin, "HTTP/1."), "an answer that is not HTTP");
        memset(begin, 0, sizeof(begin));
        fuzz_check(ask(event, client(status), next, strlen(next), false, begin) > 0 && starts_with(begin, "HTTP/1.1 200"),
                   "the next client is not answered");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const struct server_hooks hooks = {.reload = on_reload, .facts = on_facts};
        char status[FUZZ_PATH_MAX], control[FUZZ_PATH_MAX];
        struct engine *engine = stub_new();
        struct server *server = NULL;
        sd_event *event = NULL;

        if (size >= 1) {
                stub_check(engine, stub_add(engine, "a"), REASON_NONE);
                stub_check(engine, stub_add(engine, "b"), REASON_TCP_REFUSED);
                fuzz_check(sd_event_new(&event) >= 0 && server_new(event, engine, &hooks, &server) == 0, "no server");
                fuzz_check(server_add_unix(server, fuzz_path(status, "status"), 0666, (gid_t)-1, PERMISSION_STATUS) == 0 &&
                           server_add_unix(server, fuzz_path(control, "control"), 0660, (gid_t)-1, PERMISSION_CONTROL) == 0, "no socket");
                serve(event, status, control, data, size);
                server_free(server);
                sd_event_unref(event);
        }
        stub_free(engine);
        return 0;
}
