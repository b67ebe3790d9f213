#include "model/classify-tables.h"

#include "base/error.h"
#include "base/macro.h"

enum where {
        ANYWHERE,
        LOGIN, /* before the first query */
};

/*
 * One table for two ways of reading it. By code: a row fits if the SQLSTATE begins with its code and its texts, if any, are found. By text:
 * a row fits if it has texts and they are found; its code does not matter. So a row without texts is for codes only, and one without a code
 * is for texts only. The first row that fits decides.
 */
struct server_row {
        const char *code; /* 2 characters (a class) or 5; or NULL */
        const char *contains;
        const char *and_contains; /* after the first */
        enum where where;
        enum reason reason;
};

static const struct server_row server_rows[] = {
        /*
         * Before, while and after a server takes connections. A translated text is not found, and leaves only the code: it says "not now".
         */
        { .code = "57P03", .contains = "system is shutting down", .reason = REASON_SERVER_STOPPING },
        { .code = "57P03", .contains = "system is in recovery mode", .reason = REASON_SERVER_RECOVERING },
        { .code = "57P03", .contains = "system is not yet accepting connections", .reason = REASON_SERVER_STARTING },
        { .code = "57P03", .contains = "system is not accepting connections", .reason = REASON_SERVER_REFUSING },
        { .code = "57P03", .contains = "system is starting up", .reason = REASON_SERVER_STARTING },
        { .code = "57P03", .reason = REASON_SERVER_STARTING },
        { .code = "57P01", .contains = "due to administrator command", .reason = REASON_SERVER_STOPPING },
        { .code = "57P01", .reason = REASON_SERVER_STOPPING },
        { .code = "57P02", .contains = "because of crash of another server process", .reason = REASON_SERVER_CRASHED },
        { .code = "57P02", .reason = REASON_SERVER_CRASHED },

        /* These end an established session. A check that receives one reports the same, and the next login tells more. */
        { .code = "57P04", .reason = REASON_SESSION_CUT },
        { .code = "57P05", .contains = "due to idle-session timeout", .reason = REASON_SESSION_CUT },
        { .code = "57P05", .reason = REASON_SESSION_CUT },
        { .code = "25P03", .contains = "due to idle-in-transaction timeout", .reason = REASON_SESSION_CUT },
        { .code = "25P03", .reason = REASON_SESSION_CUT },

        /* No free slot: of the server, a role, a database, or (PgBouncer) a pool. */
        { .code = "53300", .contains = "too many clients already", .reason = REASON_SERVER_FULL },
        { .code = "53300", .contains = "remaining connection slots are reserved", .reason = REASON_SERVER_FULL },
        { .code = "53300", .contains = "too many connections for", .reason = REASON_SERVER_FULL },
        { .code = "53300", .reason = REASON_SERVER_FULL },
        { .contains = "no more connections allowed", .reason = REASON_SERVER_FULL },
        { .contains = "client connections exceeded", .reason = REASON_SERVER_FULL },
        { .contains = "query_wait_timeout", .reason = REASON_SERVER_FULL },

        /* Credentials. A rejection by a directory service, or of a certificate, is auth.rejected: no password of ours would change it. */
        { .code = "28", .contains = "password authentication failed", .reason = REASON_AUTH_PASSWORD },
        { .code = "28", .contains = "SASL authentication failed", .reason = REASON_AUTH_PASSWORD },
        { .code = "28P01", .reason = REASON_AUTH_PASSWORD },
        { .code = "28", .contains = "no pg_hba.conf entry", .reason = REASON_AUTH_REJECTED },
        { .code = "28", .contains = "pg_hba.conf rejects connection", .reason = REASON_AUTH_REJECTED },
        { .code = "28", .contains = "is not permitted to log in", .reason = REASON_AUTH_REJECTED },
        { .code = "28", .contains = "role \"", .and_contains = "\" does not exist", .reason = REASON_AUTH_REJECTED },
        { .code = "28", .contains = "requires a valid client certificate", .reason = REASON_AUTH_REJECTED },
        { .code = "28", .contains = "authentication failed", .reason = REASON_AUTH_REJECTED },
        { .code = "28", .reason = REASON_AUTH_REJECTED },
        { .contains = "login rejected", .reason = REASON_AUTH_REJECTED },
        { .contains = "no such user", .reason = REASON_AUTH_REJECTED },
        { .contains = "SSL required", .reason = REASON_AUTH_REJECTED },
        { .contains = "unsupported startup parameter", .reason = REASON_AUTH_REJECTED },

        /* The database. */
        { .code = "3D000", .contains = "database \"", .and_contains = "\" does not exist", .reason = REASON_DATABASE_MISSING },
        { .code = "3D000", .reason = REASON_DATABASE_MISSING },
        { .contains = "no such database", .reason = REASON_DATABASE_MISSING },
        { .code = "42501", .contains = "permission denied for database", .reason = REASON_DATABASE_DENIED },
        { .code = "42501", .where = LOGIN, .reason = REASON_DATABASE_DENIED },
        { .code = "55000", .contains = "is not currently accepting connections", .reason = REASON_DATABASE_DENIED },
        { .code = "55000", .contains = "cannot connect to invalid database", .reason = REASON_DATABASE_DENIED },
        { .code = "55000", .where = LOGIN, .reason = REASON_DATABASE_DENIED },
        { .contains = "database \"", .and_contains = "\" is disabled", .reason = REASON_DATABASE_DENIED },

        /* Time. A cancel before the first query is the server's authentication_timeout. */
        { .code = "57014", .contains = "canceling authentication due to timeout", .reason = REASON_AUTH_TIMEOUT },
        { .code = "57014", .contains = "canceling statement due to", .reason = REASON_QUERY_TIMEOUT },
        { .code = "57014", .where = LOGIN, .reason = REASON_AUTH_TIMEOUT },
        { .code = "57014", .reason = REASON_QUERY_TIMEOUT },
        { .contains = "client_login_timeout", .reason = REASON_AUTH_TIMEOUT },
        { .contains = "query_timeout", .reason = REASON_QUERY_TIMEOUT },

        /* PgBouncer, about itself and the server behind it. An error that it relays from that server is found above. */
        { .contains = "pooler is shutting down", .reason = REASON_SERVER_STOPPING },
        { .contains = "server shutting down", .reason = REASON_SERVER_STOPPING },
        { .contains = "server login has been failing", .reason = REASON_SERVER_REFUSING },
        { .contains = "server login failed", .reason = REASON_SERVER_REFUSING },
        /* A postmaster that cannot even fork a process sends this, in a form older than SQLSTATEs. */
        { .contains = "could not fork new process for connection", .reason = REASON_SERVER_REFUSING },

        /* Other login failures: options that the server does not accept, ... */
        { .code = "22", .where = LOGIN, .reason = REASON_AUTH_REJECTED },
        { .code = "42", .where = LOGIN, .reason = REASON_AUTH_REJECTED },
        { .code = "F0", .where = LOGIN, .reason = REASON_AUTH_REJECTED },
        /* ... and a server (or pooler: 08P01 for nearly everything) that cannot serve now. */
        { .code = "08P01", .reason = REASON_SERVER_REFUSING },
        { .code = "08", .where = LOGIN, .reason = REASON_SERVER_REFUSING },
        { .code = "53", .where = LOGIN, .reason = REASON_SERVER_REFUSING },
        { .code = "54", .where = LOGIN, .reason = REASON_SERVER_REFUSING },
        { .code = "57", .where = LOGIN, .reason = REASON_SERVER_REFUSING },
        { .code = "58", .where = LOGIN, .reason = REASON_SERVER_REFUSING },
        { .code = "XX001", .where = LOGIN, .reason = REASON_SERVER_REFUSING },
        { .code = "XX002", .where = LOGIN, .reason = REASON_SERVER_REFUSING },
};

