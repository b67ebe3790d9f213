/*
 * The file: opened so that it is ours, alone, whole, of this version, bounded in size and hidden from others; or an answer why not.
 *
 * A file that is damaged is set aside, since nothing of use can be done with it. One that belongs to another program or to a newer
 * pgwaked is left alone.
 */
#pragma once

#include "store/rows.h"
#include "store/shelf.h"

enum file_answer {
        FILE_GOOD,
        FILE_NEW,     /* good, and nothing was in it */
        FILE_DAMAGED, /* not whole, or no database at all */
        FILE_NEWER,   /* of a newer pgwaked */
        FILE_FOREIGN, /* of another program */
};

struct file;

/*
 * Makes it when it is missing, never its folder. A file_answer or a negative errno: -EBUSY when somebody else writes it, -ENOSPC, -EROFS,
 * -EACCES, -ENOENT ... RET_FILE is set with FILE_GOOD and FILE_NEW.
 */
int file_open(const char *path, uint64_t max_bytes, struct file **ret_file);
/* Takes NULL. */
struct file *file_close(struct file *file);
/* Whether somebody removed it, so that what is written to it is lost. */
bool file_is_gone(const struct file *file);
/* Bounds it and what SQLite keeps beside it. */
int file_limit(struct file *file, uint64_t max_bytes);

/* Everything in it. FILE_GOOD, FILE_DAMAGED or a negative errno. */
int file_read(struct file *file, struct snapshot **ret_snapshots);
/* The same for one that file_open() could not open for writing: a disk that is full, a folder that is read-only. */
int file_read_only(const char *path, struct snapshot **ret_snapshots);
/* Writes the first that wait on SHELF, as many as fit well into one transaction, and takes them off its list. FILE_GOOD, FILE_DAMAGED or an errno. */
int file_write(struct file *file, struct shelf *shelf);

/* Gives it and what is beside it a name that tells when and why, and that was free. RET_PATH (free it) is the new one. */
int file_set_aside(const char *path, uint64_t now_real_usec, char **ret_path);
