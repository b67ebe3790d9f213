/*
 * The workarounds for libpq's gaps are all here:
 *
 * - The SQLSTATE of a failed connect has no accessor; verbose messages carry it (model/classify.h reads them).
 * - A FATAL that arrives while no query runs is delivered as a notice, and only the next read finds the end of the connection. Both are one
 *   event: the notice is enough.
 * - libpq trusts every length word, and reads on while there is data. How much a server may send in answer to one query is bounded here by
 *   the kernel's own count of received bytes, which includes what libpq discards (an endless stream of notices).
 * - PQcancel() blocks. Nothing is ever cancelled: a connection that took too long is closed.
 */
#include "probe/connection.h"

#include "base/buffer.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/text.h"
#include "probe/parameters.h"

#include <libpq-fe.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define RECEIVED_MAX (UINT64_C(1) << 20)
static bool asks_for_tls_first(const struct conninfo *conninfo) {
        const char *mode = conninfo_get(conninfo, "sslmode");

        return !conninfo_is_socket(conninfo) && !(mode && (streq(mode, "disable") || streq(mode, "allow")));
}

/* As an int: a newer libpq has more states, and must not break the build. */
static enum phase phase_of(const struct connection *c) {
        switch ((int)PQstatus(c->pg)) {
        case CONNECTION_NEEDED:
        case CONNECTION_STARTED:
                return PHASE_CONNECT;
        case CONNECTION_MADE:
                return !PQsslInUse(c->pg) && asks_for_tls_first(c->conninfo) ? PHASE_TLS : PHASE_AUTH;
        case CONNECTION_SSL_STARTUP:
        case CONNECTION_GSS_STARTUP:
                return PHASE_TLS;
        case CONNECTION_AWAITING_RESPONSE:
        case CONNECTION_AUTH_OK:
        case CONNECTION_SETENV:
        case CONNECTION_CHECK_WRITABLE:
        case CONNECTION_CONSUME:
        case CONNECTION_CHECK_TARGET:
        case CONNECTION_CHECK_STANDBY:
                return PHASE_AUTH;
        case CONNECTION_OK:
                return PHASE_QUERY;
        default:
                return c->phase; /* CONNECTION_BAD: the phase in which it failed */
        }
}

/*
 * Whether the server ends the session with this message: FATAL, or the WARNING of a process that must exit at once (another one crashed, or
 * an immediate shutdown).
 */
static bool says_end(const char *severity, const char *sqlstate) {
        return streq(severity, "FATAL") || streq(severity, "PANIC") || streq(sqlstate, "57P01") || streq(sqlstate, "57P02");
}

/* A server's notice counts if it ends the session. A notice without a SQLSTATE is libpq's own, about a protocol violation. */
static void take_notice(void *userdata, const PGresult *notice) {
        struct connection *c = userdata;
        const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
        const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE), *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);

        if (!severity)
                severity = PQresultErrorField(notice, PG_DIAG_SEVERITY);
        if (c->words || !severity || !text)
                return;
        if (sqlstate && !says_end(severity, sqlstate))
                return;
        c->words = strdup(text);
        (void)text_copy(c->severity, sizeof(c->severity), sqlstate ? "FATAL" : severity);
        (void)text_copy(c->sqlstate, sizeof(c->sqlstate), sqlstate);
}

static enum step connection_fail(struct connection *c, const char *complaint) {
        c->complaint = complaint;
        return STEP_FAILED;
}

static enum step lacks(struct connection *c, int error) {
        c->error = error;
        return connection_fail(c, strerrordesc_np(error));
}

/*
 * libpq reports a lack of descriptors in many ways, and for a certificate only as unreadable. So descriptors are tested here. A message of
 * the server stands.
 */
static enum step fail_connecting(struct connection *c) {
        char severity[SEVERITY_MAX], sqlstate[SQLSTATE_LENGTH + 1], primary[1];
        int r = descriptor_check(DESCRIPTOR_ESSENTIAL);

        if (r < 0 && !classify_parse_message(PQerrorMessage(c->pg), severity, sqlstate, primary, sizeof(primary)))
                return lacks(c, -r);
        return STEP_FAILED;
}

static uint64_t count_received(const struct connection *c) {
        struct tcp_info info;
        socklen_t size = sizeof(info);

        if (getsockopt(PQsocket(c->pg), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
            size >= offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received))
                return info.tcpi_bytes_received;
        return c->received_here;
}

/* The mark is set at the first wait, so that the usual answer, complete at once, costs no system call. */
static bool received_too_much(struct connection *c) {
        uint64_t received = count_received(c);

        if (c->received_before == UINT64_MAX)
                c->received_before = received;
        return received - c->received_before > RECEIVED_MAX;
}

