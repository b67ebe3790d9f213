/* The newest snapshot of each database, by name; and what waits to be written: which of them, what their hours counted, what happened. */
#pragma once

#include "history/happening.h"
#include "history/hour.h"
#include "history/snapshot.h"

struct shelf_place {
        struct snapshot *snapshot;
        bool waits, watched;
        struct hour *hours;       /* that wait, newest first */
        struct shelf_place *next; /* of those that wait */
};

struct shelf {
        struct shelf_place **places; /* in the order of the names */
        size_t n, allocated;
        struct shelf_place *first, *last; /* that wait, in the order of their coming */
        struct happening *first_happening, *last_happening;
        size_t n_happenings;
};

void shelf_deinit(struct shelf *shelf);
/* Takes SNAPSHOT in place of what was there, which is freed. With WAITS it is listed too, and what it has more is counted. -ENOMEM: SNAPSHOT stays the caller's. */
int shelf_put(struct shelf *shelf, struct snapshot *snapshot, bool waits);
/* Takes what is there of NAME; NULL: nothing is. Not of what waits. */
struct snapshot *shelf_take(struct shelf *shelf, const char *name);
/* The same, and frees it. */
void shelf_drop(struct shelf *shelf, const char *name);
/* What is there of NAME is of a database that is watched, as all is that is put, unless it was put away. */
void shelf_watch(struct shelf *shelf, const char *name);
/* Whether it is, or waits to be written. */
bool shelf_is_watched(const struct shelf *shelf, const char *name);
/* Frees all of which nothing was saved since SINCE. Not of a shelf on which something waits. */
void shelf_drop_before(struct shelf *shelf, uint64_t since_real_usec);
/* Takes HAPPENING, which waits. When too much does, what happened longest ago is lost. */
void shelf_tell(struct shelf *shelf, struct happening *happening);
/* Whether anything does. */
bool shelf_waits(const struct shelf *shelf);
/* Takes PAST, which is in the file: what is there of the same database began without knowing it, and goes on from it. -ENOMEM: PAST stays the caller's. */
int shelf_learn(struct shelf *shelf, struct snapshot *past);
/* In the file are SNAPSHOTS: all that it has otherwise is to be written. */
void shelf_compare(struct shelf *shelf, const struct snapshot *snapshots);
/* The first N that wait, and the first N_HAPPENINGS, have been written. */
void shelf_written(struct shelf *shelf, size_t n, size_t n_happenings);
