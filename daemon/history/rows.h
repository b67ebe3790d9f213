/* Snapshots as rows, and back. history/schema.h explains the rows. */
#pragma once

#include "history/snapshot.h"
#include "history/sqlite.h"

struct rows_writer;

/* SQLITE must outlive it. */
int rows_writer_new(struct sqlite *sqlite, struct rows_writer **ret_writer);
/* Takes NULL. */
struct rows_writer *rows_writer_free(struct rows_writer *writer);
/*
 * Adds the pending counters of SNAPSHOT to its rows, and replaces everything else. Needs a transaction. Sets RET_ID to the row of the
 * database, unless the result is negative.
 */
int rows_write(struct rows_writer *writer, const struct snapshot *snapshot, uint64_t *ret_id);

/*
 * Reads every database of the file, of this version or an older one, with nothing pending. Words that this version does not know are left
 * out. RET_SNAPSHOTS is an unordered list for snapshot_list_free().
 */
int rows_read(struct sqlite *sqlite, struct snapshot **ret_snapshots);
