/*
 * The probers' reports on a held session, with a server that this test plays: whether the session ended, which side ended it, and which
 * answers to a ping leave it as it is.
 */
#include "unit.h"

#include "base/clock.h"
#include "base/error.h"
#include "probe/pool.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#define PATIENCE_USEC (20 * USEC_PER_SEC)
#define LONG_USEC (20 * USEC_PER_SEC)

/* The server. Its first answer on a connection is always good; a script provides the rest. */

enum act {
        ACT_GOOD,
        ACT_ERROR,
        ACT_ERROR_OF_STRANGE_CODE,
        ACT_ERROR_IN_TRANSACTION,
        ACT_ERROR_AND_EOF,
        ACT_FATAL,
        ACT_EOF,
        ACT_RESET,
        ACT_SILENCE,
        ACT_GARBAGE,
        ACT_ANOTHER_ROW,
};

struct server {
        int listen_fd;
        uint16_t port;
        pthread_t thread;
        _Atomic enum act next;
        atomic_uint connections;
        atomic_int fd; /* of the one that is served, or -1 */
};

static bool get(int fd, void *buffer, size_t size) {
        return size == 0 || recv(fd, buffer, size, MSG_WAITALL) == (ssize_t)size;
}

/* Skips a length word and the bytes that it counts; false at the end. */
static bool skip_body(int fd) {
        uint32_t length;
        char body[4096];

        if (!get(fd, &length, sizeof(length)))
                return false;
        length = ntohl(length) - (uint32_t)sizeof(length);
        return length <= sizeof(body) && get(fd, body, length);
}

