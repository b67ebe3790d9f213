/*
 * The file of the history, as the one thread that writes it has it (history/store.c): read once, then written, made anew when it is
 * damaged, and tried again, more and more slowly, when it cannot be written. All is that thread's but what says otherwise.
 */
#pragma once

#include "history/event-record.h"
#include "history/snapshot.h"
#include "history/store.h"

struct writer;

int writer_new(const char *path, const struct store_bounds *bounds, struct writer **ret_writer);
/* Snapshots and events that were not written are lost. Takes NULL. */
struct writer *writer_free(struct writer *writer);

/* The first call: tries to read what is in the file, and answers as writer_past(). */
struct snapshot *writer_read(struct writer *writer);
/*
 * The past that was read of the file since, once, for the caller, whose next snapshots follow it; NULL: nothing was. Until
 * writer_past_taken() nothing is written.
 */
struct snapshot *writer_past(struct writer *writer);
/* The caller has the past: what it puts from now on has gone on from it. */
void writer_past_taken(struct writer *writer);

/* SNAPSHOT is the writer's. */
void writer_put(struct writer *writer, struct snapshot *snapshot);
/* RECORD is the writer's. */
void writer_tell(struct writer *writer, struct event_record *record);
/* Every database that is watched was put or recalled, so that it is known which are not: from now on what is old is dropped. */
void writer_all_recalled(struct writer *writer);
/* The reader thinks that the file is damaged: the next write looks at it. */
void writer_doubt(struct writer *writer);

/* Whether something is not in the file that was put or told. */
bool writer_is_behind(const struct writer *writer);
/* Milliseconds until it is time for writer_write() or writer_prune(); -1: nothing is due. */
int writer_wait_msec(const struct writer *writer);
/* What is in the file could not be read yet. */
bool writer_past_is_to_come(const struct writer *writer);
/* Writes all that waits, snapshots first, when it is time for that, or when this is the LAST try. */
void writer_write(struct writer *writer, bool last);
/* Drops a slice of what is old, when it is time for that. */
void writer_prune(struct writer *writer);
/* Says in the file that the databases were watched until now, and closes it. */
void writer_close(struct writer *writer);

/*
 * Any thread. The end is near: what is being done is broken off, so that the LAST try begins with what counts most, and that ends at
 * BOOT_USEC too, done or not.
 */
void writer_end_by(struct writer *writer, uint64_t boot_usec);
/* Any thread; in force with the next write. */
void writer_limit(struct writer *writer, const struct store_bounds *bounds);
/* Any thread. RET_SENTENCE is for people; "" where there is nothing to say. */
enum store_health writer_health(struct writer *writer, char *ret_sentence, size_t size);
