#include "history/sqlite.h"

#include "base/error.h"
#include "base/macro.h"

#include <sqlite3.h>
#include <stdio.h>

/* The writer writes little and reads less: a few cached pages are enough. */
#define SETTINGS                            \
        "PRAGMA cache_size = -128;"         \
        "PRAGMA temp_store = MEMORY;"       \
        "PRAGMA mmap_size = 0;"             \
        "PRAGMA trusted_schema = OFF;"      \
        "PRAGMA foreign_keys = OFF;"

/* A process that only looks into the file is soon done. */
#define BUSY_TIMEOUT_MSEC 500

struct sqlite {
        sqlite3 *handle;
        bool (*stop)(void *userdata);
        void *stop_userdata;
        uint64_t log_pages;
};

/* SQLite's own statement; this type keeps sqlite3.h out of all other files. */
struct sqlite_statement {
        sqlite3_stmt *handle;
};

static int from_system(sqlite3 *handle, int otherwise) {
        int error = handle ? sqlite3_system_errno(handle) : 0;

        return error > 0 ? -error : otherwise;
}

static int answer_of(sqlite3 *handle, int code) {
        switch (code & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH:
                return -EROFS;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EUCLEAN;
        case SQLITE_INTERRUPT:
                return -EINTR;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_CANTOPEN:
                return from_system(handle, -EACCES);
        case SQLITE_IOERR:
                return from_system(handle, -EIO);
        default:
                return -EIO;
        }
}

static void make_uri(char *uri, size_t size, const char *path, bool immutable) {
        size_t n = (size_t)snprintf(uri, size, "file:");

        for (const char *c = path; *c && n + 4 < size; c++)
                n += (size_t)snprintf(uri + n, size - n, strchr("%?#", *c) ? "%%%02X" : "%c", (unsigned char)*c);
        (void)snprintf(uri + n, size - n, immutable ? "?immutable=1" : "");
}

static int on_committed(void *userdata, sqlite3 *handle, const char *name, int log_pages) {
        struct sqlite *sqlite = userdata;

        (void)handle;
        (void)name;
        sqlite->log_pages = (uint64_t)MAX(log_pages, 0);
        return SQLITE_OK;
}

int sqlite_open(const char *path, enum sqlite_mode mode, struct sqlite **ret_sqlite) {
        int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE, code, r;
        struct sqlite *sqlite = calloc(1, sizeof(*sqlite));
        size_t size = 3 * strlen(path) + 32;
        _cleanup_free_ char *uri = malloc(size);

        if (!sqlite || !uri) {
                free(sqlite);
                return -ENOMEM;
        }
        make_uri(uri, size, path, mode == SQLITE_IMMUTABLE);
        flags |= mode == SQLITE_IMMUTABLE || mode == SQLITE_READER ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
        code = sqlite3_open_v2(uri, &sqlite->handle, flags, NULL);
        r = answer_of(sqlite->handle, code);
        if (r >= 0) {
                (void)sqlite3_busy_timeout(sqlite->handle, BUSY_TIMEOUT_MSEC);
                (void)sqlite3_db_config(sqlite->handle, SQLITE_DBCONFIG_LOOKASIDE, NULL, 256, 32);
                r = sqlite_run(sqlite, SETTINGS);
        }
        if (r >= 0 && mode == SQLITE_SHARED)
                (void)sqlite3_wal_hook(sqlite->handle, on_committed, sqlite);
        if (r >= 0 && mode == SQLITE_ALONE)
                r = sqlite_run(sqlite, "PRAGMA locking_mode = EXCLUSIVE");
        if (r < 0)
                return (void)sqlite_close(sqlite), r;
        *ret_sqlite = sqlite;
        return 0;
}

struct sqlite *sqlite_close(struct sqlite *sqlite) {
        if (!sqlite)
                return NULL;
        (void)sqlite3_close(sqlite->handle);
        free(sqlite);
        return NULL;
}

/* SQLite calls the handler after so many steps of its virtual machine: every few microseconds. */
#define STEPS_BETWEEN_LOOKS 1000

static int sqlite_on_progress(void *userdata) {
        struct sqlite *sqlite = userdata;

        return sqlite->stop(sqlite->stop_userdata);
}

void sqlite_interrupt_when(struct sqlite *sqlite, bool (*stop)(void *userdata), void *userdata) {
        sqlite->stop = stop;
        sqlite->stop_userdata = userdata;
        sqlite3_progress_handler(sqlite->handle, stop ? STEPS_BETWEEN_LOOKS : 0, stop ? sqlite_on_progress : NULL, sqlite);
}

