/* The server on its sockets, in one thread with its client: the loop turns while the client waits. */
#include "engine-stub.h"

#include "serve/server.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PATIENCE_USEC (10 * USEC_PER_SEC)

static char folder[64], status_path[96], control_path[96];
static sd_event *event;
static struct engine *engine;
static struct server *server;

static void on_reload(void *userdata, struct buffer *body, unsigned *ret_status) {
        (void)userdata;
        buffer_append_string(body, "{\"complaints\":[]}");
        *ret_status = 409;
}

static int begin(void **state) {
        (void)state;
        (void)snprintf(folder, sizeof(folder), "/tmp/pgwaked-server-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        (void)snprintf(status_path, sizeof(status_path), "%s/status.sock", folder);
        (void)snprintf(control_path, sizeof(control_path), "%s/control.sock", folder);
        engine = stub_new();
        assert_true(sd_event_new(&event) >= 0);
        assert_int_equal(server_new(event, engine, &(struct server_hooks){.reload = on_reload}, &server), 0);
        assert_int_equal(server_add_unix(server, status_path, 0666, (gid_t)-1, ACCESS_STATUS), 0);
        assert_int_equal(server_add_unix(server, control_path, 0660, (gid_t)-1, ACCESS_CONTROL), 0);
        return 0;
}

static int end(void **state) {
        (void)state;
        server = server_free(server);
        event = sd_event_unref(event);
        engine = stub_free(engine);
        assert_int_equal(rmdir(folder), 0); /* the sockets are gone */
        return 0;
}

/* A client. */

struct client {
        int fd;
        struct buffer text;
        bool over; /* the server closed */
};

static struct client client_on(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct client client = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};

        memcpy(address.sun_path, path, strlen(path) + 1);
        assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof(address)), 0);
        return client;
}

static void client_close(struct client *client) {
        close_fd(&client->fd);
        buffer_deinit(&client->text);
}

static void client_send(struct client *client, const char *text) {
        assert_int_equal(write(client->fd, text, strlen(text)), strlen(text));
}

static void client_ask(struct client *client, const char *method, const char *url, const char *headers) {
        _cleanup_(buffer_deinit) struct buffer text = {0};

        buffer_printf(&text, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, url, headers);
        client_send(client, text.data);
}

static void client_read(struct client *client) {
        char buffer[65536];
        ssize_t n;

        while ((n = read(client->fd, buffer, sizeof(buffer))) > 0)
                buffer_append(&client->text, buffer, (size_t)n);
        client->over = client->over || n == 0 || errno == ECONNRESET;
}

static bool client_has(const struct client *client, const char *text) {
        return client->text.data && strstr(client->text.data, text);
}

/* Turns the loop until the client read TEXT (NULL: until the server closes). */
static void client_await(struct client *client, const char *text) {
        uint64_t give_up = clock_boot_usec() + PATIENCE_USEC;

        for (;;) {
                client_read(client);
                if (text ? client_has(client, text) : client->over)
                        return;
                if (clock_boot_usec() > give_up || (client->over && text))
                        fail_msg("waited for \"%s\" in vain; read: %s", text ? text : "the end",
                                 client->text.data ? client->text.data : "");
                assert_true(sd_event_run(event, 10 * USEC_PER_MSEC) >= 0);
        }
}

/* Nothing more comes while the loop turns for USEC. */
static void client_hears_nothing(struct client *client, uint64_t usec) {
        uint64_t until = clock_boot_usec() + usec;
        size_t before = client->text.size;

        while (clock_boot_usec() < until)
                assert_true(sd_event_run(event, usec) >= 0);
        client_read(client);
        assert_int_equal(client->text.size, before);
}

struct answer {
        int status;
        char *text; /* head and body */
        json_t *json;
};

static struct answer answer_from(struct client *client) {
        struct answer answer = {0};
        const char *body;

        answer.text = buffer_steal(&client->text);
        assert_int_equal(sscanf(answer.text, "HTTP/1.1 %d ", &answer.status), 1);
        body = strstr(answer.text, "\r\n\r\n");
        assert_non_null(body);
        answer.json = json_loads(body + 4, JSON_DISABLE_EOF_CHECK, NULL);
        client_close(client);
        return answer;
}

static struct answer ask_with(const char *path, const char *method, const char *url, const char *headers) {
        struct client client = client_on(path);
        _cleanup_(buffer_deinit) struct buffer all = {0};

