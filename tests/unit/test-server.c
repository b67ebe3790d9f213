/* The server on its sockets, in one thread with its client: the loop turns while the client waits. */
#include "engine-stub.h"

#include "http/server.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define PATIENCE_USEC USEC_PER_MINUTE

static char folder[64], status_path[96], control_path[96];
static sd_event *event;
static struct engine *engine;
static struct server *server;

static void on_reload(void *userdata, struct reload_call *call) {
        _cleanup_(buffer_deinit) struct buffer body = {0};

        (void)userdata;
        buffer_append_string(&body, call->remove_all ? "{\"complaints\":[\"all\"]}" : "{\"complaints\":[]}");
        call->done(call, 409, &body);
}

static void on_facts(void *userdata, struct server_facts *ret_facts) {
        (void)userdata;
        *ret_facts = (struct server_facts){.reload_successful = true, .reloaded_real_usec = USEC_PER_SEC, .history = "full"};
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
        assert_int_equal(server_new(event, engine, &(struct server_hooks){.reload = on_reload, .facts = on_facts}, &server), 0);
        assert_int_equal(server_add_unix(server, status_path, 0666, (gid_t)-1, PERMISSION_STATUS), 0);
        assert_int_equal(server_add_unix(server, control_path, 0660, (gid_t)-1, PERMISSION_CONTROL), 0);
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

static struct answer delete(const char *url) {
        return ask_with(control_path, "DELETE", url, "");
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
        struct database *a = stub_add(engine, "a"), *b = stub_add(engine, "b");
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
        struct database *a = stub_add(engine, "a");

        (void)state;
        stub_slow(engine, a);
        {
                _answer_ answer = get("/readyz?accept=asleep"), strict = get("/readyz");

                assert_int_equal(answer.status, 200);
                assert_int_equal(strict.status, 503);
        }
}

static void what_is_asked_wrongly_is_refused(void **state) {
        struct database *a = stub_add(engine, "main");
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
                {"/lease/main", 405, "method_not_allowed"},
                {"/readyz?spread=1s", 400, "bad_request"},
                {"/readyz/main?spread=6min&wait=1s", 400, "bad_request"},
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
                _answer_ both = ask_with(control_path, "PUT", "/lease/main", ""), removal = ask_with(status_path, "DELETE", "/lease/1", "");
                _answer_ removal_body = ask_with(control_path, "DELETE", "/lease/1", "Content-Length: 2\r\n\r\n{}");
                _answer_ near = get("/status/mian"), endless = post("/pause/main");

                is_error(&forbidden, 403, "forbidden");
                is_error(&method, 405, "method_not_allowed");
                assert_non_null(strstr(method.text, "\r\nAllow: GET, HEAD\r\n"));
                is_error(&both, 405, "method_not_allowed");
                assert_non_null(strstr(both.text, "\r\nAllow: POST, DELETE\r\n"));
                is_error(&removal, 403, "forbidden");
                is_error(&removal_body, 413, "body_not_allowed");
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
        /* libmicrohttpd 1.0 ends the connection without an answer. */
        if (client.text.size > 0) {
                _answer_ answer = answer_from(&client);

                is_error(&answer, 400, "bad_request");
        } else
                client_close(&client);
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
        struct database *a = stub_add(engine, "a");
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
        struct database *a = stub_add(engine, "a");
        struct client client = client_on(status_path);

        (void)state;
        client_ask(&client, "GET", "/readyz?accept=asleep&wait=1h", "");
        client_hears_nothing(&client, 20 * MSEC);
        /* No event tells this. */
        evidence_note(&a->evidence, FOUND_BY_DOOR, REASON_NONE, clock_boot_usec());
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
        struct database *a = stub_add(engine, "a");
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
        struct database *a = stub_add(engine, "a");
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
        struct database *a = stub_add(engine, "a");
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
        struct database *a = stub_add(engine, "a");

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

static void a_wake_call_ends_when_newer_evidence_says_that_it_is_in_vain(void **state) {
        struct database *a = stub_add(engine, "a");
        struct client called = client_on(control_path), reads = client_on(status_path);

        (void)state;
        stub_check(engine, a, REASON_AUTH_PASSWORD);
        /* The next try is due, so that the call is taken. */
        a->retry_delay_usec = 0;
        client_ask(&called, "POST", "/wake/a?wait=1h", "Connection: close\r\n");
        client_ask(&reads, "GET", "/readyz/a?wait=1h", "");
        client_hears_nothing(&called, 20 * MSEC);
        /* Blocked as before: no event. */
        stub_check(engine, a, REASON_AUTH_PASSWORD);
        client_await(&called, NULL);
        {
                _answer_ answer = answer_from(&called);

                is_error(&answer, 409, "auth.password");
        }
        /* A client that only waits goes on. */
        client_hears_nothing(&reads, 20 * MSEC);
        stub_check(engine, a, REASON_NONE);
        client_await(&reads, " 200 OK");
        client_close(&reads);
}

static void a_pause_ends_a_wake_call(void **state) {
        struct database *a = stub_add(engine, "a");
        struct client called = client_on(control_path);

        (void)state;
        client_ask(&called, "POST", "/wake/a?wait=1h", "Connection: close\r\n");
        client_hears_nothing(&called, 20 * MSEC);
        engine_pause(engine, a, USEC_PER_HOUR);
        client_await(&called, NULL);
        {
                _answer_ answer = answer_from(&called);

                is_error(&answer, 409, "paused");
        }
}

#define WAITERS 40

/* How many of them were answered. */
static unsigned released(struct client *clients, unsigned n) {
        unsigned count = 0;

        for (unsigned i = 0; i < n; i++) {
                client_read(&clients[i]);
                count += client_has(&clients[i], " 200 OK");
        }
        return count;
}

/* Also for everything due then: we may not have had a processor. */
static void turn_until(uint64_t boot_usec) {
        while (clock_boot_usec() < boot_usec)
                assert_true(sd_event_run(event, boot_usec - MIN(clock_boot_usec(), boot_usec)) >= 0);
        while (sd_event_run(event, 0) > 0)
                ;
}

static void who_waited_with_spread_is_released_evenly_inside_it(void **state) {
        const uint64_t spread = 800 * MSEC;
        struct database *a = stub_add(engine, "a");
        struct client clients[WAITERS], lone = client_on(status_path);
        unsigned quarter[5], most[5];
        uint64_t began;

        (void)state;
        for (unsigned i = 0; i < WAITERS; i++) {
                clients[i] = client_on(control_path);
                if (i % 2)
                        client_ask(&clients[i], "GET", "/readyz/a?wait=1h&spread=800ms", "");
                else
                        client_ask(&clients[i], "POST", "/wake/a?wait=1h&spread=800ms", "");
        }
        client_ask(&lone, "GET", "/readyz/a?wait=1h", "");
        turn_until(clock_boot_usec() + 20 * MSEC);
        assert_int_equal(released(clients, WAITERS), 0);
        stub_check(engine, a, REASON_NONE);
        began = clock_boot_usec();
        for (unsigned i = 0; i < 5; i++) {
                turn_until(began + (i + 1) * spread / 4 + 20 * MSEC);
                most[i] = (unsigned)(WAITERS * (clock_boot_usec() - began) / spread);
                quarter[i] = released(clients, WAITERS);
                if (i == 0)
                        assert_int_equal(released(&lone, 1), 1);
        }
        print_message("of %d were released by the quarters: %u %u %u %u\n", WAITERS, quarter[0], quarter[1], quarter[2], quarter[3]);
        assert_int_equal(quarter[4], WAITERS);
        for (unsigned i = 0; i < 3; i++)
                assert_in_range(quarter[i], (i + 1) * WAITERS / 4 - WAITERS / 8, most[i] + WAITERS / 5);
        {
                _answer_ at_once = get("/readyz/a?wait=1h&spread=5min");

                assert_int_equal(at_once.status, 200);
        }
        for (unsigned i = 0; i < WAITERS; i++)
                client_close(&clients[i]);
        client_close(&lone);
}

static void a_database_lost_before_its_moment_is_waited_for_on(void **state) {
        struct database *a = stub_add(engine, "a");
        struct client client = client_on(status_path), short_one = client_on(status_path);

        (void)state;
        client_ask(&client, "GET", "/readyz/a?wait=1h&spread=5min", "");
        client_hears_nothing(&client, 20 * MSEC);
        stub_check(engine, a, REASON_NONE);
        client_hears_nothing(&client, 20 * MSEC);
        stub_check(engine, a, REASON_TCP_REFUSED);
        client_hears_nothing(&client, 20 * MSEC);
        /* Its time is over before its moment: ready all the same. */
        client_ask(&short_one, "GET", "/readyz/a?wait=1s&spread=5min", "");
        client_hears_nothing(&short_one, 20 * MSEC);
        stub_check(engine, a, REASON_NONE);
        client_hears_nothing(&client, 20 * MSEC);
        client_await(&short_one, " 200 OK");
        client_close(&client);
        client_close(&short_one);
}

static void who_waits_on_has_another_moment(void **state) {
        struct database *a = stub_add(engine, "a");
        struct client clients[16];
        uint64_t began, due;

        (void)state;
        for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++) {
                clients[i] = client_on(status_path);
                client_ask(&clients[i], "GET", "/readyz/a?wait=1h&spread=1s", "");
        }
        turn_until(clock_boot_usec() + 20 * MSEC);
        stub_check(engine, a, REASON_NONE);
        turn_until(clock_boot_usec() + 5 * MSEC);
        stub_check(engine, a, REASON_TCP_REFUSED);
        /* The moments of before go by. */
        turn_until(clock_boot_usec() + 1100 * MSEC);
        began = clock_boot_usec();
        stub_check(engine, a, REASON_NONE);
        turn_until(clock_boot_usec() + 20 * MSEC);
        due = (clock_boot_usec() - began) * ARRAY_LENGTH(clients) / SEC;
        assert_in_range(released(clients, ARRAY_LENGTH(clients)), 0, due + ARRAY_LENGTH(clients) / 2);
        turn_until(clock_boot_usec() + 1000 * MSEC);
        assert_int_equal(released(clients, ARRAY_LENGTH(clients)), ARRAY_LENGTH(clients));
        for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
                client_close(&clients[i]);
}

static uint64_t nanoseconds(void) {
        struct timespec now;

        assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void many_releases_cost_little(void **state) {
        static struct client clients[400];
        struct database *a = stub_add(engine, "a");
        uint64_t began, spent, give_up;

        (void)state;
        for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++) {
                clients[i] = client_on(status_path);
                client_ask(&clients[i], "GET", "/readyz/a?wait=1h&spread=500ms", "");
        }
        turn_until(clock_boot_usec() + 50 * MSEC);
        stub_check(engine, a, REASON_NONE);
        began = nanoseconds();
        give_up = clock_boot_usec() + PATIENCE_USEC;
        turn_until(clock_boot_usec() + 600 * MSEC);
        spent = nanoseconds() - began;
        while (released(clients, ARRAY_LENGTH(clients)) < ARRAY_LENGTH(clients) && clock_boot_usec() < give_up)
                turn_until(clock_boot_usec() + 10 * MSEC);
        assert_int_equal(released(clients, ARRAY_LENGTH(clients)), ARRAY_LENGTH(clients));
        print_message("%zu releases: %.1f us of processor time each\n", ARRAY_LENGTH(clients),
                      (double)spent / 1000 / ARRAY_LENGTH(clients));
        for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
                client_close(&clients[i]);
}

/* Leases. */

static struct client lease_on(const char *url) {
        struct client client = client_on(control_path);

        client_ask(&client, "POST", url, "");
        client_await(&client, "event: lease\ndata: {");
        client_await(&client, "\n\n");
        return client;
}

/* The data of the first event of this kind. */
static json_t *event_data(const struct client *client, const char *kind) {
        char head[64];
        const char *at;
        json_t *json;

        (void)snprintf(head, sizeof(head), "event: %s\ndata: ", kind);
        at = client->text.data ? strstr(client->text.data, head) : NULL;
        if (!at)
                fail_msg("no event %s in: %s", kind, client->text.data);
        json = json_loads(at + strlen(head), JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(json);
        return json;
}

static void leases_become(const struct database *database, size_t n) {
        uint64_t give_up = clock_boot_usec() + PATIENCE_USEC;

        while (database->n_leases != n) {
                assert_true(clock_boot_usec() < give_up);
                assert_true(sd_event_run(event, 10 * USEC_PER_MSEC) >= 0);
        }
}

static void a_lease_is_a_stream_and_ends_with_it(void **state) {
        struct database *a = stub_add(engine, "a"), *b = stub_add(engine, "b");
        struct client client = lease_on("/lease/a?owner=b%C3%A4r.service");
        json_t *json = event_data(&client, "lease"), *lease = json_object_get(json, "lease");
        const char *owner, *name, *kind, *database, *is;
        int id, ready, generation;

        (void)state;
        assert_true(client_has(&client, " 200 OK") && client_has(&client, "Content-Type: text/event-stream"));
        assert_int_equal(json_unpack(lease, "{s:i,s:s,s:s,s:n!}", "id", &id, "owner", &owner, "since", &name, "until"), 0);
        assert_string_equal(owner, "b\xc3\xa4r.service");
        assert_int_equal(json_unpack(json, "{s:s,s:s,s:s,s:s,s:b,s:i}", "kind", &kind, "database", &database, "name", &name, "state", &is,
                                     "ready", &ready, "generation", &generation),
                         0);
        assert_string_equal(kind, "lease");
        assert_string_equal(database, "a");
        assert_string_equal(name, "a");
        assert_string_equal(is, "unknown");
        assert_false(ready);
        json_decref(json);
        assert_int_equal(a->n_leases, 1);
        assert_true(database_has_demand(a));
        stub_check(engine, b, REASON_NONE);
        stub_check(engine, a, REASON_NONE);
        client_await(&client, "id: 4\nevent: state\n");
        assert_false(client_has(&client, "id: 3\n"));
        client_close(&client);
        leases_become(a, 0);
}

/* More events than the ring holds, for clients that do not read. */
static void tell_too_much(struct database *a) {
        for (unsigned i = 0; i < 3 * 4096; i++) {
                stub_check(engine, a, i % 2 ? REASON_TCP_REFUSED : REASON_NONE);
                if (i % 64 == 0)
                        assert_true(sd_event_run(event, 0) >= 0);
        }
}

static void a_holder_that_does_not_read_is_released_when_it_is_gone(void **state) {
        struct database *a = stub_add(engine, "a");
        struct client client = client_on(control_path);
        int small = 1;

        (void)state;
        assert_int_equal(setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
        client_ask(&client, "POST", "/lease/a", "");
        leases_become(a, 1);
        /* More than the socket takes, and more than the ring holds: it is behind, and has a gap. */
        tell_too_much(a);
        turn_until(clock_boot_usec() + 50 * MSEC);
        /* Stuck for six seconds by the events' clock: a client that only watches would be dropped. */
        stub_tell(engine, &(struct event){.kind = EVENT_STATE, .database = "a", .boot_usec = clock_boot_usec()}, a);
        stub_tell(engine, &(struct event){.kind = EVENT_STATE, .database = "a", .boot_usec = clock_boot_usec() + 6 * SEC}, a);
        turn_until(clock_boot_usec() + 50 * MSEC);
        assert_int_equal(a->n_leases, 1);
        client_close(&client);
        leases_become(a, 0);
}

static void a_holder_that_never_reads_is_dropped_at_last_with_its_lease(void **state) {
        struct database *a = stub_add(engine, "a");
        struct client client = client_on(control_path);

        (void)state;
        client_ask(&client, "POST", "/lease/a", "");
        leases_become(a, 1);
        tell_too_much(a);
        stub_tell(engine, &(struct event){.kind = EVENT_STATE, .database = "a", .boot_usec = clock_boot_usec()}, a);
        stub_tell(engine, &(struct event){.kind = EVENT_STATE, .database = "a", .boot_usec = clock_boot_usec() + MIN_ + SEC}, a);
        leases_become(a, 0);
        client_close(&client);
}

static void who_reads_again_hears_of_the_gap_and_holds_on(void **state) {
        struct database *a = stub_add(engine, "a");
        struct client client = client_on(control_path);

        (void)state;
        client_ask(&client, "POST", "/lease/a", "");
        leases_become(a, 1);
        tell_too_much(a);
        client_await(&client, "event: gap\n");
        assert_int_equal(a->n_leases, 1);
        client_close(&client);
        leases_become(a, 0);
}

static void a_lease_that_ends_says_why(void **state) {
        static const struct {
                enum lease_end end;
                const char *reason;
        } ends[] = {
                {LEASE_END_EXPIRED, "expired"},
                {LEASE_END_DELETED, "deleted"},
                {LEASE_END_REMOVED, "removed"},
                {LEASE_END_BUDGET, "budget.spent"},
        };
        struct database *a = stub_add(engine, "a");

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
                struct client client = lease_on("/lease/a");
                const char *reason, *message;
                json_t *json;
                int id;

                stub_lease_end(engine, TAILQ_FIRST(&a->leases), ends[i].end);
                client_await(&client, "\r\n0\r\n\r\n");
                json = event_data(&client, "end");
                assert_int_equal(json_unpack(json, "{s:i,s:s,s:s!}", "id", &id, "reason", &reason, "message", &message), 0);
                assert_int_equal(id, i + 1);
                assert_string_equal(reason, ends[i].reason);
                json_decref(json);
                /* The connection is good for another request. */
                client_ask(&client, "GET", "/livez", "");
                client_await(&client, "{\"alive\":true}");
                client_close(&client);
                assert_int_equal(a->n_leases, 0);
        }
}

static void a_database_taken_away_is_told_before_the_end(void **state) {
        struct database *a = stub_add(engine, "a");
        struct client client = lease_on("/lease/a");

        (void)state;
        stub_remove(engine, a);
        client_await(&client, "\r\n0\r\n\r\n");
        assert_true(client_has(&client, "event: removed\n") && client_has(&client, "event: end\n"));
        assert_true(strstr(client.text.data, "event: removed\n") < strstr(client.text.data, "event: end\n"));
        client_close(&client);
}

static void a_lease_goes_on_when_a_reload_changed_the_database(void **state) {
        struct database *a = stub_add(engine, "a");
        struct client client = lease_on("/lease/a");

        (void)state;
        a = stub_change(engine, a);
        stub_check(engine, a, REASON_NONE);
        client_await(&client, "\"state\":\"awake\"");
        assert_int_equal(a->n_leases, 1);
        assert_false(client_has(&client, "event: end"));
        client_close(&client);
        leases_become(a, 0);
}

static void a_lease_by_the_clock_is_answered_at_once_and_ended_by_its_id(void **state) {
        struct database *a = stub_add(engine, "a");

        (void)state;
        {
                _answer_ taken = post("/lease/a?for=10min&owner=cron");
                json_t *lease = json_object_get(taken.json, "lease");
                const char *owner, *since, *until, *name;
                int id;

                assert_int_equal(taken.status, 201);
                assert_int_equal(json_unpack(lease, "{s:i,s:s,s:s,s:s!}", "id", &id, "owner", &owner, "since", &since, "until", &until), 0);
                assert_int_equal(id, 1);
                assert_string_equal(owner, "cron");
                assert_int_equal(json_unpack(taken.json, "{s:s}", "name", &name), 0);
        }
        /* Its connection is gone, and it is not. */
        turn_until(clock_boot_usec() + 20 * MSEC);
        assert_int_equal(a->n_leases, 1);
        {
                _answer_ status = get("/status/a");
                json_t *listed = json_array_get(json_object_get(status.json, "leases"), 0);

                assert_string_equal(json_string_value(json_object_get(listed, "owner")), "cron");
                assert_true(json_is_string(json_object_get(listed, "until")));
        }
        {
                _answer_ ended = delete("/lease/1"), again = delete("/lease/1"), odd = delete("/lease/a"), zero = delete("/lease/0");
                _answer_ huge = delete("/lease/99999999999999999999999");
                int id, is;

                assert_int_equal(ended.status, 200);
                assert_int_equal(json_unpack(ended.json, "{s:i,s:b!}", "id", &id, "ended", &is), 0);
                assert_int_equal(id, 1);
                assert_true(is);
                is_error(&again, 404, "no_such_lease");
                is_error(&odd, 404, "no_such_lease");
                is_error(&zero, 404, "no_such_lease");
                is_error(&huge, 404, "no_such_lease");
        }
        assert_int_equal(a->n_leases, 0);
}

static void a_lease_is_refused_with_its_reason(void **state) {
        struct database *a = stub_add(engine, "a");

        (void)state;
        {
                _answer_ unknown = post("/lease/b"), no_time = post("/lease/a?for=0s"), long_time = post("/lease/a?for=91d");
                _answer_ owner = post("/lease/a?owner=%C3");

                is_error(&unknown, 404, "unknown_database");
                is_error(&no_time, 400, "bad_request");
                is_error(&long_time, 400, "bad_request");
                is_error(&owner, 400, "bad_request");
        }
        engine->refusal = REASON_PROVIDER_QUOTA;
        {
                _answer_ held = post("/lease/a"), timed = post("/lease/a?for=1h");

                is_error(&held, 409, "provider.quota");
                is_error(&timed, 409, "provider.quota");
        }
        engine->refusal = REASON_NONE;
        engine->leases_room = 1;
        {
                struct client first = lease_on("/lease/a");
                _answer_ held = post("/lease/a"), timed = post("/lease/a?for=1h");

                is_error(&held, 503, "too_many_leases");
                is_error(&timed, 503, "too_many_leases");
                assert_non_null(strstr(held.text, "\r\nRetry-After: "));
                client_close(&first);
                leases_become(a, 0);
        }
}

static void many_leases_hear_each_edge(void **state) {
        static struct client clients[300];
        struct database *a = stub_add(engine, "a");

        (void)state;
        for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
                clients[i] = lease_on("/lease/a");
        assert_int_equal(a->n_leases, ARRAY_LENGTH(clients));
        stub_check(engine, a, REASON_NONE);
        for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
                client_await(&clients[i], "id: 2\nevent: state\n");
        for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
                client_close(&clients[i]);
        leases_become(a, 0);
}

static void a_pause_begins_and_ends(void **state) {
        struct database *a = stub_add(engine, "a");

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

static bool has(const struct answer *answer, const char *text) {
        return strstr(answer->text, text);
}

static void metrics_are_text_unless_openmetrics_is_asked_for(void **state) {
        struct database *a = stub_add(engine, "a");

        (void)state;
        stub_check(engine, a, REASON_NONE);
        stub_check(engine, a, REASON_TCP_REFUSED);
        {
                _answer_ text = get("/metrics"), control = ask_with(control_path, "GET", "/metrics", ""),
                         head = ask_with(status_path, "HEAD", "/metrics", "Accept: application/openmetrics-text\r\n"),
                         open = ask_with(status_path, "GET", "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n");

                assert_true(has(&text, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
                assert_true(has(&text, "Cache-Control: no-store\r\n"));
                assert_true(has(&text, "# TYPE pgwake_attempts_total counter\n"));
                assert_true(has(&text, "\npgwake_ready{database=\"a\"} 0\n"));
                assert_true(has(&text, "\npgwake_attempts_total{database=\"a\",kind=\"login\",outcome=\"ok\"} 1\n"));
                assert_true(has(&text, "\npgwake_attempts_total{database=\"a\",kind=\"login\",outcome=\"transient\"} 1\n"));
                assert_true(has(&text, "\npgwake_failures_total{database=\"a\",reason=\"tcp.refused\"} 1\n"));
                assert_true(has(&text, "\npgwake_last_attempt_duration_seconds{database=\"a\",kind=\"login\"} 0.02\n"));
                assert_true(has(&text, "\npgwake_attempts_waiting 2\n"));
                assert_true(has(&text, "\npgwake_probers_replaced_total 1\n"));
                assert_true(has(&text, "\npgwake_history_healthy 0\n"));
                assert_true(has(&text, "\npgwake_history_info{health=\"full\"} 1\n"));
                assert_true(has(&text, "\npgwake_config_last_reload_success_timestamp_seconds 1.0\n"));
                assert_true(has(&text, "\npgwake_http_connections{socket=\"status\"} 1\n"));
                assert_false(has(&text, "# EOF"));
                assert_true(has(&control, "\npgwake_http_connections{socket=\"control\"} 1\n"));
                assert_true(has(&open, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
                assert_true(has(&open, "# TYPE pgwake_attempts counter\n"));
                assert_true(streq(open.text + strlen(open.text) - 6, "# EOF\n"));
                assert_int_equal(head.status, 200);
                assert_true(has(&head, "Content-Type: application/openmetrics-text;"));
                assert_true(streq(strstr(head.text, "\r\n\r\n"), "\r\n\r\n"));
        }
}

static int compare_texts(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Families stand together, and no series comes twice. Answers the number of series. Cuts BODY up. */
static size_t check_exposition(char *body) {
        _cleanup_free_ char **series = calloc(strlen(body) / 8, sizeof(*series)), **families = calloc(100, sizeof(*families));
        size_t n = 0, n_families = 0;

        for (char *line = strtok(body, "\n"); line; line = strtok(NULL, "\n")) {
                if (starts_with(line, "# TYPE ")) {
                        families[n_families] = line + 7;
                        *strchr(families[n_families++], ' ') = '\0';
                } else if (*line != '#') {
                        assert_true(n_families > 0 && starts_with(line, families[n_families - 1]));
                        *strrchr(line, ' ') = '\0';
                        series[n++] = line;
                }
        }
        qsort(series, n, sizeof(*series), compare_texts);
        qsort(families, n_families, sizeof(*families), compare_texts);
        for (size_t i = 1; i < n; i++)
                assert_string_not_equal(series[i - 1], series[i]);
        for (size_t i = 1; i < n_families; i++)
                assert_string_not_equal(families[i - 1], families[i]);
        return n;
}

static size_t occurrences(const char *text, const char *part) {
        size_t n = 0;

        for (; (text = strstr(text, part)); text += strlen(part))
                n++;
        return n;
}

static void databases_that_come_and_go_between_slices_tear_no_metric(void **state) {
        struct client client = client_on(status_path);
        char *body;

        (void)state;
        for (unsigned i = 0; i < 400; i++) {
                char name[16];

                (void)snprintf(name, sizeof(name), "db-%03u", i);
                (void)stub_add(engine, name);
        }
        client_send(&client, "GET /metrics HTTP/1.0\r\n\r\n");
        /* As much as the socket takes without a reader. */
        for (unsigned i = 0; i < 200; i++)
                assert_true(sd_event_run(event, 0) >= 0);
        for (unsigned i = 0; i < 400; i += 2) {
                char name[16];

                (void)snprintf(name, sizeof(name), "db-%03u", i);
                stub_remove(engine, registry_by_name(engine->registry, name));
        }
        (void)stub_add(engine, "db-1505");
        client_await(&client, NULL);
        body = strstr(client.text.data, "\r\n\r\n") + 4;
        /* One family was composed before that, the other after it. */
        assert_int_equal(occurrences(body, "\npgwake_ready{"), 400);
        assert_int_equal(occurrences(body, "\npgwake_leases{"), 201);
        assert_int_equal(occurrences(body, "\npgwake_state{") % _STATE_MAX, 0);
        assert_true(check_exposition(body) > 3000);
        client_close(&client);
}

static void a_stream_hears_each_edge_in_order(void **state) {
        struct database *a = stub_add(engine, "a"), *b = stub_add(engine, "b");
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
        struct database *a = stub_add(engine, "a");

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
        struct database *a = stub_add(engine, "a");
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

/* Reads at most BYTES of what is there. */
static void client_read_some(struct client *client, size_t bytes) {
        char buffer[65536];
        ssize_t n;

        while (bytes > 0 && (n = read(client->fd, buffer, MIN(bytes, sizeof(buffer)))) > 0) {
                buffer_append(&client->text, buffer, (size_t)n);
                bytes -= (size_t)n;
        }
}

/* At the end a scrape goes on until its socket is full, and counts the connections of listeners that are there still. */
static void scrapes_that_run_as_it_ends_count_what_is_there(void **state) {
        struct client clients[64];
        char names[96][16];

        (void)state;
        for (unsigned i = 0; i < ARRAY_LENGTH(names); i++) {
                (void)snprintf(names[i], sizeof(names[i]), "database%02u", i);
                (void)stub_add(engine, names[i]);
        }
        for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++) {
                clients[i] = client_on(status_path);
                client_ask(&clients[i], "GET", "/metrics", "");
        }
        /* Each has another part of its answer before it when the end comes, and room for the next. */
        for (unsigned turn = 0; turn < ARRAY_LENGTH(clients); turn++) {
                turn_until(clock_boot_usec() + MSEC);
                for (unsigned i = turn; i < ARRAY_LENGTH(clients); i++)
                        client_read_some(&clients[i], 4096);
        }
        for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
                client_read(&clients[i]);
        server = server_free(server);
        for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
                client_close(&clients[i]);
        assert_int_equal(server_new(event, engine, &(struct server_hooks){0}, &server), 0);
}

static void the_end_answers_who_waits(void **state) {
        struct client waiting = client_on(status_path), stream = client_on(status_path), idle = client_on(status_path), lease;

        (void)state;
        (void)stub_add(engine, "a");
        lease = lease_on("/lease/a");
        client_ask(&waiting, "GET", "/readyz?wait=1h", "");
        client_ask(&stream, "GET", "/events", "");
        client_await(&stream, ": pgwaked\n\n");
        server = server_free(server);
        client_read(&waiting);
        client_read(&stream);
        client_read(&idle);
        client_read(&lease);
        assert_true(client_has(&waiting, "HTTP/1.1 503 ") && client_has(&waiting, "\"error\":\"stopping\""));
        assert_true(client_has(&stream, "0\r\n\r\n"));
        assert_true(client_has(&lease, "event: end\ndata: {") && client_has(&lease, "\"reason\":\"stopping\""));
        assert_true(client_has(&lease, "0\r\n\r\n"));
        assert_true(waiting.over && stream.over && idle.over && lease.over);
        /* The holder did not end it: after a restart it may come back. */
        assert_int_equal(engine->n_leases, 1);
        client_close(&lease);
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
                SERVER_TEST(a_wake_call_ends_when_newer_evidence_says_that_it_is_in_vain),
                SERVER_TEST(a_pause_ends_a_wake_call),
                SERVER_TEST(who_waited_with_spread_is_released_evenly_inside_it),
                SERVER_TEST(a_database_lost_before_its_moment_is_waited_for_on),
                SERVER_TEST(who_waits_on_has_another_moment),
                SERVER_TEST(many_releases_cost_little),
                SERVER_TEST(a_lease_is_a_stream_and_ends_with_it),
                SERVER_TEST(a_holder_that_does_not_read_is_released_when_it_is_gone),
                SERVER_TEST(a_holder_that_never_reads_is_dropped_at_last_with_its_lease),
                SERVER_TEST(who_reads_again_hears_of_the_gap_and_holds_on),
                SERVER_TEST(a_lease_that_ends_says_why),
                SERVER_TEST(a_database_taken_away_is_told_before_the_end),
                SERVER_TEST(a_lease_goes_on_when_a_reload_changed_the_database),
                SERVER_TEST(a_lease_by_the_clock_is_answered_at_once_and_ended_by_its_id),
                SERVER_TEST(a_lease_is_refused_with_its_reason),
                SERVER_TEST(many_leases_hear_each_edge),
                SERVER_TEST(a_pause_begins_and_ends),
                SERVER_TEST(a_reload_answers_what_the_hook_says),
                SERVER_TEST(many_databases_come_in_slices),
                SERVER_TEST(metrics_are_text_unless_openmetrics_is_asked_for),
                SERVER_TEST(databases_that_come_and_go_between_slices_tear_no_metric),
                SERVER_TEST(a_stream_hears_each_edge_in_order),
                SERVER_TEST(last_event_id_replays),
                SERVER_TEST(a_burst_longer_than_the_ring_is_told_as_a_gap),
                SERVER_TEST(scrapes_that_run_as_it_ends_count_what_is_there),
                SERVER_TEST(the_end_answers_who_waits),
        };

        return UNIT_RUN(tests);
}
