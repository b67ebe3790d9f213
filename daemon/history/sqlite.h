/*
 * The one door to SQLite: a connection, statements, values. Knows nothing of what is kept.
 *
 * One thread at a time has a connection. Answers are negative errnos: -ENOSPC the disk or the size that is allowed is full, -EBUSY another
 * process holds it, -EROFS, -EINTR it was asked to stop, -EUCLEAN what is in the file is damaged or no database at all, -EIO, -ENOMEM, and
 * what the system said when the file could not be opened.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite;
struct sqlite_statement;

/*
 * A thread that opens a file has so much stack: SQLite follows links itself, each with four KiB more of it, and gives a chain of them up at
 * the 200th (os_unix.c: appendOnePathElement()), whatever was seen there before.
 */
#define SQLITE_STACK_BYTES ((size_t)2 * 1024 * 1024)

enum sqlite_mode {
        SQLITE_SHARED,    /* reading and writing, other processes may read meanwhile; makes the file */
        SQLITE_ALONE,     /* needs no file beside it that would have to be made: for a disk that is full */
        SQLITE_READER,    /* reading, beside the one connection of this process that writes */
        SQLITE_IMMUTABLE, /* reading what nobody can write: for a folder that is read-only. Blind to a -wal file */
};

int sqlite_open(const char *path, enum sqlite_mode mode, struct sqlite **ret_sqlite);
/* Every statement must be gone. Takes NULL. */
struct sqlite *sqlite_close(struct sqlite *sqlite);

/* STOP is asked again and again while a statement runs; true ends that with -EINTR. */
void sqlite_interrupt_when(struct sqlite *sqlite, bool (*stop)(void *userdata), void *userdata);

/* Statements that answer nothing that is of interest. */
int sqlite_run(struct sqlite *sqlite, const char *sql);
/* How many pages the log has, in the one connection that writes, which alone moves it into the database. */
uint64_t sqlite_log_pages(const struct sqlite *sqlite);
/*
 * Moves the log into the database, as far as no reader keeps it; when it answers 0, the log begins anew. Waits for nobody: -EBUSY.
 */
int sqlite_checkpoint(struct sqlite *sqlite);
/* Reads one number, as from "PRAGMA user_version". -ENODATA: there is none. */
int sqlite_read_number(struct sqlite *sqlite, const char *sql, uint64_t *ret_number);
/* Whether the first row of SQL is TEXT: 1 or 0. */
int sqlite_says(struct sqlite *sqlite, const char *sql, const char *text);

int sqlite_prepare(struct sqlite *sqlite, const char *sql, struct sqlite_statement **ret_statement);
/* Takes NULL. */
struct sqlite_statement *sqlite_finalize(struct sqlite_statement *statement);
/* Places count from 1. Numbers end at 2^63 - 1. A text (NULL: the value NULL) must live until the statement has been stepped. */
void sqlite_bind_number(struct sqlite_statement *statement, int place, uint64_t number);
void sqlite_bind_null(struct sqlite_statement *statement, int place);
/* NULL when NUMBER is NULL_NUMBER. */
void sqlite_bind_or_null(struct sqlite_statement *statement, int place, uint64_t number, uint64_t null_number);
void sqlite_bind_text(struct sqlite_statement *statement, int place, const char *text);
/* 1: a row; 0: it is done, and can be bound anew; or an error (the same). */
int sqlite_step(struct sqlite_statement *statement);
/* Ends a statement before the end of its rows. What was bound stays. */
void sqlite_reset(struct sqlite_statement *statement);
/* A value of the row that STATEMENT stands on; columns count from 0. A negative number or NULL is 0, a text that is NULL is "". */
uint64_t sqlite_number(struct sqlite_statement *statement, int column);
const char *sqlite_text(struct sqlite_statement *statement, int column);
bool sqlite_is_null(struct sqlite_statement *statement, int column);
/* How many rows the last INSERT, UPDATE or DELETE changed. */
uint64_t sqlite_changed(const struct sqlite *sqlite);
