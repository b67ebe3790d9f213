/*
 * The newest snapshot of each database, by name; and everything that waits to be written: which snapshots, the counters of their hours,
 * events.
 */
#pragma once

#include "history/event-rows.h"

struct pending_entry {
        struct snapshot *snapshot;
        bool waits, watched;
        struct hour *hours;         /* waiting, newest first */
        STAILQ_ENTRY(pending_entry) link; /* of those that wait */
};

struct pending {
        struct pending_entry **entries; /* sorted by name */
        size_t n, allocated;
        STAILQ_HEAD(, pending_entry) waiting; /* in order of arrival */
        STAILQ_HEAD(, event_record) events;
        size_t n_events;
};

struct pending_batch {
        size_t n, n_events;
        uint64_t pages; /* the most that they can change */
};

void pending_init(struct pending *pending);
void pending_deinit(struct pending *pending);
/*
 * Replaces the snapshot of the same database by SNAPSHOT, and frees the old one. WAITS: it waits to be written, and its increase is
 * counted. -ENOMEM: the caller keeps SNAPSHOT.
 */
int pending_put(struct pending *pending, struct snapshot *snapshot, bool waits);
/* Takes out the snapshot of NAME; NULL: there is none. Not for one that waits. */
struct snapshot *pending_take(struct pending *pending, const char *name);
/* Removes the snapshot of NAME and frees it. */
void pending_drop(struct pending *pending, const char *name);
/* Marks the database NAME as watched. Every database whose snapshot is put is watched, unless it was put away. */
void pending_watch(struct pending *pending, const char *name);
/* Whether NAME is watched, or waits to be written. */
bool pending_is_watched(const struct pending *pending, const char *name);
/* Frees all of which nothing was saved since SINCE. Only if nothing waits. */
void pending_drop_before(struct pending *pending, uint64_t since_real_usec);
/* Adds RECORD to what waits. If too much waits, the oldest is lost. */
void pending_tell(struct pending *pending, struct event_record *record);
/* Whether anything waits. */
bool pending_waits(const struct pending *pending);
/*
 * Takes PAST, which is in the file. If there is a snapshot of the same database, it began without PAST and is merged with it. -ENOMEM: the
 * caller keeps PAST.
 */
int pending_learn(struct pending *pending, struct snapshot *past);
/* The file contains SNAPSHOTS: everything else is to be written. */
void pending_compare(struct pending *pending, const struct snapshot *snapshots);
/* Chooses the first entries that wait, as many as fit well into one transaction, which may change PAGES_MAX pages of the file. */
struct pending_batch pending_choose(const struct pending *pending, uint64_t pages_max);
/* The snapshots and events of BATCH are in the file. */
void pending_written(struct pending *pending, const struct pending_batch *batch);