static void put(int fd, const void *bytes, size_t size) {
        assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

static void put_message(int fd, char type, const void *body, size_t size) {
        uint32_t length = htonl((uint32_t)(size + sizeof(length)));

        put(fd, &type, 1);
        put(fd, &length, sizeof(length));
        put(fd, body, size);
}

static void put_ready(int fd, char transaction) {
        put_message(fd, 'Z', &transaction, 1);
}

/* N columns; the first five answer the probe query. */
static void put_row(int fd, uint16_t n) {
        static const char *const values[] = { "1000000", "1700000000000000", "f", "150000", "off", "1" };
        char description[256] = { 0, (char)n }, row[256] = { 0, (char)n };
        size_t described = 2, size = 2;

        for (uint16_t i = 0; i < n; i++) {
                size_t length = strlen(values[i]);

                description[described] = 'c';
                described += 2 + 4 + 2 + 4 + 2 + 4 + 2;
                row[size + 3] = (char)length;
                memcpy(row + size + 4, values[i], length);
                size += 4 + length;
        }
        put_message(fd, 'T', description, described);
        put_message(fd, 'D', row, size);
        put_message(fd, 'C', "SELECT 1", sizeof("SELECT 1"));
        put_ready(fd, 'I');
}

static void put_error(int fd, const char *severity, const char *sqlstate, const char *text) {
        char body[256];
        int size = snprintf(body, sizeof(body), "S%s%cV%s%cC%s%cM%s%c", severity, 0, severity, 0, sqlstate, 0, text, 0);

        put_message(fd, 'E', body, (size_t)size + 1);
}

static void end_with_reset(int fd) {
        const struct linger linger = { .l_onoff = 1 };

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
}

/* Answers whether the connection goes on. */
static bool act(int fd, enum act act) {
        switch (act) {
        case ACT_GOOD:
                put_row(fd, 5);
                return true;
        case ACT_ERROR:
                put_error(fd, "ERROR", "22012", "division by zero");
                put_ready(fd, 'I');
                return true;
        case ACT_ERROR_OF_STRANGE_CODE:
                put_error(fd, "ERROR", "\x1b[2J\n", "division by zero");
                put_ready(fd, 'I');
                return true;
        case ACT_ERROR_IN_TRANSACTION:
                put_error(fd, "ERROR", "22012", "division by zero");
                put_ready(fd, 'E');
                return true;
        case ACT_ERROR_AND_EOF:
                put_error(fd, "ERROR", "08P01", "query_wait_timeout");
                return false;
        case ACT_FATAL:
                put_error(fd, "FATAL", "57P01", "terminating connection due to administrator command");
                return false;
        case ACT_EOF:
                return false;
        case ACT_RESET:
                end_with_reset(fd);
                return false;
        case ACT_SILENCE:
                return true;
        case ACT_GARBAGE:
                put(fd, "yyyyyyyyyyyyyyyyyyyyyyyy", 24);
                return true;
        case ACT_ANOTHER_ROW:
                put_row(fd, 1);
                return true;
        }
        return false;
}

static void serve_one(struct server *server, int fd) {
        static const char welcome[] = { 'R', 0, 0, 0, 8, 0, 0, 0, 0, 'Z', 0, 0, 0, 5, 'I' };
        bool good = true;
        char type;

        if (!skip_body(fd))
                return;
        put(fd, welcome, sizeof(welcome));
        while (get(fd, &type, 1) && skip_body(fd) && type == 'Q') {
                if (!act(fd, good ? ACT_GOOD : server->next))
                        return;
                good = false;
        }
}

static void *serve(void *userdata) {
        struct server *server = userdata;
        int fd;

        while ((fd = accept(server->listen_fd, NULL, NULL)) >= 0) {
                server->connections++;
                server->fd = fd;
                serve_one(server, fd);
                server->fd = -1;
                (void)close(fd);
        }
        return NULL;
}

static void server_start(struct server *server) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        server->fd = -1;
        server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(server->listen_fd >= 0);
        assert_int_equal(bind(server->listen_fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(server->listen_fd, 8), 0);
        assert_int_equal(getsockname(server->listen_fd, (struct sockaddr *)&address, &size), 0);
        server->port = ntohs(address.sin_port);
        assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server) {
        (void)shutdown(server->listen_fd, SHUT_RDWR);
        (void)shutdown(server->fd, SHUT_RDWR);
        (void)pthread_join(server->thread, NULL);
        (void)close(server->listen_fd);
}

/* The client. */

struct fixture {
        struct server server;
        sd_event *event;
        struct probe_pool *pool;
        char port[8];
        const char *keywords[6];
        char *values[6];
        struct conninfo conninfo;
        uint64_t attempt;

        struct probe_report last;
        unsigned attempts, ends; /* reports of each kind */
};

static void on_report(void *userdata, const struct probe_report *report) {
        struct fixture *f = userdata;

        f->last = *report;
        if (report->kind == PROBE_REPORT_ATTEMPT)
                f->attempts++;
        else
                f->ends++;
}

static int set_up(void **state) {
        static const char *const pairs[][2] = { { "host", "127.0.0.1" }, { "user", "app" }, { "dbname", "app" }, { "sslmode", "disable" } };
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        server_start(&f->server);
        (void)snprintf(f->port, sizeof(f->port), "%u", f->server.port);
        f->keywords[0] = "port";
        f->values[0] = f->port;
        for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
                f->keywords[1 + i] = pairs[i][0];
                f->values[1 + i] = (char *)pairs[i][1];
        }
        f->conninfo = (struct conninfo){ .references = 1, .n = 1 + ARRAY_LENGTH(pairs), .keywords = f->keywords, .values = f->values };
        assert_true(sd_event_new(&f->event) >= 0);
        assert_int_equal(probe_pool_new(f->event, 1, on_report, f, &f->pool), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *f = *state;

        probe_pool_free(f->pool, USEC_PER_SEC);
        sd_event_unref(f->event);
        server_stop(&f->server);
        free(f);
        return 0;
}

static void wait_for(struct fixture *f, const unsigned *reports, unsigned n) {
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC;

        while (*reports < n) {
                assert_true(clock_monotonic_usec() < until);
                assert_true(sd_event_run(f->event, USEC_PER_SEC) >= 0);
        }
        assert_int_equal(*reports, n);
}

static const struct attempt *check(struct fixture *f, enum check check, uint64_t timeout_usec) {
        const struct probe_request request = {
                .database = 1,
                .attempt = ++f->attempt,
                .check = check,
                .conninfo = &f->conninfo,
                .provider = provider_by_name("postgres"),
                .timeout_usec = timeout_usec,
                .hold_session = true,
        };
        unsigned seen = f->attempts;

        assert_int_equal(probe_pool_check(f->pool, &request), 0);
        wait_for(f, &f->attempts, seen + 1);
        assert_int_equal(f->last.attempt.id, f->attempt);
        return &f->last.attempt;
}

static void log_in(struct fixture *f) {
        const struct attempt *attempt = check(f, CHECK_LOGIN, LONG_USEC);

        assert_int_equal(attempt->reason, REASON_NONE);
        assert_true(attempt->session_held);
        assert_false(attempt->session_ended);
}

static void assert_ping(struct fixture *f, enum act next, uint64_t timeout_usec, enum reason reason, bool held, bool ended) {
        const struct attempt *attempt;

        f->server.next = next;
        attempt = check(f, CHECK_PING, timeout_usec);
        assert_string_equal(reason_slug(attempt->reason), reason_slug(reason));
        assert_int_equal(attempt->session_held, held);
        assert_int_equal(attempt->session_ended, ended);
}

static void a_ping_that_is_answered_by_an_error_keeps_the_session(void **state) {
        struct fixture *f = *state;

        log_in(f);
        for (unsigned i = 0; i < 3; i++) {
                assert_ping(f, ACT_ERROR, LONG_USEC, REASON_QUERY_FAILED, true, false);
                assert_string_equal(f->last.attempt.sqlstate, "22012");
                assert_non_null(strstr(f->last.attempt.detail, "division by zero"));
        }
        assert_ping(f, ACT_GOOD, LONG_USEC, REASON_NONE, true, false);
        assert_int_equal(f->server.connections, 1);
        assert_int_equal(f->ends, 0);
}

static void a_code_that_is_no_sqlstate_is_told_as_none(void **state) {
        struct fixture *f = *state;

        log_in(f);
        assert_ping(f, ACT_ERROR_OF_STRANGE_CODE, LONG_USEC, REASON_QUERY_FAILED, true, false);
        assert_string_equal(f->last.attempt.sqlstate, "");
        assert_string_equal(f->last.attempt.detail, "division by zero");
}

static void the_end_after_an_error_is_told_by_its_own_cause(void **state) {
        struct fixture *f = *state;

        log_in(f);
        assert_ping(f, ACT_ERROR, LONG_USEC, REASON_QUERY_FAILED, true, false);
        assert_ping(f, ACT_EOF, LONG_USEC, REASON_SESSION_LOST, false, true);
        assert_string_equal(f->last.attempt.sqlstate, "");
}

static void a_session_that_its_error_left_in_a_transaction_is_closed(void **state) {
        struct fixture *f = *state;

        log_in(f);
        assert_ping(f, ACT_ERROR_IN_TRANSACTION, LONG_USEC, REASON_QUERY_FAILED, false, false);
        log_in(f);
        assert_int_equal(f->server.connections, 2);
}

static void what_the_server_ends_has_ended(void **state) {
        static const struct {
                enum act act;
                enum reason reason;
                const char *sqlstate;
        } rows[] = {
                { ACT_FATAL, REASON_SESSION_CUT, "57P01" },
                { ACT_EOF, REASON_SESSION_LOST, "" },
                { ACT_RESET, REASON_SESSION_LOST, "" },
                { ACT_ERROR_AND_EOF, REASON_SERVER_FULL, "08P01" },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
                log_in(f);
                assert_ping(f, rows[i].act, LONG_USEC, rows[i].reason, false, true);
                assert_string_equal(f->last.attempt.sqlstate, rows[i].sqlstate);
        }
        assert_int_equal(f->ends, 0);
}

static void what_we_close_has_not_ended(void **state) {
        struct fixture *f = *state;

        log_in(f);
        assert_ping(f, ACT_SILENCE, 50 * USEC_PER_MSEC, REASON_QUERY_TIMEOUT, false, false);
        log_in(f);
        assert_ping(f, ACT_GARBAGE, LONG_USEC, REASON_PROTOCOL_GARBAGE, false, false);
        log_in(f);
        assert_ping(f, ACT_ANOTHER_ROW, LONG_USEC, REASON_PROTOCOL_GARBAGE, false, false);
}

/* The session that is closed is the one that an error had been answered on. */
static void an_idle_session_that_goes_is_reported_as_ended(void **state) {
        struct fixture *f = *state;

        log_in(f);
        assert_ping(f, ACT_ERROR, LONG_USEC, REASON_QUERY_FAILED, true, false);
        server_stop(&f->server);
        wait_for(f, &f->ends, 1);
        assert_true(f->last.attempt.session_ended);
        assert_true(f->last.bare_eof);
        assert_string_equal(reason_slug(f->last.attempt.reason), "session.lost");
        assert_string_equal(f->last.attempt.sqlstate, "");
        server_start(&f->server);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_ping_that_is_answered_by_an_error_keeps_the_session, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_code_that_is_no_sqlstate_is_told_as_none, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_end_after_an_error_is_told_by_its_own_cause, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_session_that_its_error_left_in_a_transaction_is_closed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_the_server_ends_has_ended, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_we_close_has_not_ended, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_idle_session_that_goes_is_reported_as_ended, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
