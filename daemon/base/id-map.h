/* A hash table from ids to pointers, which it does not own. Id 0 is never used. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct id_map_slot {
        uint64_t id; /* 0: free */
        void *value;
};

struct id_map {
        struct id_map_slot *slots;
        size_t allocated; /* 0, or a power of two */
        size_t count;
};

/* NULL if there is no ID. */
void *id_map_get(const struct id_map *map, uint64_t id);
/* Adds ID, which must not exist yet. 0 or -ENOMEM. */
int id_map_put(struct id_map *map, uint64_t id, void *value);
/* Removes ID and returns its pointer, or NULL. */
void *id_map_take(struct id_map *map, uint64_t id);
/* Iterates in no particular order: start with *POSITION 0; NULL ends. Nothing may be added or removed meanwhile. */
void *id_map_next(const struct id_map *map, size_t *position);
void id_map_deinit(struct id_map *map);
