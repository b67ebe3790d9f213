/*
 * One connection of libpq, in steps that never wait: the one caller of libpq in the house.
 *
 * An operation touches nothing but its connection, so that a thread can be detached in the middle of one (probe/stuck-detector.h) while
 * somebody else goes on with all the rest. It leaves its result in the connection.
 */
#pragma once

#include "model/classify.h"
#include "probe/addresses.h"

enum op {
        OP_START,   /* begin to connect where connection_aim() said */
        OP_POLL,    /* the socket is ready while connecting */
        OP_SEND,    /* ask what connection_set_query() said */
        OP_RECEIVE, /* the socket is ready while a query runs */
        OP_IDLE,    /* the socket is ready while nothing was asked */
};

enum step {
        STEP_WAIT,   /* for the socket (OP_IDLE: all is well) */
        STEP_DONE,   /* connected; answered */
        STEP_FAILED, /* connection_failure() tells */
};

struct connection {
        struct pg_conn *pg;        /* NULL: closed */
        struct pg_result *result;  /* the first rows that the last query answered */

        /* What the operations need: its own, so that nobody has to keep it while a thread hangs in one. */
        struct conninfo *conninfo;
        char address[ADDRESS_TEXT_MAX];
        bool door;
        bool keep;
        const char *sql;
        char *own_sql;

        /* How the last operation ended. */
        enum step step;
        enum phase phase; /* what is waited for, or where it failed */
        bool want_write;  /* wait until it is writable, not readable */
        bool let_in;      /* the server has accepted us */

        /* What was last said, for connection_failure(). */
        char severity[SEVERITY_MAX];
        char sqlstate[SQLSTATE_LENGTH + 1];
        char *words;           /* of a notice that ended the session, or NULL */
        const char *complaint; /* our own, a constant, or NULL */
        int error;             /* errno: what we lacked ourselves, or 0 */
        size_t told;           /* so much of libpq's text was about what has been answered before */

        uint64_t received_before; /* bytes; UINT64_MAX: not looked yet */
        uint64_t received_here;   /* where the kernel does not count them */
};

/*
 * Closes it and says where OP_START goes: to the numeric ADDRESS, or a UNIX socket ("") of CONNINFO; for a DOOR without any password; one
 * to KEEP may become a held session.
 */
void connection_aim(struct connection *connection, struct conninfo *conninfo, const char *address, bool door, bool keep);
/* A constant, or, when OWN, a string that is the connection's now. */
void connection_set_query(struct connection *connection, const char *sql, char *own);

void connection_perform(struct connection *connection, enum op op);

/* For epoll; -1 when there is none (any more). Changes with every OP_POLL. */
int connection_fd(const struct connection *connection);
/* How often a server's words are counted from zero: before each ping. */
void connection_forget_received(struct connection *connection);
/* After STEP_DONE of OP_RECEIVE. The text of COLUMN of the first row; NULL for a NULL or when there is no such thing. */
const char *connection_value(const struct connection *connection, unsigned column);
/* Whether there is exactly one row of so many columns. */
bool connection_has_row(const struct connection *connection, unsigned columns);

/* After STEP_FAILED. The texts live until the connection is closed. */
void connection_failure(const struct connection *connection, struct failure *ret_failure);
/* After STEP_FAILED: the raw text for people, flattened. */
void connection_detail(const struct connection *connection, char *buffer, size_t size);
/* After STEP_FAILED of a connection without password: the server asked for one, as it should. */
bool connection_password_was_asked(const struct connection *connection);
/* After STEP_FAILED: the other side closed, or the line broke, without a word; and that it was an orderly close. */
bool connection_ended_mutely(const struct connection *connection);
bool connection_ended_by_eof(const struct connection *connection);

/* After STEP_FAILED: it was answered by an error, completely, and may be asked again. */
bool connection_is_usable(const struct connection *connection);
/* After STEP_FAILED: the other side ended it, by its own word or without one; false when we or libpq gave it up over what was said. */
bool connection_ended_by_server(const struct connection *connection);

/* Terminates it cleanly where it stands; does not wait. Nothing happens when it is closed. */
void connection_close(struct connection *connection);
