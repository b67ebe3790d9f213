#include "base/id-map.h"

#include "base/error.h"
#include "base/macro.h"

#define SLOTS_MIN 16

/* Ids grow by one; the multiplication spreads them over the high bits. */
static size_t home(const struct id_map *map, uint64_t id) {
        return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (map->allocated - 1);
}

static size_t next(const struct id_map *map, size_t at) {
        return (at + 1) & (map->allocated - 1);
}

static struct id_map_slot *id_map_find(const struct id_map *map, uint64_t id) {
        if (map->allocated == 0)
                return NULL;
        for (size_t at = home(map, id); map->slots[at].id != 0; at = next(map, at))
                if (map->slots[at].id == id)
                        return &map->slots[at];
        return NULL;
}

static void insert(struct id_map *map, uint64_t id, void *value) {
        size_t at = home(map, id);

        while (map->slots[at].id != 0)
                at = next(map, at);
        map->slots[at] = (struct id_map_slot){ .id = id, .value = value };
        map->count++;
}

static int id_map_grow(struct id_map *map) {
        struct id_map bigger = { .allocated = map->allocated ? 2 * map->allocated : SLOTS_MIN };

        bigger.slots = calloc(bigger.allocated, sizeof(*bigger.slots));
        if (!bigger.slots)
                return -ENOMEM;
        for (size_t i = 0; i < map->allocated; i++)
                if (map->slots[i].id != 0)
                        insert(&bigger, map->slots[i].id, map->slots[i].value);
        free(map->slots);
        *map = bigger;
        return 0;
}

void *id_map_get(const struct id_map *map, uint64_t id) {
        struct id_map_slot *slot = id_map_find(map, id);

        return slot ? slot->value : NULL;
}

int id_map_put(struct id_map *map, uint64_t id, void *value) {
        if (4 * (map->count + 1) > 3 * map->allocated) {
                int r = id_map_grow(map);

                if (r < 0)
                        return r;
        }
        insert(map, id, value);
        return 0;
}

/* Whether an entry at AT with this home must move into HOLE, before it, once that is free: searching for it would end at the hole. */
static bool must_move(size_t home_slot, size_t hole, size_t at) {
        return hole <= at ? home_slot <= hole || home_slot > at : home_slot <= hole && home_slot > at;
}

void *id_map_take(struct id_map *map, uint64_t id) {
        struct id_map_slot *slot = id_map_find(map, id);
        size_t hole;
        void *value;

        if (!slot)
                return NULL;
        value = slot->value;
        hole = (size_t)(slot - map->slots);
        for (size_t at = next(map, hole); map->slots[at].id != 0; at = next(map, at))
                if (must_move(home(map, map->slots[at].id), hole, at)) {
                        map->slots[hole] = map->slots[at];
                        hole = at;
                }
        map->slots[hole] = (struct id_map_slot){};
        map->count--;
        return value;
}

void *id_map_next(const struct id_map *map, size_t *position) {
        while (*position < map->allocated) {
                const struct id_map_slot *slot = &map->slots[(*position)++];

                if (slot->id != 0)
                        return slot->value;
        }
        return NULL;
}

void id_map_deinit(struct id_map *map) {
        free(map->slots);
        *map = (struct id_map){};
}