static bool has_texts(const struct server_row *row, const char *text) {
        const char *found = strcasestr(text, row->contains);

        return found && (!row->and_contains || strcasestr(found + strlen(row->contains), row->and_contains));
}

static bool fits_code(const struct server_row *row, const char *sqlstate, const char *text, enum phase phase) {
        if (!row->code || !starts_with(sqlstate, row->code))
                return false;
        if (row->where == LOGIN && phase == PHASE_QUERY)
                return false;
        return !row->contains || has_texts(row, text);
}

enum reason classify_server_code(const char *sqlstate, const char *text, enum phase phase) {
        for (size_t i = 0; i < ARRAY_LENGTH(server_rows); i++)
                if (fits_code(&server_rows[i], sqlstate, text, phase))
                        return server_rows[i].reason;
        return phase == PHASE_QUERY ? REASON_QUERY_FAILED : REASON_NONE;
}

enum reason classify_server_text(const char *text) {
        for (size_t i = 0; i < ARRAY_LENGTH(server_rows); i++)
                if (server_rows[i].contains && has_texts(&server_rows[i], text))
                        return server_rows[i].reason;
        return REASON_NONE;
}

/* -- Messages of libpq itself ---------------------------------------------------------------------------------------------------------- */

struct text_row {
        const char *contains;
        const char *and_contains; /* after the first */
        enum reason reason;
};

