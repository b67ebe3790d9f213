/* Snapshots as rows, and back. What the rows mean stands in history/schema.h. */
#pragma once

#include "history/snapshot.h"
#include "history/sqlite.h"

struct rows_writer;

/* SQLITE must outlive it. */
int rows_writer_new(struct sqlite *sqlite, struct rows_writer **ret_writer);
/* Takes NULL. */
struct rows_writer *rows_writer_free(struct rows_writer *writer);
/*
 * What is pending of SNAPSHOT is added, the rest takes the place of what is there. Inside a transaction. RET_ID is its database's row, set
 * when the answer is not negative.
 */
int rows_write(struct rows_writer *writer, const struct snapshot *snapshot, uint64_t *ret_id);

/*
 * Every database of the file, of this version or an older one, nothing pending; words that this version does not know are left out.
 * RET_SNAPSHOTS is a list, in no order, for snapshot_list_free().
 */
int rows_read(struct sqlite *sqlite, struct snapshot **ret_snapshots);
