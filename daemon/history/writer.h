/*
 * The thread that has the file. It reads it once, then writes what it is given, newest snapshot of each database only and all that happened, and sleeps while
 * there is nothing to write. What cannot be written now it keeps and tries again, more and more slowly.
 */
#pragma once

#include "history/happening.h"
#include "history/snapshot.h"
#include "history/store.h"

struct writer;

int writer_new(const char *path, const struct store_bounds *bounds, struct writer **ret_writer);
/* Writes what is still to be written, once, and ends; waits at most TIMEOUT_USEC. Takes NULL. */
struct writer *writer_free(struct writer *writer, uint64_t timeout_usec);

/* Readable when writer_past() has something to tell. */
int writer_past_fd(const struct writer *writer);
/*
 * Whether it was tried to read the file; the list of what is in it is the caller's then, and what is put from now on has gone on from it. NULL: it is
 * new, or could not be read; then it is tried again, and told once more when it was.
 */
bool writer_past(struct writer *writer, struct snapshot **ret_past);
/* SNAPSHOT is the writer's. -ENOMEM: it is gone. */
int writer_put(struct writer *writer, struct snapshot *snapshot);
/* Whether so much waits to be taken by a disk that hangs that nothing more should be put. */
bool writer_is_behind(struct writer *writer);
/* HAPPENING is the writer's. -ENOMEM: it is gone. */
int writer_tell(struct writer *writer, struct happening *happening);
/* Every database that is watched was put or recalled, so that it is known which are not: from now on what is old is dropped. */
void writer_all_recalled(struct writer *writer);
/* Who read the file thinks that it is damaged: it is looked at. Any thread. */
void writer_doubt(struct writer *writer);
void writer_limit(struct writer *writer, const struct store_bounds *bounds);
/* Waits until all that was put before is in the file: 0, or -ETIMEDOUT. */
int writer_flush(struct writer *writer, uint64_t timeout_usec);
enum store_health writer_health(struct writer *writer, char *ret_sentence, size_t size);
