#include "history/history.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"
#include "history/event-rows.h"
#include "history/prune.h"
#include "history/schema.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The log may have an eighth of a small file's pages, and for a large file as many as SQLite allows by default. */
#define WAL_SHARE 8
#define WAL_PAGES_MIN UINT64_C(16)
#define WAL_PAGES_MAX UINT64_C(1000)
/* The log's own overhead (sqlite.org/fileformat2.html, section 4): before all pages, and before each. */
#define WAL_HEADER_BYTES 32
#define WAL_FRAME_HEADER_BYTES 24
/* A batch that should have had room but found none gets this many times as much. */
#define MARGIN_OF_THE_LAST 4
/*
 * The rows of thousands of databases change all over the file every few seconds: pages that do not stay in memory are read and written many
 * times per commit. Each database takes about this many bytes in those tables. A file with few databases needs no more than the cache that
 * SQLite is told to keep anyway.
 */
#define BYTES_PER_DATABASE 512
#define CACHE_BYTES_MIN (128 * 1024)
/* Searching in vain for rows to drop costs time. */
#define NO_ROOM_USEC (10 * USEC_PER_SEC)
/* No query of our own reads for longer than this (history/reader.c). */
#define HELD_USEC (12 * USEC_PER_SEC)
/* Per page of the log, in its index, which is a file too. */
#define WAL_INDEX_BYTES 8

struct history {
        struct sqlite *sqlite;
        struct rows_writer *rows;
        struct event_rows *event_rows;
        struct prune prune;
        uint64_t no_room_boot_usec; /* until then nothing is left that could make room */
        /* Locks out a second pgwaked, and tells whether the file is still there. Closed last: closing it releases SQLite's locks. */
        int fd;
        size_t cache_bytes; /* that SQLite was told to keep; 0: its default */
        ino_t log_inode; /* of the file that SQLite keeps beside ours while that is open; 0: not seen yet */
        uint64_t max_bytes, page_bytes, wal_pages;
        bool hurries;
        uint64_t held_boot_usec; /* since when a reader has kept the full log; 0: none does */
        uint64_t batch_pages; /* the most that a transaction may change; less after one that found no room */
};

