/* A hash table from ids to pointers, which it does not own. Id 0 is not used by anybody. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct table_slot {
        uint64_t id; /* 0: free */
        void *value;
};

struct table {
        struct table_slot *slots;
        size_t allocated; /* 0, or a power of two */
        size_t count;
};

/* NULL when ID is not there. */
void *table_get(const struct table *table, uint64_t id);
/* Adds ID, which must not be there yet. 0 or -ENOMEM. */
int table_put(struct table *table, uint64_t id, void *value);
/* Takes ID out and answers what it was, or NULL. */
void *table_take(struct table *table, uint64_t id);
/* Walks in no particular order: start with *POSITION 0; NULL ends. Nothing may be added or taken out meanwhile. */
void *table_next(const struct table *table, size_t *position);
void table_deinit(struct table *table);
