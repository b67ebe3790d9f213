#include "model/classify-tables.h"

#include "base/macro.h"

enum where {
        ANYWHERE,
        LOGIN, /* before the first query */
};

/*
 * One table for both ways of reading it. By code: a row fits when its code begins the SQLSTATE and its texts, if any, are found. By text: a
 * row fits when it has texts and they are found; its code does not matter. So a row without texts is for codes only, a row without code
 * is for texts only. The first that fits decides.
 */
struct server_row {
        const char *code; /* 2 (a class), or 5 characters; NULL */
        const char *contains;
        const char *and_contains; /* behind the first */
        enum where where;
        enum reason reason;
};

static const struct server_row rows[] = {
        /* Before, while and after a server takes connections. Of a translated text only the code is left: it says "not now". */
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

        /* These end a session that stood; seen in a check they say the same, and the next login tells more. */
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

        /* Credentials. A directory service or a certificate that says no is a rejection: no password of ours would change it. */
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

        /* PgBouncer of itself and of the server behind it; an error of that server which it repeats has been found above. */
        { .contains = "pooler is shutting down", .reason = REASON_SERVER_STOPPING },
        { .contains = "server shutting down", .reason = REASON_SERVER_STOPPING },
        { .contains = "server login has been failing", .reason = REASON_SERVER_REFUSING },
        { .contains = "server login failed", .reason = REASON_SERVER_REFUSING },
        /* Sent by a postmaster that cannot even start a process, in a form older than SQLSTATEs. */
        { .contains = "could not fork new process for connection", .reason = REASON_SERVER_REFUSING },

        /* What is left of a login: options it does not take, ... */
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
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
                if (fits_code(&rows[i], sqlstate, text, phase))
                        return rows[i].reason;
        return phase == PHASE_QUERY ? REASON_QUERY_FAILED : REASON_NONE;
}

enum reason classify_server_text(const char *text) {
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
                if (rows[i].contains && has_texts(&rows[i], text))
                        return rows[i].reason;
        return REASON_NONE;
}
