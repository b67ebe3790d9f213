/*
 * A server of which the bytes are the input, asked as the probers ask: libpq behind probe/connection.h, and the attempt around it.
 *
 * The first byte says what is asked (a login, an operator's query, the lag, a door), and whether the server closes behind its last byte or
 * falls silent. All its bytes lie in the socket before libpq reads the first. Whatever comes, the attempt ends, in a few steps, with a
 * reason and texts that are fit for a log.
 */
#include "folder.h"
#include "fuzz.h"

#include "base/clock.h"
#include "model/reason.h"
#include "probe/attempt-run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STAYS_OPEN 1
#define ASKS_QUERY 2
#define ASKS_LAG 4
#define HAS_PASSWORD 8
#define IS_DOOR 16
#define TIMEOUT_USEC (30 * USEC_PER_SEC)
/* Below what a socket holds unread. */
#define BYTES_MAX (32 * 1024)

static int listening_fd = -1;
static char folder[FUZZ_PATH_MAX];

static void listen_once(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char path[FUZZ_PATH_MAX];

        if (listening_fd >= 0)
                return;
        (void)fuzz_path(folder, "");
        (void)fuzz_path(path, ".s.PGSQL.5432");
        fuzz_check(strlen(path) < sizeof(address.sun_path), "TMPDIR is too long for a socket");
        memcpy(address.sun_path, path, strlen(path) + 1);
        listening_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        fuzz_check(bind(listening_fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "no socket");
        fuzz_check(listen(listening_fd, 8) == 0, "nobody can connect");
}

/* Takes the connection that libpq has opened and says all that the server says. */
static int answer(const uint8_t *data, size_t size, bool stays_open) {
        int fd = accept4(listening_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
                return -1;
        if (size)
                fuzz_check(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size, "the bytes do not fit");
        if (!stays_open)
                (void)shutdown(fd, SHUT_WR);
        return fd;
}

static void accept_order(struct attempt_run *run, struct conninfo *conninfo, uint8_t how) {
        struct attempt_request request = {
                .attempt = 1,
                .check = how & IS_DOOR ? CHECK_DOOR : CHECK_LOGIN,
                .conninfo = conninfo_ref(conninfo),
                .provider = provider_by_name(how & IS_DOOR ? "neon" : "postgres"),
                .timeout_usec = TIMEOUT_USEC,
                .expect_query = how & ASKS_QUERY ? strdup("SELECT 1") : NULL,
                .expect_value = how & ASKS_QUERY ? strdup("1") : NULL,
                .want_lag = how & ASKS_LAG,
                .hold_session = true,
                .in_flight = in_flight_new(),
        };

        fuzz_check(request.in_flight != NULL, "no memory");
        (void)in_flight_unref(request.in_flight); /* the other side's */
        attempt_accept(run, &request, USEC_PER_SEC, USEC_PER_SEC);
}

static enum attempt_todo wait_for_socket(struct attempt_run *run, uint64_t *now_usec) {
        struct pollfd fd = {.fd = connection_fd(run->connection), .events = run->connection->want_write ? POLLOUT : POLLIN};

        (*now_usec)++;
        if (fd.fd < 0 || poll(&fd, 1, 0) <= 0) {
                *now_usec = attempt_due(run);
                return attempt_expired(run, false, *now_usec);
        }
        connection_perform(run->connection, run->stage == ATTEMPT_CONNECTING ? OP_POLL : OP_RECEIVE);
        return attempt_performed(run, *now_usec);
}

static void check_text(const char *text) {
        for (const char *p = text; *p; p++)
                fuzz_check((unsigned char)*p >= ' ' && *p != 0x7F, "a text with a control character");
}

static void check_attempt(const struct attempt *attempt) {
        fuzz_check(attempt->reason < _REASON_MAX && attempt->last_phase < _PHASE_MAX, "a reason or a phase that is none");
        fuzz_check(attempt->total_usec <= TIMEOUT_USEC + USEC_PER_SEC, "it took longer than it may");
        check_text(attempt->detail);
        for (const char *p = attempt->sqlstate; *p; p++)
                fuzz_check((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z'), "an SQLSTATE that is none");
}

static void attempt(struct conninfo *conninfo, const uint8_t *data, size_t size, uint8_t how) {
        struct connection connection = {0};
        uint64_t now_usec = USEC_PER_SEC;
        struct attempt_run run = {0};
        enum attempt_todo todo;
        int fd = -1;

        accept_order(&run, conninfo, how);
        todo = attempt_start(&run, &connection, now_usec);
        for (unsigned steps = 0; todo != ATTEMPT_ENDED; steps++) {
                fuzz_check(steps < 1000 + 10 * size, "it does not end");
                if (todo == ATTEMPT_PERFORM) {
                        connection_perform(&connection, run.op);
                        todo = attempt_performed(&run, ++now_usec);
                } else
                        todo = wait_for_socket(&run, &now_usec);
                if (fd < 0)
                        fd = answer(data, size, how & STAYS_OPEN);
        }
        check_attempt(&run.attempt);
        attempt_clear(&run);
        connection_close(&connection);
        if (fd >= 0)
                (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *keywords[] = {"host", "port", "user", "dbname", NULL};
        char *values[] = {folder, (char *)"5432", (char *)"app", (char *)"app", NULL};
        struct conninfo conninfo = {.references = 1, .n = 4, .keywords = keywords, .values = values};

        if (size < 1 || size > BYTES_MAX)
                return 0;
        listen_once();
        conninfo.password = data[0] & HAS_PASSWORD ? (char *)"secret" : NULL;
        conninfo.password_source = conninfo.password ? CONNINFO_PASSWORD_FILE : CONNINFO_PASSWORD_NONE;
        attempt(&conninfo, data + 1, size - 1, data[0]);
        fuzz_check(conninfo.references == 1, "somebody still holds the settings");
        return 0;
}