        buffer_printf(&all, "Connection: close\r\n%s", headers);
        client_ask(&client, method, url, all.data);
        client_await(&client, NULL);
        return answer_from(&client);
}

static void answer_deinit(struct answer *answer) {
        free(answer->text);
        json_decref(answer->json);
}

#define _answer_ _cleanup_(answer_deinit) struct answer

static struct answer get(const char *url) {
        return ask_with(status_path, "GET", url, "");
}

static struct answer post(const char *url) {
        return ask_with(control_path, "POST", url, "");
}

static void is_error(const struct answer *answer, int status, const char *slug) {
        const char *error = json_string_value(json_object_get(answer->json, "error"));

        if (answer->status != status || !error || !streq(error, slug) || !json_object_get(answer->json, "message"))
                fail_msg("expected %d %s, was %s", status, slug, answer->text);
}

static bool ready_in(const struct answer *answer) {
        return json_is_true(json_object_get(answer->json, "ready"));
}

static size_t databases_in(const struct answer *answer) {
        return json_array_size(json_object_get(answer->json, "databases"));
}

/* The tests. */

static void without_databases_it_is_ready(void **state) {
        _answer_ answer = get("/readyz");

        (void)state;
        assert_int_equal(answer.status, 200);
        assert_true(ready_in(&answer));
        assert_int_equal(databases_in(&answer), 0);
}

static void readyz_names_each_that_is_not_ready(void **state) {
        struct target *a = stub_add(engine, "a"), *b = stub_add(engine, "b");
        json_t *database;

        (void)state;
        stub_check(engine, a, REASON_NONE);
        stub_check(engine, b, REASON_AUTH_PASSWORD);
        {
                _answer_ answer = get("/readyz");

                assert_int_equal(answer.status, 503);
                assert_non_null(strstr(answer.text, "\r\nRetry-After: "));
                assert_int_equal(databases_in(&answer), 1);
                database = json_array_get(json_object_get(answer.json, "databases"), 0);
                assert_string_equal(json_string_value(json_object_get(database, "name")), "b");
                assert_string_equal(json_string_value(json_object_get(database, "state")), "blocked");
                assert_string_equal(json_string_value(json_object_get(database, "reason")), "auth.password");
        }
        {
                _answer_ answer = get("/readyz/a");

                assert_int_equal(answer.status, 200);
                assert_int_equal(databases_in(&answer), 1);
        }
        stub_check(engine, b, REASON_NONE);
        {
                _answer_ answer = get("/readyz");

                assert_int_equal(answer.status, 200);
                assert_non_null(strstr(answer.text, "\r\nCache-Control: no-store\r\n"));
                assert_non_null(strstr(answer.text, "\r\nX-Content-Type-Options: nosniff\r\n"));
                assert_non_null(strstr(answer.text, "\r\nContent-Type: application/json\r\n"));
        }
}

static void waking_is_accepted_where_asleep_is(void **state) {
        struct target *a = stub_add(engine, "a");

        (void)state;
        stub_slow(engine, a);
        {
                _answer_ answer = get("/readyz?accept=asleep"), strict = get("/readyz");

                assert_int_equal(answer.status, 200);
                assert_int_equal(strict.status, 503);
        }
}

static void what_is_asked_wrongly_is_refused(void **state) {
        struct target *a = stub_add(engine, "main");
        static const struct {
                const char *url;
                int status;
                const char *slug;
        } wrong[] = {
                {"/readyz?wait=soon", 400, "bad_request"},
                {"/readyz?nothing=1", 400, "bad_request"},
                {"/readyz?wait=1s&wait=1s", 400, "bad_request"},
                {"/readyz%00x", 400, "bad_request"},
                {"/readyz/m%C3%A4in", 400, "bad_request"},
                {"/nothing", 404, "not_found"},
                {"/readyz/mian", 404, "unknown_database"},
                {"/status/nope", 404, "unknown_database"},
                {"/events?db=nope", 404, "unknown_database"},
                {"/wake/main", 405, "method_not_allowed"},
        };

        (void)state;
        (void)a;
        for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
                _answer_ answer = get(wrong[i].url);

                is_error(&answer, wrong[i].status, wrong[i].slug);
        }
        {
                _answer_ forbidden = ask_with(status_path, "POST", "/wake/main", ""), method = ask_with(control_path, "PUT", "/readyz", "");
                _answer_ body = ask_with(control_path, "POST", "/wake/main", "Content-Length: 2\r\n\r\n{}");
                _answer_ near = get("/status/mian"), endless = post("/pause/main");

                is_error(&forbidden, 403, "forbidden");
                is_error(&method, 405, "method_not_allowed");
                assert_non_null(strstr(method.text, "\r\nAllow: GET, HEAD\r\n"));
                is_error(&body, 413, "body_not_allowed");
                assert_non_null(strstr(near.text, "did you mean"));
                assert_int_equal(json_array_size(json_object_get(near.json, "known")), 1);
                is_error(&endless, 400, "bad_request");
        }
        assert_int_equal(engine->wakes, 0);
}

