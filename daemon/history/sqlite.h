/*
 * The only access to SQLite: a connection, statements, values. It knows nothing of what is stored.
 *
 * One thread at a time uses a connection. Results are negative errnos: -ENOSPC the disk is full or the size limit reached, -EBUSY another
 * process holds the file, -EROFS, -EINTR it was told to stop, -EUCLEAN the file is damaged or no database at all, -EIO, -ENOMEM, and the
 * system's errors when opening the file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite;
struct sqlite_statement;

/*
 * The stack of a thread that opens a file. SQLite follows symbolic links itself, with four KiB of stack for each, and stops only at the
 * 200th (os_unix.c: appendOnePathElement()).
 */
#define SQLITE_STACK_BYTES ((size_t)2 * 1024 * 1024)

enum sqlite_mode {
        SQLITE_SHARED,    /* for reading and writing, while other processes may read; makes the file */
        SQLITE_ALONE,     /* needs no new file beside it: for a full disk */
        SQLITE_READER,    /* for reading, beside this process's one connection that writes */
        SQLITE_IMMUTABLE, /* for reading a file that nobody can write: in a read-only folder. Does not see a -wal file */
};

int sqlite_open(const char *path, enum sqlite_mode mode, struct sqlite **ret_sqlite);
/* All statements must be finalized. Takes NULL. */
struct sqlite *sqlite_close(struct sqlite *sqlite);

/* STOP is called again and again while a statement runs; if it returns true, the statement ends with -EINTR. */
void sqlite_interrupt_when(struct sqlite *sqlite, bool (*stop)(void *userdata), void *userdata);

/* Runs statements whose rows are of no interest. */
int sqlite_run(struct sqlite *sqlite, const char *sql);
/* The number of pages in the log. Only for the one connection that writes, which alone moves the log into the database. */
uint64_t sqlite_log_pages(const struct sqlite *sqlite);
/* Moves the log into the database, as far as readers allow; after 0, the log begins anew. Does not wait: -EBUSY. */
int sqlite_checkpoint(struct sqlite *sqlite);
/* Reads one number, as from "PRAGMA user_version". -ENODATA: there is none. */
int sqlite_read_number(struct sqlite *sqlite, const char *sql, uint64_t *ret_number);
/* Whether the first row of SQL is TEXT: 1 or 0. */
int sqlite_says(struct sqlite *sqlite, const char *sql, const char *text);

int sqlite_prepare(struct sqlite *sqlite, const char *sql, struct sqlite_statement **ret_statement);
/* Takes NULL. */
struct sqlite_statement *sqlite_finalize(struct sqlite_statement *statement);
/* Places count from 1. Numbers end at 2^63 - 1. A text (NULL: the value NULL) must live until the statement was stepped. */
void sqlite_bind_number(struct sqlite_statement *statement, int place, uint64_t number);
void sqlite_bind_null(struct sqlite_statement *statement, int place);
/* Binds NULL if NUMBER is NULL_NUMBER. */
void sqlite_bind_or_null(struct sqlite_statement *statement, int place, uint64_t number, uint64_t null_number);
void sqlite_bind_text(struct sqlite_statement *statement, int place, const char *text);
/* 1: a row; 0: done, and ready to be bound again; or an error, after which it is ready too. */
int sqlite_step(struct sqlite_statement *statement);
/* Ends a statement before the end of its rows. Bound values stay. */
void sqlite_reset(struct sqlite_statement *statement);
/* A value of the present row; columns count from 0. A negative number or NULL becomes 0, a text that is NULL becomes "". */
uint64_t sqlite_number(struct sqlite_statement *statement, int column);
const char *sqlite_text(struct sqlite_statement *statement, int column);
bool sqlite_is_null(struct sqlite_statement *statement, int column);
/* The number of rows that the last INSERT, UPDATE or DELETE changed. */
uint64_t sqlite_changed(const struct sqlite *sqlite);