/*
 * Texts that name the cause, whatever else the message contains. The order matters: a protocol violation is followed by the end of the
 * connection, a missing certificate file by the text of ENOENT.
 */
static const struct text_row causes[] = {
        /* Followed by gai_strerror()'s text. */
        { .contains = "could not translate host name", .and_contains = "Memory allocation failure", .reason = REASON_HOST_RESOURCES },
        { .contains = "could not parse network address", .and_contains = "Memory allocation failure", .reason = REASON_HOST_RESOURCES },
        { .contains = "could not translate host name", .reason = REASON_DNS_FAILED },
        { .contains = "could not parse network address", .reason = REASON_DNS_FAILED },

        /* The server's identity. */
        { .contains = "certificate verify failed", .reason = REASON_TLS_VERIFY },
        { .contains = "does not match host name", .reason = REASON_TLS_VERIFY },
        { .contains = "root certificate file", .reason = REASON_TLS_VERIFY },
        { .contains = "host name must be specified for a verified SSL", .reason = REASON_TLS_VERIFY },
        { .contains = "server's host name from server certificate", .reason = REASON_TLS_VERIFY },
        { .contains = "SSL certificate's", .reason = REASON_TLS_VERIFY },
        { .contains = "certificate contains IP address", .reason = REASON_TLS_VERIFY },
        { .contains = "certificate could not be obtained", .reason = REASON_TLS_VERIFY },
        { .contains = "requirepeer", .reason = REASON_TLS_VERIFY },
        /* Our own certificate and key: a person must correct these as well. */
        { .contains = "certificate file \"", .reason = REASON_TLS_VERIFY },
        { .contains = "private key file \"", .reason = REASON_TLS_VERIFY },
        { .contains = "private SSL key \"", .reason = REASON_TLS_VERIFY },
        { .contains = "SSL engine \"", .reason = REASON_TLS_VERIFY },
        /* TLS alerts by which the server rejects our certificate. */
        { .contains = "alert", .and_contains = "certificate", .reason = REASON_AUTH_REJECTED },
        { .contains = "alert unknown ca", .reason = REASON_AUTH_REJECTED },
        { .contains = "alert access denied", .reason = REASON_AUTH_REJECTED },

        { .contains = "server does not support SSL", .reason = REASON_TLS_REFUSED },
        { .contains = "server sent an error response during SSL exchange", .reason = REASON_SERVER_REFUSING },

        /* The method of authentication. */
        { .contains = "no password supplied", .reason = REASON_AUTH_PASSWORD },
        { .contains = "channel binding", .reason = REASON_AUTH_METHOD },
        { .contains = "authentication method", .reason = REASON_AUTH_METHOD },
        { .contains = "authentication not supported", .reason = REASON_AUTH_METHOD },
        { .contains = "SASL authentication mechanisms are supported", .reason = REASON_AUTH_METHOD },
        { .contains = "authentication over a non-SSL connection", .reason = REASON_AUTH_METHOD },
        { .contains = "GSSAPI encryption", .and_contains = "required", .reason = REASON_AUTH_METHOD },
        { .contains = "GSSAPI continuation error", .reason = REASON_AUTH_METHOD },
        { .contains = "GSSAPI security context", .reason = REASON_AUTH_METHOD },
        { .contains = "GSSAPI name import error", .reason = REASON_AUTH_METHOD },
        { .contains = "host name must be specified", .reason = REASON_AUTH_METHOD }, /* GSSAPI or SSPI needs a name */
        { .contains = "error received from server in SCRAM exchange", .reason = REASON_AUTH_REJECTED },

        /* target_session_attrs */
        { .contains = "session is read-only", .reason = REASON_EXPECT_READ_ONLY },
        { .contains = "session is not read-only", .reason = REASON_EXPECT_READ_ONLY },
        { .contains = "server is in hot standby mode", .reason = REASON_EXPECT_PRIMARY },
        { .contains = "server is not in hot standby mode", .reason = REASON_EXPECT_PRIMARY },

        /* Not PostgreSQL, or a broken one. */
        { .contains = "expected authentication request from server", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "unexpected message from server during startup", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "received invalid", .reason = REASON_PROTOCOL_GARBAGE }, /* ... response to SSL negotiation, ... error message */
        { .contains = "received unencrypted data after", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "lost synchronization with server", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "message type 0x", .and_contains = "while idle", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "unexpected response from server", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "insufficient data in \"", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "unexpected field count in \"", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "server sent data (\"", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "message contents do not agree with length", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "invalid message length", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "could not interpret result from server", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "server returned too much data", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "protocol error:", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "malformed SCRAM message", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "invalid SCRAM", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "incorrect server signature", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "invalid authentication request from server", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "SASL authentication was not completed", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "after SASL exchange success", .reason = REASON_PROTOCOL_GARBAGE },
        { .contains = "duplicate", .and_contains = "authentication request", .reason = REASON_PROTOCOL_GARBAGE },
        /* No honest server announces such a length. */
        { .contains = "out of memory allocating ", .reason = REASON_PROTOCOL_GARBAGE },
        /* Our own memory. If the server announced the length, the message says so and was found above. */
        { .contains = "cannot allocate memory for input buffer", .reason = REASON_HOST_RESOURCES },
        { .contains = "out of memory", .reason = REASON_HOST_RESOURCES },

        /* The end of the connection, in any phase. */
        { .contains = "SSL SYSCALL error: EOF detected", .reason = REASON_TCP_RESET },
        { .contains = "SSL connection has been closed unexpectedly", .reason = REASON_TCP_RESET },
        { .contains = "unexpected eof while reading", .reason = REASON_TCP_RESET },
        { .contains = "server closed the connection unexpectedly", .reason = REASON_TCP_RESET },
        { .contains = "no connection to the server", .reason = REASON_TCP_RESET },
        { .contains = "connection not open", .reason = REASON_TCP_RESET },
};

