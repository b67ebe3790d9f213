/*
 * The file of the history, as seen by the one thread that writes it (history/store.c): it is read once, then written, replaced if it is
 * damaged, and retried more and more slowly if it cannot be written. All functions are for that thread, unless noted.
 */
#pragma once

#include "history/event-record.h"
#include "history/snapshot.h"
#include "history/store.h"

struct writer;

int writer_new(const char *path, const struct store_bounds *bounds, struct writer **ret_writer);
/* Snapshots and events that were not written are lost. Takes NULL. */
struct writer *writer_free(struct writer *writer);

/* The first call: tries to read the file, and returns the same as writer_past(). */
struct snapshot *writer_read(struct writer *writer);
/*
 * The past that was read from the file since the last call, once. The caller takes it and bases its next snapshots on it; NULL: there is
 * none. Nothing is written before writer_past_taken().
 */
struct snapshot *writer_past(struct writer *writer);
/* The caller has the past: its snapshots continue from it from now on. */
void writer_past_taken(struct writer *writer);

/* Takes over SNAPSHOT. */
void writer_put(struct writer *writer, struct snapshot *snapshot);
/* Takes over RECORD. */
void writer_tell(struct writer *writer, struct event_record *record);
/* Every watched database was put or recalled, so all others are known not to be watched: from now on old rows are dropped. */
void writer_all_recalled(struct writer *writer);
/* The reader suspects that the file is damaged: the next write checks it. */
void writer_doubt(struct writer *writer);

/* Whether something that was put or told is not in the file. */
bool writer_is_behind(const struct writer *writer);
/* Milliseconds until writer_write() or writer_prune() is due; -1: neither is. */
int writer_wait_msec(const struct writer *writer);
/* Whether the file's contents could not be read yet. */
bool writer_past_is_to_come(const struct writer *writer);
/* Writes everything that waits, snapshots first, if that is due, or if this is the LAST try. */
void writer_write(struct writer *writer, bool last);
/* Drops a slice of old rows, if that is due. */
void writer_prune(struct writer *writer);
/* Notes in the file that the databases were watched until now, and closes it. */
void writer_close(struct writer *writer);

/*
 * For any thread. The end is near: the present operation is broken off, so that the LAST try begins with the most important part. That try
 * ends at BOOT_USEC too, finished or not.
 */
void writer_end_by(struct writer *writer, uint64_t boot_usec);
/* For any thread; takes force with the next write. */
void writer_limit(struct writer *writer, const struct store_bounds *bounds);
/* For any thread. RET_SENTENCE is for people; "" if there is nothing to say. */
enum store_health writer_health(struct writer *writer, char *ret_sentence, size_t size);