static void a_raw_nul_does_not_hide_the_rest_of_a_url(void **state) {
        static const char request[] = "GET /readyz\0/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        struct client client = client_on(status_path);

        (void)state;
        assert_int_equal(write(client.fd, request, sizeof(request) - 1), sizeof(request) - 1);
        client_await(&client, NULL);
        {
                _answer_ answer = answer_from(&client);

                is_error(&answer, 400, "bad_request");
        }
}

static void two_requests_at_once_are_answered_in_turn(void **state) {
        struct client client = client_on(status_path);

        (void)state;
        client_send(&client, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
                             "HEAD /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
                             "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
        client_await(&client, "{\"alive\":true}");
        assert_int_equal(client.over, false);
        client_close(&client);
}

static void a_wait_ends_when_the_database_is_ready(void **state) {
        struct target *a = stub_add(engine, "a");
        struct client all = client_on(status_path), one = client_on(status_path), woken = client_on(control_path);

        (void)state;
        client_ask(&all, "GET", "/readyz?wait=1h", "");
        client_ask(&one, "GET", "/readyz/a?wait=1h", "");
        client_ask(&woken, "POST", "/wake/a?wait=1h", "");
        client_hears_nothing(&all, 50 * MSEC);
        client_hears_nothing(&woken, 10 * MSEC);
        stub_slow(engine, a);
        client_hears_nothing(&one, 20 * MSEC);
        stub_check(engine, a, REASON_NONE);
        client_await(&all, "{\"ready\":true");
        client_await(&one, "\"state\":\"awake\"");
        client_await(&woken, "\"state\":\"awake\"");
        assert_true(client_has(&all, " 200 OK") && client_has(&one, " 200 OK") && client_has(&woken, " 200 OK"));
        assert_int_equal(engine->wakes, 1);
        client_close(&all);
        client_close(&one);
        client_close(&woken);
}

static void a_good_door_ends_a_wait_that_accepts_asleep(void **state) {
        struct target *a = stub_add(engine, "a");
        struct client client = client_on(status_path);

        (void)state;
        client_ask(&client, "GET", "/readyz?accept=asleep&wait=1h", "");
        client_hears_nothing(&client, 20 * MSEC);
        /* No edge tells this. */
        a->attempted = true;
        a->last_attempt = (struct attempt){.check = CHECK_DOOR};
        client_await(&client, " 200 OK");
        client_close(&client);
}

static void a_wait_ends_with_its_time(void **state) {
        uint64_t began = clock_boot_usec();

        (void)state;
        (void)stub_add(engine, "a");
        {
                _answer_ answer = get("/readyz?wait=100ms"), woken = post("/wake/a?wait=50ms");

                assert_int_equal(answer.status, 503);
                assert_int_equal(woken.status, 503);
                assert_true(clock_boot_usec() - began >= 150 * MSEC);
        }
}

static void a_wait_is_forgotten_when_its_client_leaves(void **state) {
        struct target *a = stub_add(engine, "a");
        struct client client = client_on(status_path);

        (void)state;
        client_ask(&client, "GET", "/readyz?wait=1h", "");
        client_hears_nothing(&client, 20 * MSEC);
        client_close(&client);
        for (unsigned i = 0; i < 5; i++)
                assert_true(sd_event_run(event, 10 * USEC_PER_MSEC) >= 0);
        stub_check(engine, a, REASON_NONE);
        {
                _answer_ answer = get("/readyz");

                assert_int_equal(answer.status, 200);
        }
}

static void a_wait_for_one_that_is_taken_away_ends(void **state) {
        struct target *a = stub_add(engine, "a");
        struct client client = client_on(status_path);

        (void)state;
        client_ask(&client, "GET", "/readyz/a?wait=1h", "Connection: close\r\n");
        client_hears_nothing(&client, 20 * MSEC);
        stub_remove(engine, a);
        client_await(&client, NULL);
        {
                _answer_ answer = answer_from(&client);

                is_error(&answer, 404, "unknown_database");
        }
}

static void a_wait_goes_on_when_a_reload_changed_the_database(void **state) {
        struct target *a = stub_add(engine, "a");
        struct client client = client_on(status_path);

        (void)state;
        client_ask(&client, "GET", "/readyz/a?wait=1h", "");
        client_hears_nothing(&client, 20 * MSEC);
        stub_remove(engine, a);
        a = stub_add(engine, "a");
        client_hears_nothing(&client, 20 * MSEC);
        stub_check(engine, a, REASON_NONE);
        client_await(&client, " 200 OK");
        client_close(&client);
}

static void a_wake_is_taken_or_refused_with_its_reason(void **state) {
        struct target *a = stub_add(engine, "a");

        (void)state;
        {
                _answer_ begun = post("/wake/a");

                assert_int_equal(begun.status, 202);
                assert_string_equal(json_string_value(json_object_get(begun.json, "name")), "a");
        }
        stub_check(engine, a, REASON_NONE);
        {
                _answer_ already = post("/wake/a");

                assert_int_equal(already.status, 200);
        }
        engine->refusal = REASON_PAUSED;
        {
                _answer_ refused = post("/wake/a?wait=1h");

                is_error(&refused, 409, "paused");
        }
}

static void a_pause_begins_and_ends(void **state) {
        struct target *a = stub_add(engine, "a");

        (void)state;
        stub_check(engine, a, REASON_NONE);
        {
                _answer_ paused = post("/pause/a?for=2h"), ready = get("/readyz/a"), resumed = post("/pause/a?for=0s");

                assert_int_equal(paused.status, 200);
                assert_true(json_is_string(json_object_get(paused.json, "paused_until")));
                assert_int_equal(ready.status, 503);
                assert_int_equal(resumed.status, 200);
                assert_true(json_is_null(json_object_get(resumed.json, "paused_until")));
        }
}

static void a_reload_answers_what_the_hook_says(void **state) {
        _answer_ answer = post("/reload");

        (void)state;
        assert_int_equal(answer.status, 409);
        assert_true(json_is_array(json_object_get(answer.json, "complaints")));
}

static void many_databases_come_in_slices(void **state) {
        (void)state;
        for (unsigned i = 0; i < 300; i++) {
                char name[16];

                (void)snprintf(name, sizeof(name), "db-%03u", i);
                (void)stub_add(engine, name);
        }
        stub_check(engine, registry_by_name(engine->registry, "db-150"), REASON_NONE);
        /* HTTP/1.0 has no chunks: the body can be read as it is. */
        for (unsigned i = 0; i < 2; i++) {
                struct client client = client_on(status_path);
                json_t *json;

                client_send(&client, i == 0 ? "GET /status HTTP/1.0\r\n\r\n" : "GET /readyz HTTP/1.0\r\n\r\n");
                client_await(&client, NULL);
                json = json_loads(strstr(client.text.data, "\r\n\r\n"), 0, NULL);
                assert_non_null(json);
                assert_int_equal(json_array_size(json_object_get(json, "databases")), i == 0 ? 300 : 299);
                json_decref(json);
                client_close(&client);
        }
}

static void a_stream_hears_each_edge_in_order(void **state) {
        struct target *a = stub_add(engine, "a"), *b = stub_add(engine, "b");
        struct client all = client_on(status_path), one = client_on(status_path);

        (void)state;
        client_ask(&all, "GET", "/events", "");
        client_ask(&one, "GET", "/events?db=b", "");
        client_await(&all, ": pgwaked\n\n");
        client_await(&one, ": pgwaked\n\n");
        assert_true(client_has(&all, "Content-Type: text/event-stream"));
        stub_check(engine, a, REASON_NONE);
        client_await(&all, "id: 3\nevent: state\ndata: {\"sequence\":3,");
        stub_check(engine, b, REASON_TCP_REFUSED);
        client_await(&all, "id: 4\nevent: state\n");
        client_await(&one, "id: 4\nevent: state\n");
        assert_false(client_has(&one, "id: 3\n"));
        assert_false(client_has(&all, "id: 2\n"));
        client_close(&all);
        client_close(&one);
}

static void last_event_id_replays(void **state) {
        struct target *a = stub_add(engine, "a");

        (void)state;
        for (unsigned i = 0; i < 6; i++)
                stub_check(engine, a, i % 2 ? REASON_TCP_REFUSED : REASON_NONE);
        {
                _answer_ answer = ask_with(status_path, "GET", "/events?follow=0", "Last-Event-ID: 4\r\n");
                _answer_ future = ask_with(status_path, "GET", "/events?follow=0", "Last-Event-ID: 99999\r\n");
                _answer_ wrong = ask_with(status_path, "GET", "/events", "Last-Event-ID: four\r\n");

                assert_null(strstr(answer.text, "id: 4\n"));
                assert_null(strstr(answer.text, "event: gap"));
                assert_non_null(strstr(answer.text, "id: 5\n"));
                assert_non_null(strstr(answer.text, "id: 7\n"));
                assert_non_null(strstr(future.text, "event: gap\n"));
                assert_non_null(strstr(future.text, "id: 1\n"));
                is_error(&wrong, 400, "bad_request");
        }
}

static void a_burst_longer_than_the_ring_is_told_as_a_gap(void **state) {
        struct target *a = stub_add(engine, "a");
        struct client client = client_on(status_path);

        (void)state;
        client_ask(&client, "GET", "/events", "");
        client_await(&client, ": pgwaked\n\n");
        for (unsigned i = 0; i < 5000; i++)
                stub_check(engine, a, i % 2 ? REASON_TCP_REFUSED : REASON_NONE);
        client_await(&client, "id: 5001\n");
        assert_true(client_has(&client, "event: gap\ndata: {"));
        client_close(&client);
}

static void the_end_answers_who_waits(void **state) {
        struct client waiting = client_on(status_path), stream = client_on(status_path), idle = client_on(status_path);

        (void)state;
        (void)stub_add(engine, "a");
        client_ask(&waiting, "GET", "/readyz?wait=1h", "");
        client_ask(&stream, "GET", "/events", "");
        client_await(&stream, ": pgwaked\n\n");
        server = server_free(server);
        client_read(&waiting);
        client_read(&stream);
        client_read(&idle);
        assert_true(client_has(&waiting, "HTTP/1.1 503 ") && client_has(&waiting, "\"error\":\"stopping\""));
        assert_true(client_has(&stream, "0\r\n\r\n"));
        assert_true(waiting.over && stream.over && idle.over);
        client_close(&waiting);
        client_close(&stream);
        client_close(&idle);
        assert_int_equal(server_new(event, engine, &(struct server_hooks){0}, &server), 0);
}

#define SERVER_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
        static const struct CMUnitTest tests[] = {
                SERVER_TEST(without_databases_it_is_ready),
                SERVER_TEST(readyz_names_each_that_is_not_ready),
                SERVER_TEST(waking_is_accepted_where_asleep_is),
                SERVER_TEST(what_is_asked_wrongly_is_refused),
                SERVER_TEST(a_raw_nul_does_not_hide_the_rest_of_a_url),
                SERVER_TEST(two_requests_at_once_are_answered_in_turn),
                SERVER_TEST(a_wait_ends_when_the_database_is_ready),
                SERVER_TEST(a_good_door_ends_a_wait_that_accepts_asleep),
                SERVER_TEST(a_wait_ends_with_its_time),
                SERVER_TEST(a_wait_is_forgotten_when_its_client_leaves),
                SERVER_TEST(a_wait_for_one_that_is_taken_away_ends),
                SERVER_TEST(a_wait_goes_on_when_a_reload_changed_the_database),
                SERVER_TEST(a_wake_is_taken_or_refused_with_its_reason),
                SERVER_TEST(a_pause_begins_and_ends),
                SERVER_TEST(a_reload_answers_what_the_hook_says),
                SERVER_TEST(many_databases_come_in_slices),
                SERVER_TEST(a_stream_hears_each_edge_in_order),
                SERVER_TEST(last_event_id_replays),
                SERVER_TEST(a_burst_longer_than_the_ring_is_told_as_a_gap),
                SERVER_TEST(the_end_answers_who_waits),
        };

        return UNIT_RUN(tests);
}