static enum step wait_for_more(struct connection *c) {
        if (received_too_much(c))
                return connection_fail(c, "protocol error: more data than any answer can have");
        return STEP_WAIT;
}

static enum step op_start(struct connection *c) {
        struct parameters parameters;
        int r;

        c->phase = PHASE_CONNECT;
        c->received_before = 0;
        r = descriptor_check(DESCRIPTOR_CONNECTION);
        if (r < 0)
                return lacks(c, -r);
        parameters_fill(&parameters, c->conninfo, c->address, c->door, c->keep);
        c->pg = PQconnectStartParams(parameters.keywords, parameters.values, 0);
        if (!c->pg)
                return lacks(c, ENOMEM);
        (void)PQsetErrorVerbosity(c->pg, PQERRORS_VERBOSE);
        (void)PQsetNoticeReceiver(c->pg, take_notice, c);
        if (PQstatus(c->pg) == CONNECTION_BAD)
                return fail_connecting(c);
        c->want_write = true;
        c->phase = phase_of(c);
        return STEP_WAIT;
}

static enum step op_poll(struct connection *c) {
        PostgresPollingStatusType poll;

        /* CONNECTION_MADE only waits for the socket to be writable, which it just was. */
        do
                poll = PQconnectPoll(c->pg);
        while (poll == PGRES_POLLING_WRITING && PQstatus(c->pg) == CONNECTION_MADE);

        c->phase = phase_of(c);
        c->want_write = poll == PGRES_POLLING_WRITING;
        c->let_in = c->let_in || PQstatus(c->pg) == CONNECTION_AUTH_OK || PQstatus(c->pg) == CONNECTION_OK;
        switch (poll) {
        case PGRES_POLLING_OK:
                /* PQfinish() must not wait either, for a socket to take its last bytes. */
                return PQsetnonblocking(c->pg, 1) < 0 ? STEP_FAILED : STEP_DONE;
        case PGRES_POLLING_READING:
        case PGRES_POLLING_WRITING:
        case PGRES_POLLING_ACTIVE:
                return wait_for_more(c);
        case PGRES_POLLING_FAILED:
                break;
        }
        return fail_connecting(c);
}

/* Until the next query, libpq's text repeats an error that the server has answered. */
static void clear_result(struct connection *c) {
        if (c->result && PQresultStatus(c->result) == PGRES_FATAL_ERROR)
                c->told = strlen(PQerrorMessage(c->pg));
        PQclear(c->result);
        c->result = NULL;
}

/* Returns 0, even if the rest must wait until the socket is writable, or -EIO. */
static int connection_flush(struct connection *c) {
        int r = PQflush(c->pg);

        c->want_write = r == 1;
        return r < 0 ? -EIO : 0;
}

static enum step op_send(struct connection *c) {
        clear_result(c);
        c->told = 0;
        c->phase = PHASE_QUERY;
        if (!PQsendQuery(c->pg, c->sql) || connection_flush(c) < 0)
                return STEP_FAILED;
        return STEP_WAIT;
}

static int count_where_kernel_does_not(struct connection *c) {
        int waiting = 0;

        if (conninfo_is_socket(c->conninfo) && ioctl(PQsocket(c->pg), FIONREAD, &waiting) == 0)
                c->received_here += (uint64_t)waiting;
        return waiting;
}

/* Notifications would pile up in libpq: we listen to none, but a server may send any. */
static void drop_notifications(struct connection *c) {
        PGnotify *notification;

        while ((notification = PQnotifies(c->pg)))
                PQfreemem(notification);
}

static bool consume(struct connection *c) {
        (void)count_where_kernel_does_not(c);
        if (!PQconsumeInput(c->pg))
                return false;
        /* A TLS record may exceed libpq's buffer; the rest waits in the TLS library, where epoll does not see it. */
        if (PQisBusy(c->pg) && PQsslInUse(c->pg) && !PQconsumeInput(c->pg))
                return false;
        drop_notifications(c);
        return true;
}

static const char *error_field(const struct connection *c, int field) {
        return c->result && PQresultStatus(c->result) == PGRES_FATAL_ERROR ? PQresultErrorField(c->result, field) : NULL;
}

static bool has_severity(const struct connection *c, const char *severity) {
        const char *said = error_field(c, PG_DIAG_SEVERITY_NONLOCALIZED);

        if (!said)
                said = error_field(c, PG_DIAG_SEVERITY);
        return said && streq(said, severity);
}