/* For a message without a known cause or errno: these texts tell at least where it failed. */
static const struct text_row places[] = {
        { .contains = "SSL error", .reason = REASON_TLS_FAILED },
        { .contains = "SSL SYSCALL error", .reason = REASON_TLS_FAILED },
        { .contains = "unrecognized SSL error", .reason = REASON_TLS_FAILED },
        { .contains = "no SSL error reported", .reason = REASON_TLS_FAILED },
        { .contains = "SSL connection", .reason = REASON_TLS_FAILED },
        { .contains = "SSL context", .reason = REASON_TLS_FAILED },
        { .contains = "SSL protocol version", .reason = REASON_TLS_FAILED },
        { .contains = "SSL Server Name Indication", .reason = REASON_TLS_FAILED },
        { .contains = "SSL_read failed", .reason = REASON_TLS_FAILED },
        { .contains = "SSL_write failed", .reason = REASON_TLS_FAILED },
        { .contains = "could not send SSL negotiation packet", .reason = REASON_TCP_RESET },
        { .contains = "could not receive data from server", .reason = REASON_TCP_RESET },
        { .contains = "could not send data to server", .reason = REASON_TCP_RESET },
        { .contains = "could not send startup packet", .reason = REASON_TCP_RESET },
        { .contains = "write to server failed", .reason = REASON_TCP_RESET },
};

