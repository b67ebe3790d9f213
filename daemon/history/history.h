/*
 * The file: opened so that it is ours, alone, whole, of this version, bounded in size and hidden from others; or an answer why not.
 *
 * A file that is damaged is set aside, since nothing of use can be done with it. One that belongs to another program or to a newer
 * pgwaked is left alone.
 */
#pragma once

#include "history/pending.h"
#include "history/rows.h"

enum history_answer {
        HISTORY_GOOD,
        HISTORY_NEW,     /* good, and nothing was in it */
        HISTORY_DAMAGED, /* not whole, or no database at all */
        HISTORY_NEWER,   /* of a newer pgwaked */
        HISTORY_FOREIGN, /* of another program */
        HISTORY_BUSY,    /* somebody reads, so that the log beside it cannot begin anew: to be tried again soon */
        HISTORY_HELD,    /* the same, for so long that the log has all the room that there may be */
};

struct history;

/*
 * Makes it when it is missing, never its folder. A history_answer or a negative errno: -EBUSY when somebody else writes it, -ENOSPC,
 * -EROFS, -EACCES, -ENOENT ... RET_HISTORY is set with HISTORY_GOOD and HISTORY_NEW. Whatever is done with it asks STOP again and again;
 * true breaks it off, with -EINTR and nothing of it done.
 */
int history_open(const char *path, uint64_t max_bytes, bool (*stop)(void *userdata), void *userdata, struct history **ret_history);
/* Takes NULL. */
struct history *history_close(struct history *history);
/* Whether PATH is not its name any more: somebody removed, moved or replaced it. */
bool history_is_elsewhere(const struct history *history, const char *path);
/* Whether what SQLite keeps beside PATH is another file than at the last call, or is gone. What was in it is in history_leave()'s hands. */
bool history_lost_its_log(struct history *history, const char *path);
/* Whether it has a second name. */
bool history_has_links(const struct history *history);
/*
 * Closes one that is elsewhere. Its log stands beside the name that it had, where it must not be taken for that of another file, so all of
 * it goes into the file first. Answers NULL.
 */
struct history *history_leave(struct history *history);
/* The file is written for the last time: no reader is waited for. */
void history_hurry(struct history *history);
/* Bounds it and what SQLite keeps beside it. */
int history_limit(struct history *history, uint64_t max_bytes);

/* Everything in it. HISTORY_GOOD, HISTORY_DAMAGED or a negative errno. */
int history_read(struct history *history, struct snapshot **ret_snapshots);
/* Reads a file that history_open() could not open for writing: the disk is full, or the folder is read-only. */
int history_read_only(const char *path, struct snapshot **ret_snapshots);
/*
 * Writes the first that wait on PENDING, as many as fit well into one transaction, and takes them off its lists; and that the daemon that
 * began to watch at BEGAN does so still. Where the size that is allowed is reached, what is oldest makes room first. HISTORY_GOOD,
 * HISTORY_DAMAGED, HISTORY_BUSY, HISTORY_HELD or an errno: -ENOSPC the disk is full, or there is nothing that could make room.
 */
int history_write(struct history *history, struct pending *pending, uint64_t began_real_usec);
/*
 * A database that nobody watched for so long is forgotten when nothing else is left of it: longer than any pause, lease, or month with its
 * budget.
 */
#define HISTORY_GONE_USEC (32 * USEC_PER_DAY)
/*
 * Drops a slice of what is older than BEFORE; of databases of which nothing was saved since GONE, and that are not watched by PENDING, also
 * the name, there too. HISTORY_NEW: there is more; HISTORY_GOOD, HISTORY_DAMAGED, HISTORY_BUSY, HISTORY_HELD or an errno.
 */
int history_prune(struct history *history, struct pending *pending, uint64_t before_real_usec, uint64_t gone_real_usec);
/* Whether all of it is whole: reads all of it. HISTORY_GOOD, HISTORY_DAMAGED or an errno. */
int history_check(struct history *history);

/* Gives it and what is beside it a name that tells when and why, and that was free. RET_PATH (free it) is the new one. */
int history_set_aside(const char *path, uint64_t now_real_usec, char **ret_path);