/*
 * The first error counts, or else the first result with rows. After an ERROR the server goes on, so it is read to the end. A COPY would
 * never end: that, and any status of a newer libpq, is no answer to a query.
 */
static enum step take_result(struct connection *c, PGresult *result) {
        if (error_field(c, PG_DIAG_SQLSTATE)) {
                PQclear(result);
                return PQstatus(c->pg) == CONNECTION_OK ? STEP_WAIT : STEP_FAILED;
        }
        switch ((int)PQresultStatus(result)) {
        case PGRES_TUPLES_OK:
                if (!c->result) {
                        c->result = result;
                        return STEP_WAIT;
                }
                break;
        case PGRES_COMMAND_OK:
        case PGRES_EMPTY_QUERY:
        case PGRES_NONFATAL_ERROR:
                break;
        case PGRES_BAD_RESPONSE:
        case PGRES_FATAL_ERROR:
                clear_result(c);
                c->result = result;
                return has_severity(c, "ERROR") ? STEP_WAIT : STEP_FAILED;
        default:
                PQclear(result);
                return connection_fail(c, "protocol error: not an answer to a query");
        }
        PQclear(result);
        return STEP_WAIT;
}

static enum step op_receive(struct connection *c) {
        if (c->want_write && connection_flush(c) < 0)
                return STEP_FAILED;
        if (!consume(c))
                return STEP_FAILED;
        while (!PQisBusy(c->pg)) {
                PGresult *result = PQgetResult(c->pg);

                if (!result)
                        return PQstatus(c->pg) == CONNECTION_OK && !error_field(c, PG_DIAG_SQLSTATE) ? STEP_DONE : STEP_FAILED;
                if (take_result(c, result) == STEP_FAILED)
                        return STEP_FAILED;
        }
        return wait_for_more(c);
}

static enum step op_idle(struct connection *c) {
        bool alive;

        /* The answer to the last query is no evidence of what comes now. */
        clear_result(c);
        alive = consume(c);
        /* Parses what was read before the end, so that the cause of the end is known. */
        (void)PQisBusy(c->pg);
        if (!alive || c->words || PQstatus(c->pg) != CONNECTION_OK)
                return STEP_FAILED;
        return wait_for_more(c);
}

void connection_aim(struct connection *c, struct conninfo *conninfo, const char *address, bool door, bool keep) {
        connection_close(c);
        c->conninfo = conninfo_ref(conninfo);
        (void)text_copy(c->address, sizeof(c->address), address);
        c->door = door;
        c->keep = keep;
}

void connection_set_query(struct connection *c, const char *sql, char *own) {
        free(c->own_sql);
        c->own_sql = own;
        c->sql = own ? own : sql;
}

static enum step connection_perform_op(struct connection *c, enum op op) {
        switch (op) {
        case OP_START:
                return op_start(c);
        case OP_POLL:
                return op_poll(c);
        case OP_SEND:
                return op_send(c);
        case OP_RECEIVE:
                return op_receive(c);
        case OP_IDLE:
                return op_idle(c);
        }
        return STEP_FAILED;
}

void connection_perform(struct connection *c, enum op op) {
        c->step = connection_perform_op(c, op);
}

int connection_fd(const struct connection *c) {
        return c->pg ? PQsocket(c->pg) : -1;
}

void connection_forget_received(struct connection *c) {
        c->received_before = UINT64_MAX;
}

bool connection_has_row(const struct connection *c, unsigned columns) {
        return c->result && PQntuples(c->result) == 1 && PQnfields(c->result) == (int)columns;
}

const char *connection_value(const struct connection *c, unsigned column) {
        if (!c->result || PQntuples(c->result) < 1 || (int)column >= PQnfields(c->result) || PQgetisnull(c->result, 0, (int)column))
                return NULL;
        return PQgetvalue(c->result, 0, (int)column);
}

static const char *new_text(const struct connection *c) {
        const char *text = c->pg ? PQerrorMessage(c->pg) : "";

        return text + MIN(c->told, strlen(text));
}

void connection_failure(const struct connection *c, struct failure *ret_failure) {
        struct failure e = { .kind = c->error ? FAILURE_SYSTEM : FAILURE_LIBPQ, .phase = c->phase, .error = c->error };

        if (c->complaint)
                e.text = c->complaint;
        else if (c->words) {
                e.text = c->words;
                e.severity = c->severity;
                e.sqlstate = *c->sqlstate ? c->sqlstate : NULL;
        } else if (error_field(c, PG_DIAG_SQLSTATE)) {
                e.severity = error_field(c, PG_DIAG_SEVERITY_NONLOCALIZED);
                e.sqlstate = error_field(c, PG_DIAG_SQLSTATE);
                e.text = error_field(c, PG_DIAG_MESSAGE_PRIMARY);
        } else
                e.text = new_text(c);
        if (!e.text)
                e.text = "";
        *ret_failure = e;
}