static const struct {
        int error;
        enum reason reason;
} errors[] = {
        { ECONNREFUSED, REASON_TCP_REFUSED },
        { ENOENT, REASON_TCP_REFUSED }, /* a UNIX socket that is not there */
        { ENOTDIR, REASON_TCP_REFUSED }, /* its folder is a file */
        { EAGAIN, REASON_TCP_REFUSED }, /* a UNIX socket whose backlog is full */
        { ENETUNREACH, REASON_TCP_UNREACHABLE },
        { EHOSTUNREACH, REASON_TCP_UNREACHABLE },
        { ENETDOWN, REASON_TCP_UNREACHABLE },
        { EHOSTDOWN, REASON_TCP_UNREACHABLE },
        { EADDRNOTAVAIL, REASON_TCP_UNREACHABLE },
        { EAFNOSUPPORT, REASON_TCP_UNREACHABLE },
        { EACCES, REASON_TCP_UNREACHABLE }, /* the folder of a UNIX socket */
        { EPERM, REASON_TCP_UNREACHABLE },  /* a firewall of this machine */
        { ETIMEDOUT, REASON_TCP_TIMEOUT },
        { ECONNRESET, REASON_TCP_RESET },
        { ECONNABORTED, REASON_TCP_RESET },
        { EPIPE, REASON_TCP_RESET },
        { ENOTCONN, REASON_TCP_RESET },
        { EMFILE, REASON_HOST_RESOURCES },
        { ENFILE, REASON_HOST_RESOURCES },
        { ENOMEM, REASON_HOST_RESOURCES },
        { ENOBUFS, REASON_HOST_RESOURCES },
};

static enum reason find_text(const struct text_row *rows, size_t n, const char *text) {
        for (size_t i = 0; i < n; i++) {
                const char *found = strcasestr(text, rows[i].contains);

                if (found && (!rows[i].and_contains || strcasestr(found + strlen(rows[i].contains), rows[i].and_contains)))
                        return rows[i].reason;
        }
        return REASON_NONE;
}

/* Whether TEXT has DESCRIPTION where libpq writes one: at the start, or after a colon. */
static bool has_error(const char *text, const char *description) {
        for (const char *found = strstr(text, description); found; found = strstr(found + 1, description))
                if (found == text || (found - text >= 2 && strncmp(found - 2, ": ", 2) == 0))
                        return true;
        return false;
}

static enum reason find_error(const char *text) {
        for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
                if (has_error(text, strerrordesc_np(errors[i].error)))
                        return errors[i].reason;
        return REASON_NONE;
}

enum reason classify_deadline(enum phase phase) {
        switch (phase) {
        case PHASE_RESOLVE:
                return REASON_DNS_TIMEOUT;
        case PHASE_CONNECT:
                return REASON_TCP_TIMEOUT;
        case PHASE_TLS:
                return REASON_TLS_TIMEOUT;
        case PHASE_AUTH:
                return REASON_AUTH_TIMEOUT;
        case PHASE_QUERY:
                return REASON_QUERY_TIMEOUT;
        case _PHASE_MAX:
                break;
        }
        return REASON_UNCLASSIFIED;
}

enum reason classify_errno(int error) {
        for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
                if (errors[i].error == error)
                        return errors[i].reason;
        return REASON_NONE;
}

enum reason classify_libpq_text(const char *text, enum phase phase) {
        enum reason reason = find_text(causes, ARRAY_LENGTH(causes), text);

        if (reason == REASON_NONE)
                reason = find_error(text);
        if (reason == REASON_NONE && strstr(text, "timeout expired"))
                reason = classify_deadline(phase);
        if (reason == REASON_NONE)
                reason = find_text(places, ARRAY_LENGTH(places), text);
        return reason;
}