static int history_hold(struct history *history, const char *path) {
        struct stat st;

        history->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
        if (history->fd < 0 || fstat(history->fd, &st) < 0)
                return error_from_errno();
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (flock(history->fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : error_from_errno();
        return 0;
}

/* SQLite gives the files that it makes beside ours the same mode; files left from earlier keep theirs. */
static int hide(const struct history *history, const char *path) {
        static const char *const besides[] = {"-wal", "-shm"};
        size_t size = strlen(path) + sizeof("-wal");
        _cleanup_free_ char *beside = malloc(size);

        if (!beside)
                return -ENOMEM;
        if (fchmod(history->fd, 0600) < 0)
                return error_from_errno();
        for (size_t i = 0; i < ARRAY_LENGTH(besides); i++) {
                (void)snprintf(beside, size, "%s%s", path, besides[i]);
                if (chmod(beside, 0600) < 0 && errno != ENOENT)
                        return error_from_errno();
        }
        return 0;
}

static int answer_of_look(int look) {
        if (look < 0)
                return look;
        switch ((enum schema_answer)look) {
        case SCHEMA_GOOD:
        case SCHEMA_OLD:
                return HISTORY_GOOD;
        case SCHEMA_EMPTY:
                return HISTORY_NEW;
        case SCHEMA_NEWER:
                return HISTORY_NEWER;
        case SCHEMA_FOREIGN:
                return HISTORY_FOREIGN;
        }
        return -EINVAL;
}

int history_limit(struct history *history, uint64_t max_bytes) {
        uint64_t page_bytes = 0, wal_pages, wal_bytes;
        char sql[160];
        int r;

        r = sqlite_read_number(history->sqlite, "PRAGMA page_size", &page_bytes);
        if (r < 0)
                return r;
        wal_pages = MIN(MAX(max_bytes / page_bytes / WAL_SHARE, WAL_PAGES_MIN), WAL_PAGES_MAX);
        /* A transaction may begin while the log is not full yet, and may then add as much again. */
        wal_bytes = WAL_HEADER_BYTES + 2 * wal_pages * (page_bytes + WAL_FRAME_HEADER_BYTES);
        (void)snprintf(sql, sizeof(sql), "PRAGMA journal_size_limit = %llu; PRAGMA max_page_count = %llu",
                       (unsigned long long)(wal_pages * page_bytes), (unsigned long long)((max_bytes - wal_bytes) / page_bytes));
        history->max_bytes = max_bytes;
        history->page_bytes = page_bytes;
        history->wal_pages = history->batch_pages = wal_pages;
        history->no_room_boot_usec = 0;
        return sqlite_run(history->sqlite, sql);
}

static int take_over(struct history *history, const char *path, uint64_t max_bytes) {
        int r, look;

        look = schema_look(history->sqlite);
        r = answer_of_look(look);
        if (r != HISTORY_GOOD && r != HISTORY_NEW)
                return r;
        r = hide(history, path);
        if (r >= 0)
                r = sqlite_says(history->sqlite, "PRAGMA journal_mode = WAL", "wal");
        if (r >= 0)
                r = r > 0 ? sqlite_run(history->sqlite, "PRAGMA synchronous = NORMAL") : -EIO;
        if (r >= 0)
                r = history_limit(history, max_bytes);
        /* This alone tells how long an existing log is. If it cannot be moved, writing to it is tried all the same. */
        if (r >= 0)
                (void)sqlite_checkpoint(history->sqlite);
        if (r >= 0 && look != SCHEMA_GOOD)
                r = schema_bring_up(history->sqlite);
        if (r >= 0)
                r = schema_check(history->sqlite);
        if (r >= 0)
                r = rows_writer_new(history->sqlite, &history->rows);
        if (r >= 0)
                r = event_rows_new(history->sqlite, &history->event_rows);
        return r < 0 ? r : look == SCHEMA_EMPTY ? HISTORY_NEW : HISTORY_GOOD;
}

static int damaged_or(int r) {
        return r == -EUCLEAN ? HISTORY_DAMAGED : r;
}

int history_open(const char *path, uint64_t max_bytes, bool (*stop)(void *userdata), void *userdata, struct history **ret_history) {
        struct history *history = calloc(1, sizeof(*history));
        int r;

        if (!history)
                return -ENOMEM;
        history->fd = -1;
        r = history_hold(history, path);
        if (r >= 0)
                r = damaged_or(sqlite_open(path, SQLITE_SHARED, &history->sqlite));
        if (r == 0) {
                sqlite_interrupt_when(history->sqlite, stop, userdata);
                r = damaged_or(take_over(history, path, max_bytes));
        }
        if (r == HISTORY_GOOD || r == HISTORY_NEW)
                *ret_history = history;
        else
                (void)history_close(history);
        return r;
}

struct history *history_close(struct history *history) {
        if (!history)
                return NULL;
        history->rows = rows_writer_free(history->rows);
        history->event_rows = event_rows_free(history->event_rows);
        history->sqlite = sqlite_close(history->sqlite);
        close_fd(&history->fd);
        free(history);
        return NULL;
}

void history_hurry(struct history *history) {
        history->hurries = true;
}

bool history_is_elsewhere(const struct history *history, const char *path) {
        struct stat opened, named;

        if (fstat(history->fd, &opened) < 0)
                return false;
        if (stat(path, &named) < 0)
                return errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
        return opened.st_dev != named.st_dev || opened.st_ino != named.st_ino;
}

bool history_lost_its_log(struct history *history, const char *path) {
        _cleanup_free_ char *name = NULL;
        ino_t before = history->log_inode;
        struct stat st;

        if (asprintf(&name, "%s-wal", path) < 0)
                return false;
        if (stat(name, &st) < 0)
                return before != 0 && errno == ENOENT;
        history->log_inode = st.st_ino;
        return before != 0 && before != st.st_ino;
}

bool history_has_links(const struct history *history) {
        struct stat st;

        return fstat(history->fd, &st) == 0 && st.st_nlink > 1;
}

struct history *history_leave(struct history *history) {
        (void)sqlite_run(history->sqlite, "PRAGMA wal_checkpoint(TRUNCATE)");
        return history_close(history);
}

int history_read(struct history *history, struct snapshot **ret_snapshots) {
        return damaged_or(rows_read(history->sqlite, ret_snapshots));
}

static int history_read_in_mode(const char *path, enum sqlite_mode mode, struct snapshot **ret_snapshots) {
        struct sqlite *sqlite = NULL;
        int r;

        r = sqlite_open(path, mode, &sqlite);
        if (r < 0)
                return r;
        r = schema_look(sqlite);
        if (r >= 0)
                r = r == SCHEMA_GOOD || r == SCHEMA_OLD ? rows_read(sqlite, ret_snapshots) : -EINVAL;
        (void)sqlite_close(sqlite);
        return r;
}

int history_read_only(const char *path, struct snapshot **ret_snapshots) {
        int r;

        /* Neither mode may make a file. Without a file nothing is known, which is not the same as an empty past. */
        if (access(path, F_OK) < 0)
                return error_from_errno();
        r = history_read_in_mode(path, SQLITE_ALONE, ret_snapshots);
        if (r < 0)
                r = history_read_in_mode(path, SQLITE_IMMUTABLE, ret_snapshots);
        return damaged_or(r);
}

static int history_write_entry(struct history *history, const struct pending_entry *entry) {
        uint64_t id = 0;
        int r;

        r = rows_write(history->rows, entry->snapshot, &id);
        for (const struct hour *hour = entry->hours; hour && r >= 0; hour = hour->next)
                r = event_rows_add_hour(history->event_rows, id, hour);
        return r;
}

static int write_batch(struct history *history, const struct pending *pending, const struct pending_batch *batch) {
        const struct pending_entry *entry = STAILQ_FIRST(&pending->waiting);
        const struct event_record *record = STAILQ_FIRST(&pending->events);
        int r = 0;

        for (size_t i = 0; i < batch->n && r >= 0; i++, entry = STAILQ_NEXT(entry, link))
                r = history_write_entry(history, entry);
        for (size_t i = 0; i < batch->n_events && r >= 0; i++, record = STAILQ_NEXT(record, link))
                r = event_rows_write(history->event_rows, record);
        return r;
}

/* The number of pages that may still be written. */
static int count_free_pages(struct history *history, uint64_t *ret_pages) {
        uint64_t unused = 0, used = 0, most = 0;
        int r;

        r = sqlite_read_number(history->sqlite, "PRAGMA freelist_count", &unused);
        if (r >= 0)
                r = sqlite_read_number(history->sqlite, "PRAGMA page_count", &used);
        if (r >= 0)
                r = sqlite_read_number(history->sqlite, "PRAGMA max_page_count", &most);
        *ret_pages = unused + (most > used ? most - used : 0);
        return r;
}

/*
 * Makes room in the log before a write that may change PAGES: the log cannot begin anew while it is read. A query of our own is waited for
 * (HISTORY_BUSY). For a longer reader, the log may grow into the room that the size limit leaves, but no further (HISTORY_HELD).
 */
static int make_log_room(struct history *history, uint64_t pages) {
        uint64_t now = clock_boot_usec(), used = 0, frame_bytes = history->page_bytes + WAL_FRAME_HEADER_BYTES + WAL_INDEX_BYTES;
        int r;

        if (sqlite_log_pages(history->sqlite) < history->wal_pages)
                return HISTORY_GOOD;
        r = sqlite_checkpoint(history->sqlite);
        if (r != -EBUSY) {
                history->held_boot_usec = 0;
                return r;
        }
        if (history->held_boot_usec == 0)
                history->held_boot_usec = now;
        if (now - history->held_boot_usec < HELD_USEC && !history->hurries)
                return HISTORY_BUSY;
        r = sqlite_read_number(history->sqlite, "PRAGMA page_count", &used);
        used = (used + pages) * history->page_bytes + (sqlite_log_pages(history->sqlite) + pages) * frame_bytes + WAL_HEADER_BYTES;
        return r < 0 ? r : used > history->max_bytes ? HISTORY_HELD : HISTORY_GOOD;
}

/* Each row may change a page of its own, in each of four tables: together no more than the log holds. */
static uint64_t rows_of_slice(const struct history *history) {
        return MAX(history->wal_pages / 4, UINT64_C(1));
}

/* Drops everything that ended before BEFORE. RET_DROPPED: the number of rows. */
static int prune_all(struct history *history, uint64_t before, uint64_t *ret_dropped) {
        struct prune_terms terms = {.before_real_usec = before, .rows_max = rows_of_slice(history)};
        struct prune *prune = calloc(1, sizeof(*prune));
        int r = prune ? 1 : -ENOMEM, k = HISTORY_GOOD;

        *ret_dropped = 0;
        while (r > 0 && (k = make_log_room(history, history->wal_pages)) == HISTORY_GOOD) {
                r = prune_slice(history->sqlite, prune, &terms);
                if (r >= 0)
                        *ret_dropped += prune->dropped;
        }
        free(prune);
        return k == HISTORY_GOOD ? r : k;
}

/* If fewer than LEAST pages are free, drops the oldest quarter of the kept period at a time, until there is room or nothing left. */
static int make_room(struct history *history, uint64_t least) {
        uint64_t end = clock_real_usec() + USEC_PER_HOUR, oldest = 0, pages = 0, dropped;
        int r;

        r = count_free_pages(history, &pages);
        if (r < 0 || pages >= least || clock_boot_usec() < history->no_room_boot_usec)
                return r;
        r = prune_oldest(history->sqlite, &oldest);
        if (r < 0)
                return r == -ENODATA ? 0 : r;
        /* The present hour ends later than that. */
        while (r == HISTORY_GOOD && oldest + USEC_PER_SEC < end && pages < 2 * least) {
                oldest += (end - oldest) / 4 + 1;
                r = prune_all(history, oldest, &dropped);
                if (r == HISTORY_GOOD && dropped > 0)
                        r = count_free_pages(history, &pages);
        }
        if (r == HISTORY_GOOD && pages < least)
                history->no_room_boot_usec = usec_add(clock_boot_usec(), NO_ROOM_USEC);
        return r;
}

/* MARGIN: the factor for the room that the batch is expected to need. */
static int commit_batch(struct history *history, const struct pending *pending, const struct pending_batch *batch, uint64_t began_real_usec,
                        unsigned margin) {
        int r;

        r = make_room(history, margin * MAX(history->wal_pages, batch->pages));
        if (r == HISTORY_GOOD)
                r = make_log_room(history, batch->pages);
        if (r == HISTORY_GOOD)
                r = sqlite_run(history->sqlite, "BEGIN IMMEDIATE");
        if (r != HISTORY_GOOD)
                return r;
        r = write_batch(history, pending, batch);
        if (r >= 0)
                r = event_rows_run_on(history->event_rows, began_real_usec, clock_real_usec());
        if (r >= 0)
                r = sqlite_run(history->sqlite, "COMMIT");
        if (r < 0)
                (void)sqlite_run(history->sqlite, "ROLLBACK");
        return r;
}

/* If the cache cannot grow, it is only slower. */
static void fit_cache(struct history *history, size_t n_databases) {
        size_t bytes = n_databases * BYTES_PER_DATABASE;
        char sql[64];

        if (bytes <= MAX(history->cache_bytes, (size_t)CACHE_BYTES_MIN))
                return;
        history->cache_bytes = 2 * bytes;
        (void)snprintf(sql, sizeof(sql), "PRAGMA cache_size = -%zu", history->cache_bytes / 1024);
        (void)sqlite_run(history->sqlite, sql);
}

int history_write(struct history *history, struct pending *pending, uint64_t began_real_usec) {
        struct pending_batch batch = pending_choose(pending, history->batch_pages);
        int r;

        fit_cache(history, pending->n);
        /* A smaller batch may find room where a larger one does not. */
        while ((r = commit_batch(history, pending, &batch, began_real_usec, 1)) == -ENOSPC && batch.n + batch.n_events > 1) {
                history->batch_pages /= 2;
                batch = pending_choose(pending, history->batch_pages);
        }
        if (r == -ENOSPC)
                r = commit_batch(history, pending, &batch, began_real_usec, MARGIN_OF_THE_LAST);
        if (r != HISTORY_GOOD)
                return damaged_or(r);
        history->batch_pages = MIN(2 * history->batch_pages + 1, history->wal_pages);
        pending_written(pending, &batch);
        return HISTORY_GOOD;
}

static bool is_watched(void *userdata, const char *name) {
        return pending_is_watched(userdata, name);
}

int history_prune(struct history *history, struct pending *pending, uint64_t before_real_usec, uint64_t gone_real_usec) {
        struct prune_terms terms = {
                .before_real_usec = before_real_usec,
                .gone_real_usec = gone_real_usec,
                .rows_max = rows_of_slice(history),
                .is_watched = is_watched,
                .userdata = pending,
        };
        int r;

        r = make_log_room(history, history->wal_pages);
        if (r != HISTORY_GOOD)
                return damaged_or(r);
        r = prune_slice(history->sqlite, &history->prune, &terms);
        for (size_t i = 0; i < history->prune.n_forgotten; i++)
                pending_drop(pending, history->prune.forgotten[i]);
        return r > 0 ? HISTORY_NEW : damaged_or(r);
}

int history_check(struct history *history) {
        int r = sqlite_says(history->sqlite, "PRAGMA quick_check", "ok");

        return r > 0 ? HISTORY_GOOD : r == 0 ? HISTORY_DAMAGED : damaged_or(r);
}

/* Renames OLD to NEW; -EEXIST if there is a file of that name. */
static int move_file(const char *old, const char *new) {
        if (renameat2(AT_FDCWD, old, AT_FDCWD, new, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return error_from_errno();
        /* The file system cannot guarantee it. */
        if (access(new, F_OK) == 0)
                return -EEXIST;
        return rename(old, new) < 0 ? error_from_errno() : 0;
}

/* A log without its database, or beside another one, would be misread: they are moved together. */
static void move_beside(const char *path, const char *aside, const char *suffix) {
        _cleanup_free_ char *old = NULL, *new = NULL;

        if (asprintf(&old, "%s%s", path, suffix) < 0) {
                old = NULL;
                return;
        }
        if (asprintf(&new, "%s%s", aside, suffix) < 0) {
                new = NULL;
                return;
        }
        if (move_file(old, new) < 0)
                (void)unlink(old);
}

int history_set_aside(const char *path, uint64_t now_real_usec, char **ret_path) {
        time_t seconds = (time_t)(now_real_usec / USEC_PER_SEC);
        char when[sizeof("20261122T190405Z")] = "";
        struct tm tm;
        int r = -EEXIST;

        if (gmtime_r(&seconds, &tm))
                (void)strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
        for (unsigned i = 0; i < 100 && r == -EEXIST; i++) {
                char *aside;

                if ((i == 0 ? asprintf(&aside, "%s.corrupt-%s", path, when) : asprintf(&aside, "%s.corrupt-%s-%u", path, when, i)) < 0)
                        return -ENOMEM;
                r = move_file(path, aside);
                if (r < 0) {
                        free(aside);
                        continue;
                }
                move_beside(path, aside, "-wal");
                move_beside(path, aside, "-shm");
                *ret_path = aside;
        }
        return r;
}