/* A server's text in another encoding, or sent to annoy, must not break the logs and answers that show it. */
static void replace_strange_bytes(char *text) {
        while (*text) {
                size_t length = text_decode(text, NULL);

                if (length == 0)
                        *text = '?';
                text += MAX(length, (size_t)1);
        }
}

/* The server may mention its user, database and host anyway; and a very short word is no secret. */
static bool is_no_secret(const struct connection *c, const char *password) {
        static const char *const public[] = {"user", "dbname", "host"};

        for (size_t i = 0; i < ARRAY_LENGTH(public); i++) {
                const char *value = conninfo_get(c->conninfo, public[i]);

                if (value && streq(value, password))
                        return true;
        }
        return strlen(password) < 4;
}

/*
 * A server that repeats the password must not get it into a log. It is hidden before the text is cut short, so that no piece of it is left.
 */
static char *hide_password(const struct connection *c, const char *text) {
        const char *password = c->pg ? PQpass(c->pg) : NULL, *found;
        struct buffer hidden = {0};

        if (password && !is_no_secret(c, password))
                for (; (found = strstr(text, password)); text = found + strlen(password)) {
                        buffer_append(&hidden, text, (size_t)(found - text));
                        buffer_append_string(&hidden, "***");
                }
        buffer_append_string(&hidden, text);
        return buffer_steal(&hidden);
}

/* The server's message, or libpq's first line without the place that it names, which is reported elsewhere. */
void connection_detail(const struct connection *c, char *buffer, size_t size) {
        static const char preamble[] = " failed: ";
        char severity[SEVERITY_MAX], sqlstate[SQLSTATE_LENGTH + 1];
        _cleanup_free_ char *text = NULL;
        struct failure e;
        const char *behind;

        connection_failure(c, &e);
        text = hide_password(c, e.text);
        if (!text)
                buffer[0] = '\0';
        else if (e.sqlstate || !classify_parse_message(text, severity, sqlstate, buffer, size)) {
                behind = e.sqlstate ? NULL : strstr(text, preamble);
                (void)text_copy(buffer, size, behind ? behind + strlen(preamble) : text);
                buffer[strcspn(buffer, "\n")] = '\0';
        }
        replace_strange_bytes(buffer);
        (void)text_flatten(buffer);
}

/* PQconnectionNeedsPassword() alone is also true if no password would help: channel binding was required and not offered. */
bool connection_password_was_asked(const struct connection *c) {
        return c->pg && PQconnectionNeedsPassword(c->pg) && strstr(PQerrorMessage(c->pg), "no password supplied");
}

bool connection_ended_mutely(const struct connection *c) {
        return !c->words && !c->complaint && !error_field(c, PG_DIAG_SQLSTATE);
}

bool connection_is_usable(const struct connection *c) {
        return has_severity(c, "ERROR") && PQstatus(c->pg) == CONNECTION_OK && PQtransactionStatus(c->pg) == PQTRANS_IDLE;
}

/* A notice without a SQLSTATE is libpq's own, about a protocol violation; so is this text, after which it closes the connection. */
bool connection_ended_by_server(const struct connection *c) {
        if (c->complaint)
                return false;
        if (c->words)
                return *c->sqlstate;
        if (has_severity(c, "FATAL") || has_severity(c, "PANIC"))
                return true;
        return PQstatus(c->pg) == CONNECTION_BAD && !text_contains(new_text(c), "lost synchronization with server");
}

/* The texts of libpq and OpenSSL for it, with TLS and without. */
bool connection_ended_by_eof(const struct connection *c) {
        const char *text = new_text(c);

        return connection_ended_mutely(c) && (text_contains(text, "closed the connection unexpectedly") ||
                                              text_contains(text, "connection has been closed unexpectedly") ||
                                              text_contains(text, "eof while reading") || text_contains(text, "EOF detected"));
}

void connection_close(struct connection *c) {
        clear_result(c);
        if (c->pg)
                PQfinish(c->pg);
        c->pg = NULL;
        c->conninfo = conninfo_unref(c->conninfo);
        connection_set_query(c, NULL, NULL);
        free(c->words);
        c->words = NULL;
        c->complaint = NULL;
        c->error = 0;
        c->told = 0;
        c->severity[0] = c->sqlstate[0] = '\0';
        c->want_write = c->let_in = false;
        c->received_before = UINT64_MAX;
        c->received_here = 0;
}
