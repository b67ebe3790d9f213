/*
 * The file of the history. Opening it makes sure that no other daemon has it, that it is intact and of this version, bounded in size and
 * not readable by others; otherwise it returns the reason.
 *
 * A damaged file is set aside, since nothing else can be done with it. A file of another program or of a newer pgwaked is left alone.
 */
#pragma once

#include "history/pending.h"
#include "history/rows.h"

enum history_answer {
        HISTORY_GOOD,
        HISTORY_NEW,     /* good, and empty */
        HISTORY_DAMAGED, /* damaged, or no database at all */
        HISTORY_NEWER,   /* made by a newer pgwaked */
        HISTORY_FOREIGN, /* made by another program */
        HISTORY_BUSY,    /* a reader keeps the log from beginning anew: try again soon */
        HISTORY_HELD,    /* the same, for so long that the log has used all the room it may have */
};

struct history;

/*
 * Opens the file, or makes it, but never its folder. Returns a history_answer or a negative errno: -EBUSY if another process writes it,
 * -ENOSPC, -EROFS, -EACCES, -ENOENT ... Sets RET_HISTORY with HISTORY_GOOD and HISTORY_NEW. Every operation on it keeps calling STOP; if
 * that returns true the operation ends with -EINTR, and nothing of it is done.
 */
int history_open(const char *path, uint64_t max_bytes, bool (*stop)(void *userdata), void *userdata, struct history **ret_history);
/* Takes NULL. */
struct history *history_close(struct history *history);
/* Whether the file was removed, moved or replaced, so that PATH does not name it any more. */
bool history_is_elsewhere(const struct history *history, const char *path);
/* Whether SQLite's log beside PATH was replaced or removed since the last call. history_leave() rescues its contents. */
bool history_lost_its_log(struct history *history, const char *path);
/* Whether the file has a second name. */
bool history_has_links(const struct history *history);
/*
 * Closes a file for which history_is_elsewhere(). Its log has the old name, where it must not be taken for another file's, so all of it is
 * moved into the file first. Returns NULL.
 */
struct history *history_leave(struct history *history);
/* This is the last write: waits for no reader. */
void history_hurry(struct history *history);
/* Limits the size of the file together with what SQLite keeps beside it. */
int history_limit(struct history *history, uint64_t max_bytes);

/* Reads everything in it. HISTORY_GOOD, HISTORY_DAMAGED or a negative errno. */
int history_read(struct history *history, struct snapshot **ret_snapshots);
/* Reads a file that history_open() could not open for writing, since the disk is full or the folder read-only. */
int history_read_only(const char *path, struct snapshot **ret_snapshots);
/*
 * Writes the first entries of PENDING, as many as fit well into one transaction, and removes them from its lists; and notes that the daemon
 * has watched since BEGAN. At the size limit, the oldest rows make room first. HISTORY_GOOD, HISTORY_DAMAGED, HISTORY_BUSY, HISTORY_HELD or
 * an errno: -ENOSPC means that the disk is full, or that nothing is left to make room.
 */
int history_write(struct history *history, struct pending *pending, uint64_t began_real_usec);
/*
 * A database that has not been watched for this long is forgotten when it has no rows left. It is longer than any pause, lease, or month
 * with its budget.
 */
#define HISTORY_GONE_USEC (32 * USEC_PER_DAY)
/*
 * Drops a slice of the rows older than BEFORE. Databases of which nothing was saved since GONE, and that PENDING does not watch, are
 * removed by name too, here and in PENDING. HISTORY_NEW: there is more; HISTORY_GOOD, HISTORY_DAMAGED, HISTORY_BUSY, HISTORY_HELD or an
 * errno.
 */
int history_prune(struct history *history, struct pending *pending, uint64_t before_real_usec, uint64_t gone_real_usec);
/* Whether the file is intact: reads all of it. HISTORY_GOOD, HISTORY_DAMAGED or an errno. */
int history_check(struct history *history);

/* Renames the file, and what is beside it, to a free name that tells when and why. RET_PATH (free it) is the new name. */
int history_set_aside(const char *path, uint64_t now_real_usec, char **ret_path);
