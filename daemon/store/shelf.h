/* The newest snapshot of each database, by name; and which of them wait to be written. */
#pragma once

#include "store/snapshot.h"

struct shelf_place {
        struct snapshot *snapshot;
        bool waits;
        struct shelf_place *next; /* of those that wait */
};

struct shelf {
        struct shelf_place **places; /* in the order of the names */
        size_t n, allocated;
        struct shelf_place *first, *last; /* that wait, in the order of their coming */
};

void shelf_deinit(struct shelf *shelf);
/* NULL: nothing is known of NAME. */
const struct snapshot *shelf_find(const struct shelf *shelf, const char *name);
/* In the order of the names; NULL past the end. */
const struct snapshot *shelf_at(const struct shelf *shelf, size_t i);
/* Takes SNAPSHOT in place of what was there, which is freed. With WAITS it is listed too. -ENOMEM: SNAPSHOT stays the caller's. */
int shelf_put(struct shelf *shelf, struct snapshot *snapshot, bool waits);
/* Frees what is there of NAME. Not of a shelf on which something waits. */
void shelf_drop(struct shelf *shelf, const char *name);
/* Everything on it is to be written, and all of it. */
void shelf_all_wait(struct shelf *shelf);
/* The first N that wait have been written. */
void shelf_written(struct shelf *shelf, size_t n);
