/*
 * One libpq connection, in steps that never wait: the only caller of libpq's connection functions.
 *
 * An operation touches only its connection and leaves its result there, so that a thread can be detached in the middle of one
 * (probe/stuck-detector.h) while another goes on with everything else.
 */
#pragma once

#include "model/classify.h"
#include "probe/addresses.h"

enum op {
        OP_START,   /* begin to connect to connection_aim()'s target */
        OP_POLL,    /* the socket is ready while connecting */
        OP_SEND,    /* send connection_set_query()'s query */
        OP_RECEIVE, /* the socket is ready while a query runs */
        OP_IDLE,    /* the socket is ready while no query runs */
};

enum step {
        STEP_WAIT,   /* for the socket (OP_IDLE: all is well) */
        STEP_DONE,   /* connected; answered */
        STEP_FAILED, /* connection_failure() tells why */
};

struct connection {
        struct pg_conn *pg;        /* NULL: closed */
        struct pg_result *result;  /* the last query's first rows, or its error */

        /* The operations' arguments. The connection owns them, since a thread may hang in an operation. */
        struct conninfo *conninfo;
        char address[ADDRESS_TEXT_MAX];
        bool door;
        bool keep;
        const char *sql;
        char *own_sql;

        /* How the last operation ended. */
        enum step step;
        enum phase phase; /* the one under way, or the one in which it failed */
        bool want_write;  /* wait until the socket is writable, not readable */
        bool let_in;      /* the server let us in */

        /* The last messages, for connection_failure(). */
        char severity[SEVERITY_MAX];
        char sqlstate[SQLSTATE_LENGTH + 1];
        char *words;           /* of a notice that ended the session, or NULL */
        const char *complaint; /* our own, a constant, or NULL */
        int error;             /* errno of what we lacked ourselves, or 0 */
        size_t told;           /* length of the part of libpq's text that is about an earlier answer */

        uint64_t received_before; /* bytes; UINT64_MAX: not counted yet */
        uint64_t received_here;   /* if the kernel does not count them */
};

/*
 * Closes it and sets the target of OP_START: the numeric ADDRESS, or CONNINFO's UNIX socket (""). DOOR: without any password. KEEP: it may
 * become a held session.
 */
void connection_aim(struct connection *connection, struct conninfo *conninfo, const char *address, bool door, bool keep);
/* SQL is a constant. OWN, if given, is used instead, and the connection takes it over. */
void connection_set_query(struct connection *connection, const char *sql, char *own);

void connection_perform(struct connection *connection, enum op op);

/* For epoll; -1: there is none. It may change with every OP_POLL. */
int connection_fd(const struct connection *connection);
/* Restarts the count of received bytes: before each ping. */
void connection_forget_received(struct connection *connection);
/* After STEP_DONE of OP_RECEIVE: the text of COLUMN in the first row; NULL for a NULL, or if there is none. */
const char *connection_value(const struct connection *connection, unsigned column);
/* Whether the answer is exactly one row of COLUMNS columns. */
bool connection_has_row(const struct connection *connection, unsigned columns);

/* After STEP_FAILED. The texts live until the connection is closed. */
void connection_failure(const struct connection *connection, struct failure *ret_failure);
/* After STEP_FAILED: the raw text for people, flattened. */
void connection_detail(const struct connection *connection, char *buffer, size_t size);
/* After STEP_FAILED of a connection without password: whether the server asked for one, as it should. */
bool connection_password_was_asked(const struct connection *connection);
/* After STEP_FAILED: whether the connection ended without a message; and whether that was an orderly close. */
bool connection_ended_mutely(const struct connection *connection);
bool connection_ended_by_eof(const struct connection *connection);

/* After STEP_FAILED: whether the query was answered with an error, completely, so that another one can follow. */
bool connection_is_usable(const struct connection *connection);
/*
 * After STEP_FAILED: whether the other side ended the connection, with a message or without; false if we or libpq gave it up because of
 * what it sent.
 */
bool connection_ended_by_server(const struct connection *connection);

/* Terminates an open connection cleanly; does not wait. */
void connection_close(struct connection *connection);