int sqlite_run(struct sqlite *sqlite, const char *sql) {
        return answer_of(sqlite->handle, sqlite3_exec(sqlite->handle, sql, NULL, NULL, NULL));
}

uint64_t sqlite_log_pages(const struct sqlite *sqlite) {
        return sqlite->log_pages;
}

int sqlite_checkpoint(struct sqlite *sqlite) {
        int pages = 0, code;

        (void)sqlite3_busy_timeout(sqlite->handle, 0);
        code = sqlite3_wal_checkpoint_v2(sqlite->handle, NULL, SQLITE_CHECKPOINT_RESTART, &pages, NULL);
        (void)sqlite3_busy_timeout(sqlite->handle, BUSY_TIMEOUT_MSEC);
        sqlite->log_pages = code == SQLITE_OK ? 0 : (uint64_t)MAX(pages, 0);
        return answer_of(sqlite->handle, code);
}

int sqlite_read_number(struct sqlite *sqlite, const char *sql, uint64_t *ret_number) {
        struct sqlite_statement *statement;
        int r;

        r = sqlite_prepare(sqlite, sql, &statement);
        if (r < 0)
                return r;
        r = sqlite_step(statement);
        if (r > 0)
                *ret_number = sqlite_number(statement, 0);
        (void)sqlite_finalize(statement);
        return r < 0 ? r : r > 0 ? 0 : -ENODATA;
}

int sqlite_says(struct sqlite *sqlite, const char *sql, const char *text) {
        struct sqlite_statement *statement;
        int r;

        r = sqlite_prepare(sqlite, sql, &statement);
        if (r < 0)
                return r;
        r = sqlite_step(statement);
        if (r > 0)
                r = streq(sqlite_text(statement, 0), text);
        (void)sqlite_finalize(statement);
        return r;
}

int sqlite_prepare(struct sqlite *sqlite, const char *sql, struct sqlite_statement **ret_statement) {
        struct sqlite_statement *statement = calloc(1, sizeof(*statement));
        int code;

        if (!statement)
                return -ENOMEM;
        code = sqlite3_prepare_v3(sqlite->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->handle, NULL);
        if (code != SQLITE_OK) {
                free(statement);
                return answer_of(sqlite->handle, code);
        }
        *ret_statement = statement;
        return 0;
}

struct sqlite_statement *sqlite_finalize(struct sqlite_statement *statement) {
        if (!statement)
                return NULL;
        (void)sqlite3_finalize(statement->handle);
        free(statement);
        return NULL;
}

/*
 * Binding fails only for a place that does not exist, or while the statement is at a row. Both are mistakes of ours, which the step
 * reports.
 */
void sqlite_bind_number(struct sqlite_statement *statement, int place, uint64_t number) {
        (void)sqlite3_bind_int64(statement->handle, place, (sqlite3_int64)MIN(number, (uint64_t)INT64_MAX));
}

void sqlite_bind_or_null(struct sqlite_statement *statement, int place, uint64_t number, uint64_t null_number) {
        if (number == null_number)
                sqlite_bind_null(statement, place);
        else
                sqlite_bind_number(statement, place, number);
}

void sqlite_bind_null(struct sqlite_statement *statement, int place) {
        (void)sqlite3_bind_null(statement->handle, place);
}

void sqlite_bind_text(struct sqlite_statement *statement, int place, const char *text) {
        (void)sqlite3_bind_text(statement->handle, place, text, -1, SQLITE_STATIC);
}

int sqlite_step(struct sqlite_statement *statement) {
        int code = sqlite3_step(statement->handle), r;

        if (code == SQLITE_ROW)
                return 1;
        r = answer_of(sqlite3_db_handle(statement->handle), code);
        (void)sqlite3_reset(statement->handle);
        return r;
}

void sqlite_reset(struct sqlite_statement *statement) {
        (void)sqlite3_reset(statement->handle);
}

uint64_t sqlite_number(struct sqlite_statement *statement, int column) {
        sqlite3_int64 number = sqlite3_column_int64(statement->handle, column);

        return number > 0 ? (uint64_t)number : 0;
}

const char *sqlite_text(struct sqlite_statement *statement, int column) {
        const unsigned char *text = sqlite3_column_text(statement->handle, column);

        return text ? (const char *)text : "";
}

bool sqlite_is_null(struct sqlite_statement *statement, int column) {
        return sqlite3_column_type(statement->handle, column) == SQLITE_NULL;
}

uint64_t sqlite_changed(const struct sqlite *sqlite) {
        return (uint64_t)sqlite3_changes(sqlite->handle);
}
