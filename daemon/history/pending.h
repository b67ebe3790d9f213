/* The newest snapshot of each database, by name; and what waits to be written: which of them, what their hours counted, what happened. */
#pragma once

#include "history/event-rows.h"

struct pending_entry {
        struct snapshot *snapshot;
        bool waits, watched;
        struct hour *hours;         /* that wait, newest first */
        STAILQ_ENTRY(pending_entry) link; /* of those that wait */
};

struct pending {
        struct pending_entry **entries; /* in the order of the names */
        size_t n, allocated;
        STAILQ_HEAD(, pending_entry) waiting; /* in the order of their coming */
        STAILQ_HEAD(, event_record) events;
        size_t n_events;
};

struct pending_batch {
        size_t n, n_events;
        uint64_t pages; /* that they change at worst */
};

void pending_init(struct pending *pending);
void pending_deinit(struct pending *pending);
/*
 * Takes SNAPSHOT in place of what was there, which is freed. With WAITS it is listed too, and what it has more is counted. -ENOMEM:
 * SNAPSHOT stays the caller's.
 */
int pending_put(struct pending *pending, struct snapshot *snapshot, bool waits);
/* Takes what is there of NAME; NULL: nothing is. Not of what waits. */
struct snapshot *pending_take(struct pending *pending, const char *name);
/* Takes the snapshot of NAME and frees it. */
void pending_drop(struct pending *pending, const char *name);
/* The database NAME is watched, as each is whose snapshot is put, unless it was put away. */
void pending_watch(struct pending *pending, const char *name);
/* Whether it is, or waits to be written. */
bool pending_is_watched(const struct pending *pending, const char *name);
/* Frees all of which nothing was saved since SINCE. Only where nothing waits. */
void pending_drop_before(struct pending *pending, uint64_t since_real_usec);
/* Takes RECORD, which waits. When too much does, what happened longest ago is lost. */
void pending_tell(struct pending *pending, struct event_record *record);
/* Whether anything does. */
bool pending_waits(const struct pending *pending);
/*
 * Takes PAST, which is in the file: what is there of the same database began without knowing it, and goes on from it. -ENOMEM: PAST stays
 * the caller's.
 */
int pending_learn(struct pending *pending, struct snapshot *past);
/* The file has SNAPSHOTS: everything else is to be written. */
void pending_compare(struct pending *pending, const struct snapshot *snapshots);
/* Chooses the first that wait, as many as fit well into one transaction, which may change PAGES_MAX pages of the file. */
struct pending_batch pending_choose(const struct pending *pending, uint64_t pages_max);
/* The snapshots and events of BATCH have been written. */
void pending_written(struct pending *pending, const struct pending_batch *batch);
